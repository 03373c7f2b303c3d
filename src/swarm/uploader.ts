/**
 * Serves what peers request: takes runs of neighbouring blocks off their queues within the upload budget, has
 * them read straight into a frame of `piece` messages, and sends the frame when the read is done.
 * Invariant: bytes being read or waiting in a peer's socket never exceed
 * `uploadBufferBytesMax` by more than one frame.
 */
import { LIMITS } from '../base/limits.ts'
import type { Instant } from '../base/time.ts'
import type { TokenBucket } from '../base/token-bucket.ts'
import { type BlockRange, PIECE_HEADER_LENGTH, writePieceHeader } from '../wire/peer-messages.ts'
import { FRAME_BLOCKS_MAX, type FramePool } from './frame-pool.ts'
import type { PeerSession } from './peer-session.ts'
import type { TorrentCore } from './torrent-core.ts'

interface Read {
  readonly session: PeerSession
  readonly frame: Uint8Array
  readonly ranges: readonly BlockRange[]
  /** Bytes of the frame in use, headers included. */
  readonly length: number
}

export class Uploader {
  /** Requests wait for upload budget. */
  isStarved = false
  readonly #core: TorrentCore
  readonly #budget: TokenBucket
  readonly #frames: FramePool
  /** Reads under way. Bounded by `uploadBufferBytesMax` for each session. */
  readonly #reads = new Map<number, Read>()
  #lastRead = 0
  /** The session served last, so that a short budget goes round. */
  #lastServed = 0

  constructor(core: TorrentCore, budget: TokenBucket, frames: FramePool) {
    this.#core = core
    this.#budget = budget
    this.#frames = frames
  }

  requested(now: Instant, session: PeerSession, range: BlockRange): void {
    const isServed = !session.amChoking && this.#core.pieces.have.has(range.piece)
    if (!isServed || !session.requests.push(range.piece, range.begin, range.length)) session.reject(range)
    else this.serve(now, session)
  }

  cancelled(session: PeerSession, range: BlockRange): void {
    if (session.requests.remove(range)) session.reject(range)
  }

  /** Starts reads for one peer as far as its socket and the budget allow. */
  serve(now: Instant, session: PeerSession): void {
    while (session.requests.size > 0 && session.uploadBytesInFlight < LIMITS.uploadBufferBytesMax.value) {
      if (this.#budget.readyAt(now) !== undefined) {
        this.isStarved = true
        return
      }
      this.#read(now, session)
    }
  }

  /** After a pause for want of budget: one run for each waiting peer in turn. */
  serveAll(now: Instant): void {
    this.isStarved = false
    const waiting = [...this.#core.sessions.values()].filter((session) => session.requests.size > 0)
    const start = waiting.findIndex((session) => session.id === this.#lastServed) + 1
    for (let i = 0; i < waiting.length; i++) {
      const session = waiting[(start + i) % waiting.length]!
      if (session.uploadBytesInFlight >= LIMITS.uploadBufferBytesMax.value) continue
      if (this.#budget.readyAt(now) !== undefined) {
        this.isStarved = true
        return
      }
      this.#lastServed = session.id
      this.#read(now, session)
      if (i === waiting.length - 1) this.isStarved = waiting.some((peer) => peer.requests.size > 0)
    }
  }

  nextTimeout(now: Instant): Instant | undefined {
    if (!this.isStarved) return undefined
    return this.#budget.readyAt(now) ?? now
  }

  /** The bytes are in the frame: off they go. Gives the piece that was read from. */
  readDone(now: Instant, id: number, isRead: boolean): number | undefined {
    const read = this.#reads.get(id)
    if (read === undefined) return undefined
    this.#reads.delete(id)
    const { session, frame, ranges, length } = read
    const isThere = this.#core.sessions.get(session.id) === session
    const { piece } = ranges[0]!
    if (!isThere || !isRead) {
      this.#frames.release(frame)
      session.uploadBytesInFlight -= frame.length
      if (isThere) {
        for (const range of ranges) session.reject(range)
        this.serve(now, session)
      }
      return piece
    }
    const bytes = length - ranges.length * PIECE_HEADER_LENGTH
    session.uploaded.add(now, bytes)
    this.#core.uploaded.add(now, bytes)
    this.#core.emit({ kind: 'send', connection: session.id, bytes: frame.subarray(0, length), frame })
    return piece
  }

  /** The kernel took a frame. */
  sent(now: Instant, session: PeerSession, frame: Uint8Array): void {
    session.uploadBytesInFlight -= frame.length
    this.#frames.release(frame)
    this.serve(now, session)
  }

  #read(now: Instant, session: PeerSession): void {
    const { blockLength } = this.#core.geometry
    const countMax = Math.max(1, Math.min(FRAME_BLOCKS_MAX, Math.floor(this.#budget.burst / blockLength)))
    const run = session.requests.run(countMax)
    this.#budget.take(now, run.bytes)
    const frame = this.#frames.take(run.count)
    const ranges: BlockRange[] = []
    const views: Uint8Array[] = []
    let at = 0
    for (let index = 0; index < run.count; index++) {
      const range = session.requests.at(index)
      writePieceHeader(frame, at, range.piece, range.begin, range.length)
      at += PIECE_HEADER_LENGTH
      // A v2 peer may ask for a whole last block; what lies behind the end of the file is zero.
      const stored = Math.min(range.length, this.#core.geometry.pieceSize(range.piece) - range.begin)
      views.push(frame.subarray(at, at + stored))
      frame.fill(0, at + stored, at + range.length)
      ranges.push(range)
      at += range.length
    }
    session.requests.drop(run.count)
    session.uploadBytesInFlight += frame.length
    const id = ++this.#lastRead
    this.#reads.set(id, { session, frame, ranges, length: at })
    const { piece, begin } = ranges[0]!
    this.#core.emit({ kind: 'read-blocks', torrent: this.#core.id, read: id, piece, begin, views })
  }
}
