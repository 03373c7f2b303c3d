/**
 * What we know of one web seed (BEP 19): which pieces it can give, when it may be asked again, and why not.
 * Invariants: it has every piece until it says that a file is not there or sent a piece that is wrong; once
 * dropped it is never asked again; waits double from `FIRST_WAIT_SECONDS` to `WAIT_SECONDS_MAX`.
 */
import type { Bitfield } from '../base/bitfield.ts'
import { LIMITS } from '../base/limits.ts'
import { RateMeter } from '../base/rate-meter.ts'
import type { Fault } from '../base/result.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import type { WebSeedFault } from '../wire/web-seed-reply.ts'
import { webSeedName } from '../wire/web-seed-url.ts'

const FIRST_WAIT_SECONDS = 5
const WAIT_SECONDS_MAX = 600
/** A server may ask for more patience than we have on our own. */
const ASKED_WAIT_SECONDS_MAX = 3600
/** A request is about as long as the server needs for so many seconds. */
const RANGE_SECONDS = 8
/** Of the first requests, when its speed is not known yet. */
const FIRST_RANGE_BYTES = 1024 * 1024

/** This file will not be had from it; others may. */
const ABOUT_A_FILE: ReadonlySet<string> = new Set([
  'web-seed/file-missing',
  'web-seed/no-ranges',
  'web-seed/wrong-file',
])
/** It may work later. Everything else ends it. */
const PASSING: ReadonlySet<string> = new Set([
  'web-seed/busy',
  'web-seed/cut-off',
  'web-seed/failed',
  'web-seed/too-slow',
  'web-seed/unreachable',
])

export class WebSeed {
  readonly url: string
  /** Stands for it where peers have their address. */
  readonly name: string
  readonly downloaded = new RateMeter()
  /** Why it was not asked, or not any more. */
  fault: Fault | undefined
  isDropped = false
  /** Requests under way. */
  openCount = 0
  /** One past the last piece that was asked of it: going on there makes long requests. */
  nextPiece = 0
  verifiedPieces = 0
  /** Not to be asked before. */
  retryAt: Instant | undefined
  /** Pieces it can give, as the picker wants them. Shared by all that have everything. */
  #has: Bitfield
  #isShared = true
  #failureCount = 0
  #badCount = 0

  /** @param all every piece; not changed here */
  constructor(url: string, all: Bitfield) {
    this.url = url
    this.name = webSeedName(url)
    this.#has = all
  }

  get pieces(): Bitfield {
    return this.#has
  }

  mayBeAsked(now: Instant): boolean {
    if (this.isDropped || this.openCount >= LIMITS.webSeedConnectionsPerSeedMax.value) return false
    if (this.retryAt === undefined) return true
    // After a failure one request shows whether it works again.
    return this.retryAt <= now && this.openCount === 0
  }

  /** How long one request should be. */
  rangeBytes(now: Instant): number {
    const wanted =
      this.downloaded.total < FIRST_RANGE_BYTES
        ? FIRST_RANGE_BYTES
        : this.downloaded.rate(now) * RANGE_SECONDS
    return Math.min(wanted, LIMITS.webSeedRangeBytesMax.value)
  }

  /** A block came. */
  works(): void {
    this.retryAt = undefined
    this.#failureCount = 0
    this.fault = undefined
  }

  lacksPieces(first: number, end: number): void {
    if (this.#isShared) this.#has = this.#has.copy()
    this.#isShared = false
    for (let piece = first; piece < end; piece++) this.#has.clear(piece)
  }

  /** What a failed request means: for one file, for a while, or for good. Waits are set here. */
  failed(now: Instant, fault: WebSeedFault): 'file' | 'wait' | 'drop' {
    if (ABOUT_A_FILE.has(fault.code)) return 'file'
    this.fault = fault
    if (!PASSING.has(fault.code)) return 'drop'
    const doubled = Math.min(WAIT_SECONDS_MAX, FIRST_WAIT_SECONDS * 2 ** this.#failureCount++)
    const asked = Math.min(ASKED_WAIT_SECONDS_MAX, fault.retryAfterSeconds ?? 0)
    this.retryAt = after(now, seconds(Math.max(doubled, asked)))
    return 'wait'
  }

  /** It alone sent a piece that is wrong, which counts once; true when that was one too many. */
  spoiled(piece: number): boolean {
    if (!this.#has.has(piece)) return false
    this.lacksPieces(piece, piece + 1)
    return ++this.#badCount >= LIMITS.webSeedBadPiecesMax.value
  }
}
