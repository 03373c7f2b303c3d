/**
 * Looks after the content of one torrent while it is in the swarm: pauses it with a reason when its disk
 * cannot be used, lets it go on when it can, and reads again what looks changed.
 * Invariants: `look` never waits; at most one re-read is under way; after the content was gone nothing is
 * fetched or served before what looks changed was read again; a pause ends by itself, or the task does.
 */
import { setTimeout } from 'node:timers/promises'
import { Bitfield } from '../base/bitfield.ts'
import type { Fault } from '../base/result.ts'
import type { SwarmInput } from '../swarm/effects.ts'
import type { SwarmEvent } from '../swarm/events.ts'
import type { Geometry } from '../swarm/geometry.ts'
import { CONTENT_GONE } from '../swarm/pause.ts'
import type { Torrent } from '../swarm/torrent.ts'
import type { ContentCheck } from './content-check.ts'
import type { ContentStat } from './content-folder.ts'
import { ContentGuard, type GuardedContent } from './content-guard.ts'
import type { FileStore } from './file-store.ts'
import type { NodeEvent } from './node-events.ts'
import { ShoalError } from './shoal-error.ts'
import { findShortage, freeBytes, NOT_ENOUGH_SPACE, type SpaceNeed } from './space-check.ts'
import { contentGone } from './storage-error.ts'

/** A pause is tried again after this; twice as long after each try in a row that did not help. */
const RETRY_MS_MIN = 10_000
const RETRY_MS_MAX = 300_000
/** Files that look changed again and again are read again no more often. */
const RECHECK_REST_MS = 5000
/** Pieces that could not be read are read again after this: the disk may have been away for a moment. */
const UNREADABLE_MS = 10_000

const ROOM_POLL_MS = 1000

/** What may pass without anybody doing something about this torrent. Everything else ends it. */
const PASSING_FAULTS: ReadonlySet<string> = new Set([
  'storage/disk-full',
  'storage/quota-full',
  'storage/io-error',
  'storage/not-found',
  'storage/read-only',
  'storage/too-many-files',
  'storage/unreadable',
  'storage/unwritable',
])

export interface CareSurroundings {
  push(input: SwarmInput): void
  emit(event: NodeEvent): void
  torrent(): Torrent | undefined
  /** It cannot go on. */
  fail(error: ShoalError): void
}

/** What is looked after; the store and the folder change when content is moved to its place. */
export interface CaredContent extends GuardedContent {
  readonly store: FileStore
}

export class ContentCare {
  readonly #id: number
  readonly #check: ContentCheck
  readonly #geometry: Geometry
  readonly #around: CareSurroundings
  #content: CaredContent | undefined
  #guard: ContentGuard | undefined
  /** The file whose turn it is. */
  #nextFile = 0
  #nextOpen = 0
  #isBusy = false
  #isGone = false
  /** Paused for a fault that may pass. */
  #pausedBy: string | undefined
  #freeAtPause: number | undefined
  #retryAtMs = 0
  #retryMs = RETRY_MS_MIN
  /** While it waits for so much space. */
  #needs: readonly SpaceNeed[] = []
  /** Files to read again, and when. Bounded by the files of the torrent. */
  readonly #doubtful = new Set<number>()
  #recheckAtMs = 0
  /** Bounded by the pieces of the torrent. */
  readonly #unreadable = new Set<number>()
  #readAgainAtMs = 0

  constructor(id: number, check: ContentCheck, geometry: Geometry, around: CareSurroundings) {
    this.#id = id
    this.#check = check
    this.#geometry = geometry
    this.#around = around
  }

  /** It was checked just now; `stats` are those of all its files where they were looked at after that. */
  begin(content: CaredContent, stats?: readonly (ContentStat | undefined)[]): void {
    this.#content = content
    this.#guard = new ContentGuard(content)
    for (const [file, stat] of stats?.entries() ?? [])
      if (content.isStored(file)) this.#guard.trust(file, stat)
  }

  /** Nothing is fetched until these bytes are free. */
  need(needs: readonly SpaceNeed[]): void {
    const shortage = findShortage(needs)
    this.#needs = shortage === undefined ? [] : needs
    if (shortage !== undefined) this.#pause(shortage)
  }

  /** Resolves when these bytes are free; says so when they are not. Rejects with the signal's reason. */
  async untilRoom(needs: readonly SpaceNeed[], signal: AbortSignal): Promise<void> {
    const shortage = findShortage(needs)
    if (shortage === undefined) return
    const { code, message: reason, hint } = shortage
    this.#around.emit({ event: 'paused', code, reason, ...(hint !== undefined && { hint }) })
    while (findShortage(needs) !== undefined)
      await setTimeout(ROOM_POLL_MS, undefined, { signal, ref: false })
    this.#around.emit({ event: 'resumed' })
  }

  /** True while none of it is where it was. */
  isGone(): boolean {
    return this.#isGone || (this.#guard?.isGone() ?? false)
  }

  /** The machine has paused. */
  paused({ code, reason, hint }: Extract<SwarmEvent, { event: 'paused' }>): void {
    if (code === CONTENT_GONE) this.#isGone = true
    else if (code === NOT_ENOUGH_SPACE || PASSING_FAULTS.has(code)) {
      this.#pausedBy = code
      this.#freeAtPause = this.#free()
      this.#retryAtMs = performance.now() + this.#retryMs
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX)
    } else this.#around.fail(new ShoalError(code, reason, hint))
  }

  /** A piece was written. */
  progressed(): void {
    this.#retryMs = RETRY_MS_MIN
  }

  unreadable(piece: number): void {
    if (this.#unreadable.size === 0) this.#readAgainAtMs = performance.now() + UNREADABLE_MS
    this.#unreadable.add(piece)
  }

  /** Called again and again. @param countMax files to look at @returns how many were */
  look(countMax: number): number {
    const guard = this.#guard
    if (guard === undefined || this.#isBusy) return 0
    if (guard.isGone()) {
      if (!this.#isGone) this.#pause(contentGone(this.#content!.folder.root))
      this.#isGone = true
      return 1
    }
    if (this.#isGone) {
      this.#run(() => this.#comeBack(guard))
      return 1
    }
    this.#retry()
    const count = this.#lookForChanges(guard, countMax)
    const now = performance.now()
    if (this.#doubtful.size > 0 && now >= this.#recheckAtMs) this.#run(() => this.#readDoubtful())
    else if (this.#unreadable.size > 0 && now >= this.#readAgainAtMs) this.#run(() => this.#readUnreadable())
    return count
  }

  #lookForChanges(guard: ContentGuard, countMax: number): number {
    const { store } = this.#content!
    const written = store.takeWritten(countMax)
    for (const file of written) guard.hasChanged(file, true)
    // Half for where peers are at work, which may be more files than that: they take turns.
    const open = store.openFiles()
    const half = Math.min(open.length, Math.ceil(countMax / 2))
    for (let i = 0; i < half; i++) this.#lookAt(guard, open[this.#nextOpen++ % open.length]!)
    const round = Math.min(guard.fileCount, countMax - half)
    for (let i = 0; i < round; i++) {
      this.#nextFile = (this.#nextFile + 1) % guard.fileCount
      this.#lookAt(guard, this.#nextFile)
    }
    return written.length + half + round
  }

  #lookAt(guard: ContentGuard, file: number): void {
    const { store } = this.#content!
    if (!guard.hasChanged(file, store.isOurs(file))) return
    this.#doubtful.add(file)
    store.reopen(file)
  }

  /** What was opened before is let go, everything that looks changed is read, and then it goes on. */
  async #comeBack(guard: ContentGuard): Promise<void> {
    const { folder, store } = this.#content!
    store.reopen()
    folder.close()
    for (const file of store.takeWritten(Number.POSITIVE_INFINITY)) this.#doubtful.add(file)
    for (let file = 0; file < guard.fileCount; file++) if (guard.hasChanged(file)) this.#doubtful.add(file)
    await this.#readDoubtful()
    this.#isGone = false
    this.#pausedBy = undefined
    this.#resume()
    this.need(this.#needs)
  }

  #retry(): void {
    if (this.#pausedBy === undefined) return
    const isTime = this.#pausedBy !== NOT_ENOUGH_SPACE && performance.now() >= this.#retryAtMs
    if (!isTime && !this.#hasRoomAgain()) return
    this.#pausedBy = undefined
    this.#needs = []
    this.#resume()
  }

  #hasRoomAgain(): boolean {
    if (this.#pausedBy === NOT_ENOUGH_SPACE) return findShortage(this.#needs) === undefined
    const free = this.#free()
    if (this.#pausedBy !== 'storage/disk-full' || free === undefined) return false
    return free > (this.#freeAtPause ?? 0) && free >= (this.#around.torrent()?.leftBytes ?? 0)
  }

  #free(): number | undefined {
    return this.#content && freeBytes(this.#content.folder.root)
  }

  async #readDoubtful(): Promise<void> {
    const pieces = new Bitfield(this.#geometry.pieceCount)
    for (const file of this.#doubtful) {
      const { first, end } = this.#geometry.filePieces(file)
      for (let piece = first; piece < end; piece++) pieces.set(piece)
    }
    this.#doubtful.clear()
    await this.#read(pieces)
    this.#recheckAtMs = performance.now() + RECHECK_REST_MS
  }

  async #readUnreadable(): Promise<void> {
    const pieces = new Bitfield(this.#geometry.pieceCount)
    for (const piece of this.#unreadable) pieces.set(piece)
    this.#unreadable.clear()
    await this.#read(pieces)
    // Those that are still not there may come back with a disk that does.
    const have = this.#around.torrent()?.core.pieces.have
    for (const piece of pieces.ones()) if (have?.has(piece) === false) this.unreadable(piece)
  }

  /** Tells the machine which of them are wrong on disk, and which a seed has again. */
  async #read(pieces: Bitfield): Promise<void> {
    const core = this.#around.torrent()?.core
    if (core === undefined) return
    const { have } = core.pieces
    const isSeed = core.options.role === 'seed-only'
    for (const piece of pieces.ones())
      if (!this.#check.checkable.has(piece) || !(isSeed || have.has(piece))) pieces.clear(piece)
    if (pieces.count === 0) return
    const right = await this.#rightOf(pieces)
    if (right === undefined || this.#check.isStopped) return
    const wrong = [...pieces.ones()].filter((piece) => have.has(piece) && !right.has(piece))
    const found = isSeed ? [...right.ones()].filter((piece) => !have.has(piece)) : []
    if (wrong.length > 0) {
      this.#around.emit({ event: 'compromised', pieces: wrong })
      this.#around.push({ kind: 'pieces-lost', torrent: this.#id, pieces: wrong })
    }
    if (found.length === 0) return
    this.#around.push({ kind: 'pieces-found', torrent: this.#id, pieces: found })
    const { have: now } = core.pieces
    this.#around.emit({ event: 'checked', pieces: now.count, total: now.length })
  }

  /** Undefined when they cannot be read now; they will be later. */
  async #rightOf(pieces: Bitfield): Promise<Bitfield | undefined> {
    try {
      return await this.#check.check(pieces)
    } catch (error) {
      if (!(error instanceof ShoalError) || !PASSING_FAULTS.has(error.code)) throw error
      for (const piece of pieces.ones()) this.unreadable(piece)
      return undefined
    }
  }

  #run(work: () => Promise<void>): void {
    this.#isBusy = true
    work()
      .catch((error: unknown) => this.#around.fail(error as ShoalError))
      .finally(() => {
        this.#isBusy = false
      })
  }

  #pause({ code, message, hint }: Fault | ShoalError): void {
    const fault = { code, message, ...(hint !== undefined && { hint }) }
    this.#around.push({ kind: 'pause', torrent: this.#id, fault })
  }

  #resume(): void {
    this.#around.push({ kind: 'resume', torrent: this.#id })
  }
}
