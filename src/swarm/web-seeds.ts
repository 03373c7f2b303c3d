/**
 * The web seeds of one torrent (BEP 19): which pieces to fetch from which, and what their answers mean.
 * A web seed is asked while peers are not enough, for the piece the picker would choose next, or for the one
 * after those it was last asked for when that is as rare, and for as many consecutive open pieces as make a
 * request worth its round trip. Pieces peers left behind come first. Fetching draws on the download budget:
 * when that is used up, reading stops.
 * Invariants: at most `webSeedConnectionsPerSeedMax` requests to one and `webSeedConnectionsMax` in all; a
 * web seed whose bytes were wrong `webSeedBadPiecesMax` times, or that is proven to have spoiled a piece, is
 * dropped; a request that brings less than `WINDOW_BYTES_MIN` in `WINDOW_SECONDS` is given up.
 */
import { Bitfield } from '../base/bitfield.ts'
import { LIMITS } from '../base/limits.ts'
import { after, earliest, type Instant, seconds } from '../base/time.ts'
import type { AddressScope } from '../wire/address-scope.ts'
import type { WebSeedFault } from '../wire/web-seed-reply.ts'
import { isWebSeedUrl, webSeedFileUrl } from '../wire/web-seed-url.ts'
import type { Downloader } from './downloader.ts'
import type { SwarmEvent } from './events.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'
import { WebRange, type WebRangeHost } from './web-range.ts'
import { WebSeed } from './web-seed.ts'

export interface WebSeedOptions {
  readonly urls: readonly string[]
  /** How far their addresses must reach: a link from a stranger names none of our own network (S39). */
  readonly scopeMin: AddressScope
}

export type WebRangeNews =
  /** `bytes` is borrowed until `handle` returns. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'ended'; readonly fault: WebSeedFault | undefined }

/** Requests of all torrents. */
export interface WebRangeCount {
  open: number
}

/** In place of a session's id, as the owner of a piece; no connection has it. */
export const WEB_SEED_OWNER = 0
/** With so many peers serving us, and every open piece at one of them, servers are left alone. */
const PEERS_ENOUGH = 10
const WINDOW_SECONDS = 30
/** Half a kilobyte per second. */
const WINDOW_BYTES_MIN = 16 * 1024

export class WebSeeds implements WebRangeHost {
  readonly seeds: readonly WebSeed[]
  readonly #core: TorrentCore
  readonly #downloader: Downloader
  readonly #around: TorrentSurroundings
  readonly #isDownloading: () => boolean
  /** By id. Bounded by `webSeedConnectionsMax`. */
  readonly #ranges = new Map<number, WebRange>()
  #lastRange = 0
  #turn = 0
  #now: Instant

  constructor(
    now: Instant,
    core: TorrentCore,
    downloader: Downloader,
    around: TorrentSurroundings,
    isDownloading: () => boolean,
  ) {
    this.#now = now
    this.#core = core
    this.#downloader = downloader
    this.#around = around
    this.#isDownloading = isDownloading
    const urls = [...new Set(core.options.webSeeds?.urls)].slice(0, LIMITS.webSeedsMax.value)
    const all = new Bitfield(urls.length > 0 ? core.geometry.pieceCount : 0)
    all.fill()
    this.seeds = urls.map((url) => new WebSeed(url, all))
  }

  /** Requests under way. */
  get openCount(): number {
    return this.#ranges.size
  }

  /** Asks for more where that is allowed and of use. */
  fill(now: Instant): void {
    this.#now = now
    if (this.seeds.length === 0 || !this.#isDownloading() || this.#arePeersEnough()) return
    for (let i = 0, idle = 0; idle < this.seeds.length; i++) {
      const seed = this.seeds[(this.#turn + i) % this.seeds.length]!
      idle = seed.mayBeAsked(now) && this.#start(now, seed) ? 0 : idle + 1
    }
    this.#turn++
  }

  news(now: Instant, id: number, news: WebRangeNews): void {
    this.#now = now
    const range = this.#ranges.get(id)
    if (range === undefined) return
    if (news.kind === 'data') this.#data(now, range, news.bytes)
    else this.#ended(now, range, news.fault)
  }

  tick(now: Instant): void {
    this.#now = now
    if (this.seeds.length === 0) return
    for (const range of [...this.#ranges.values()]) {
      if (!range.isUseful) this.#cancel(range)
      else if (range.pausedUntil !== undefined) this.#goOn(now, range)
      else if (now - range.windowAt >= seconds(WINDOW_SECONDS)) this.#judge(now, range)
    }
    this.fill(now)
  }

  nextTimeout(now: Instant): Instant | undefined {
    let next: Instant | undefined
    for (const { pausedUntil, windowAt } of this.#ranges.values())
      next = earliest(next, pausedUntil ?? after(windowAt, seconds(WINDOW_SECONDS)))
    if (!this.#isDownloading()) return next
    for (const { isDropped, retryAt } of this.seeds)
      if (!isDropped && retryAt !== undefined && retryAt > now) next = earliest(next, retryAt)
    return next
  }

  /** Nothing more is fetched, until the next `fill`. */
  halt(): void {
    for (const range of [...this.#ranges.values()]) this.#cancel(range)
  }

  /** A piece that came mostly from there is verified. */
  verified(name: string): void {
    const seed = this.#named(name)
    if (seed !== undefined) seed.verifiedPieces++
  }

  /** It alone sent a piece that is wrong. */
  spoiled(name: string, piece: number): void {
    const seed = this.#named(name)
    if (seed?.spoiled(piece)) this.convicted(name)
  }

  /** It is proven to have sent wrong bytes. */
  convicted(name: string): void {
    const seed = this.#named(name)
    if (seed !== undefined && !seed.isDropped)
      this.#drop(seed, { code: 'web-seed/wrong-data', message: 'it sends wrong data' })
  }

  received(range: WebRange, gathering: GatheringPiece, block: number): void {
    const length = this.#core.geometry.blockSize(gathering.piece, block)
    range.seed.works()
    range.seed.downloaded.add(this.#now, length)
    this.#core.downloaded.add(this.#now, length)
    this.#downloader.brought(gathering, block, range.seed.name)
  }

  // Inside.

  /** With as many servers among peers as we can use, and no piece that only web seeds have. */
  #arePeersEnough(): boolean {
    const { picker, sessions } = this.#core
    if (sessions.size < PEERS_ENOUGH || picker.obtainableCount < picker.openCount) return false
    let servingCount = 0
    for (const session of sessions.values())
      if (session.outstanding.size > 0 && !session.window.isSnubbed && ++servingCount >= PEERS_ENOUGH)
        return true
    return false
  }

  #start(now: Instant, seed: WebSeed): boolean {
    if (!isWebSeedUrl(seed.url)) {
      const message = 'its address is not one that can be used'
      this.#drop(seed, {
        code: 'web-seed/bad-url',
        message,
        hint: 'Web seeds are http:// or https:// addresses.',
      })
      return false
    }
    const { webRanges, downloadBudget, buffers } = this.#around
    if (webRanges.open >= LIMITS.webSeedConnectionsMax.value) return this.#starve()
    if (downloadBudget.readyAt(now) !== undefined || this.#core.pieces.isAheadOfDisk) return this.#starve()
    const orphan = this.#downloader.adoptOrphan(WEB_SEED_OWNER, (piece) => seed.pieces.has(piece))
    const run = orphan === undefined ? this.#run(now, seed) : [orphan]
    if (run.length === 0) return false
    const range = new WebRange(now, ++this.#lastRange, seed, run, this.#core, buffers.memory.copy, this)
    this.#ranges.set(range.id, range)
    seed.openCount++
    webRanges.open++
    this.#askNext(range)
    return true
  }

  /** It will be looked at again soon. */
  #starve(): false {
    this.#downloader.isStarved = true
    return false
  }

  /** Starts consecutive open pieces. */
  #run(now: Instant, seed: WebSeed): GatheringPiece[] {
    const { geometry, options, picker, pieces } = this.#core
    const run: GatheringPiece[] = []
    const bytesMax = seed.rangeBytes(now)
    let bytes = 0
    for (let piece = this.#pick(seed); piece >= 0 && piece < geometry.pieceCount; piece++) {
      if (!pieces.isOpen(piece) || !seed.pieces.has(piece) || run.length >= options.piecesPerPeerMax) break
      if (run.length > 0 && bytes + geometry.pieceSize(piece) > bytesMax) break
      const hasRoom = pieces.gathering.size < options.gatheringPiecesMax
      const gathering = hasRoom ? pieces.start(piece, WEB_SEED_OWNER) : undefined
      if (gathering === undefined) {
        this.#starve()
        break
      }
      picker.close(piece)
      run.push(gathering)
      bytes += geometry.pieceSize(piece)
      seed.nextPiece = piece + 1
    }
    return run
  }

  /** What the picker would start next; going on where the last request ended if that is as rare. */
  #pick(seed: WebSeed): number {
    const { geometry, picker, pieces } = this.#core
    if (picker.openCount === 0) return -1
    const first = picker.pick(seed.pieces, false)
    const { nextPiece } = seed
    if (first < 0 || picker.pickOrder !== 'rarest' || nextPiece >= geometry.pieceCount) return first
    const isAsGood =
      pieces.isOpen(nextPiece) &&
      seed.pieces.has(nextPiece) &&
      picker.availability(nextPiece) <= picker.availability(first)
    return isAsGood ? nextPiece : first
  }

  /** The next request of the range, or its end. */
  #askNext(range: WebRange): void {
    const next = range.next()
    if (next === undefined) return this.#end(range)
    const { id: torrent, options } = this.#core
    const entry = options.metainfo.files[next.file]!
    this.#core.emit({
      kind: 'fetch-range',
      torrent,
      range: range.id,
      request: {
        url: webSeedFileUrl(range.seed.url, options.metainfo, entry),
        scopeMin: options.webSeeds?.scopeMin ?? 'global',
        offset: next.offset,
        length: next.length,
        fileLength: entry.length,
      },
    })
  }

  #data(now: Instant, range: WebRange, bytes: Uint8Array): void {
    const { downloadBudget } = this.#around
    downloadBudget.draw(now, bytes.length)
    if (!range.take(bytes)) {
      this.#cancel(range)
      return this.fill(now)
    }
    if (!this.#ranges.has(range.id)) return
    const readyAt = downloadBudget.readyAt(now)
    if (readyAt === undefined || range.pausedUntil !== undefined) return
    range.pausedUntil = readyAt
    this.#steer(range, 'pause')
  }

  #goOn(now: Instant, range: WebRange): void {
    const readyAt = this.#around.downloadBudget.readyAt(now)
    range.pausedUntil = readyAt
    if (readyAt !== undefined) return
    this.#beginWindow(now, range)
    this.#steer(range, 'resume')
  }

  #judge(now: Instant, range: WebRange): void {
    if (range.bytesInWindow >= WINDOW_BYTES_MIN) return this.#beginWindow(now, range)
    const message = `it sent ${range.bytesInWindow} bytes in ${WINDOW_SECONDS} seconds`
    this.#steer(range, 'cancel')
    this.#failed(now, range, { code: 'web-seed/too-slow', message })
  }

  #beginWindow(now: Instant, range: WebRange): void {
    range.windowAt = now
    range.bytesInWindow = 0
  }

  #ended(now: Instant, range: WebRange, fault: WebSeedFault | undefined): void {
    const before = range.current
    if (fault !== undefined) {
      this.#failed(now, range, fault)
      return this.fill(now)
    }
    this.#beginWindow(now, range)
    const next = range.next()
    // A server that ends its answers early is asked again, as long as it brings something.
    const isStuck = next !== undefined && next.file === before?.file && next.offset <= before.offset
    if (isStuck) {
      const message = 'it breaks the connection before anything has come'
      this.#failed(now, range, { code: 'web-seed/cut-off', message })
    } else this.#askNext(range)
    this.fill(now)
  }

  #failed(now: Instant, range: WebRange, fault: WebSeedFault): void {
    const { seed, current } = range
    const { geometry } = this.#core
    this.#end(range)
    switch (seed.failed(now, fault)) {
      case 'file': {
        const { first, end } = geometry.filePieces(current!.file)
        seed.lacksPieces(first, end)
        this.#emit({ event: 'web-seed-lacks', url: seed.name, file: current!.file, ...plain(fault) })
        if (seed.pieces.count === 0) this.#drop(seed, fault)
        return
      }
      case 'wait':
        return this.#emit({
          event: 'web-seed-waits',
          url: seed.name,
          ...plain(fault),
          seconds: Math.round((seed.retryAt! - now) / seconds(1)),
        })
      case 'drop':
        return this.#drop(seed, fault)
    }
  }

  #drop(seed: WebSeed, fault: WebSeedFault): void {
    seed.isDropped = true
    seed.fault = fault
    for (const range of [...this.#ranges.values()]) if (range.seed === seed) this.#cancel(range)
    this.#emit({ event: 'web-seed-dropped', url: seed.name, ...plain(fault) })
  }

  #cancel(range: WebRange): void {
    if (range.current !== undefined) this.#steer(range, 'cancel')
    this.#end(range)
  }

  /** What did not come is somebody else's from now on. */
  #end(range: WebRange): void {
    if (!this.#ranges.delete(range.id)) return
    range.release()
    range.seed.openCount--
    this.#around.webRanges.open--
    for (const gathering of range.run) this.#downloader.leave(gathering, WEB_SEED_OWNER)
  }

  #steer(range: WebRange, to: 'pause' | 'resume' | 'cancel'): void {
    this.#core.emit({ kind: 'steer-range', torrent: this.#core.id, range: range.id, to })
  }

  #emit(event: SwarmEvent): void {
    this.#core.emit({ kind: 'event', torrent: this.#core.id, event })
  }

  #named(name: string): WebSeed | undefined {
    return this.seeds.find((seed) => seed.name === name)
  }
}

function plain({ code, message, hint }: WebSeedFault) {
  return { code, message, ...(hint !== undefined && { hint }) }
}
