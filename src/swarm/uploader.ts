/**
 * Serves what peers request: takes runs of neighbouring blocks off their queues within the upload budget, has
 * them read straight into a frame of `piece` messages (`upload-frame.ts`), and sends the frame when the read
 * is done. Without a limit every peer is served at once and in order; with one, whoever waits takes turns,
 * and what nobody got yet goes first (`upload-order.ts`). With a delay each block waits (`upload-delay.ts`).
 * Invariant: bytes being read or waiting in a peer's socket never exceed
 * `uploadBufferBytesMax` by more than one frame.
 */
import { readUint32 } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Instant } from '../base/time.ts'
import type { TokenBucket } from '../base/token-bucket.ts'
import { type BlockRange, PIECE_HEADER_LENGTH } from '../wire/peer-messages.ts'
import { FRAME_BLOCKS_MAX, type Frame, type FramePool } from './frame-pool.ts'
import type { PeerSession } from './peer-session.ts'
import type { TorrentCore } from './torrent-core.ts'
import type { UploadDelay } from './upload-delay.ts'
import { layBlocks } from './upload-frame.ts'
import { UploadOrder } from './upload-order.ts'

interface Read {
  readonly session: PeerSession
  readonly frame: Frame
  /** Of the blocks in the frame. */
  readonly piece: number
  /** Bytes of the frame in use, headers included, and those of the blocks alone. */
  readonly length: number
  readonly blockBytes: number
}

/** With so much on its way to a peer, or asked for, it is fast enough for several blocks in one message. */
const LONG_QUEUE_BYTES = 512 * 1024

export class Uploader {
  /** Requests wait for upload budget, or for the delay. */
  isStarved = false
  readonly #core: TorrentCore
  readonly #budget: TokenBucket
  readonly #frames: FramePool
  readonly #order: UploadOrder
  readonly #delay: UploadDelay
  /** Reads under way. Bounded by `uploadBufferBytesMax` for each session. */
  readonly #reads = new Map<number, Read>()
  #lastRead = 0
  /** The session served last, so that a short budget goes round. */
  #lastServed = 0

  constructor(core: TorrentCore, budget: TokenBucket, frames: FramePool, delay: UploadDelay) {
    this.#core = core
    this.#budget = budget
    this.#frames = frames
    this.#delay = delay
    this.#order = new UploadOrder(core.geometry.pieceCount)
  }

  /**
   * Queued; `serve` follows once all that has arrived is read, so that neighbouring blocks go out together.
   */
  requested(session: PeerSession, piece: number, begin: number, length: number): void {
    const isServed = !session.amChoking && this.#core.pieces.have.has(piece)
    if (!isServed || !session.requests.push(piece, begin, length)) session.reject({ piece, begin, length })
  }

  cancelled(session: PeerSession, range: BlockRange): void {
    if (session.requests.remove(range)) session.reject(range)
  }

  /** Starts reads for one peer as far as its socket allows, or for all within the budget. */
  serve(now: Instant, session: PeerSession): void {
    if (this.#delay.isOn || this.#budget.rate !== Number.POSITIVE_INFINITY) this.serveAll(now)
    else while (this.#canTakeMore(session)) this.#read(now, session, 0)
  }

  /** One run for each waiting peer in turn, until the budget is used up. */
  serveAll(now: Instant): void {
    this.isStarved = false
    for (;;) {
      if (this.#budget.readyAt(now) !== undefined) {
        this.isStarved = this.#hasWaiting()
        return
      }
      const next = this.#nextInTurn(now)
      if (next === undefined) {
        this.isStarved = this.#delay.isOn && this.#hasWaiting()
        return
      }
      const { session, index } = next
      this.#lastServed = session.id
      this.#order.served(now, session, index, session.requests.pieceAt(index))
      this.#read(now, session, index)
      this.#delay.served(now, session)
    }
  }

  nextTimeout(now: Instant): Instant | undefined {
    if (!this.isStarved) return undefined
    return this.#budget.readyAt(now) ?? this.#delay.nextAt(this.#core.sessions.values()) ?? now
  }

  /** The bytes are in the frame: off they go. Gives the piece that was read from. */
  readDone(now: Instant, id: number, isRead: boolean): number | undefined {
    const read = this.#reads.get(id)
    if (read === undefined) return undefined
    this.#reads.delete(id)
    const { session, frame, piece, length, blockBytes } = read
    const isThere = this.#core.sessions.get(session.id) === session
    if (!isThere || !isRead) {
      session.uploadBytesInFlight -= frame.bytes.length
      if (isThere) {
        this.#reject(read)
        this.serve(now, session)
      }
      this.#frames.release(frame)
      return piece
    }
    session.uploaded.add(now, blockBytes)
    this.#core.uploaded.add(now, blockBytes)
    const { bytes } = frame
    const used = length === bytes.length ? bytes : bytes.subarray(0, length)
    this.#core.emit({ kind: 'send', connection: session.id, bytes: used, frame })
    return piece
  }

  /** Leaves of what a peer asked for only the block that is its turn. */
  finish(session: PeerSession): void {
    const { requests } = session
    for (let index = 1; index < requests.size; index++) session.reject(requests.at(index))
    requests.drop(Math.max(0, requests.size - 1), Math.min(1, requests.size))
  }

  /** Something is on its way to the peer that its socket has not been given yet. */
  isServing(session: PeerSession): boolean {
    if (session.requests.size > 0) return true
    for (const read of this.#reads.values()) if (read.session === session) return true
    return false
  }

  /** The kernel took a frame. */
  sent(now: Instant, session: PeerSession, frame: Frame): void {
    session.uploadBytesInFlight -= frame.bytes.length
    this.#frames.release(frame)
    this.serve(now, session)
  }

  #canTakeMore(session: PeerSession): boolean {
    return session.requests.size > 0 && session.uploadBytesInFlight < LIMITS.uploadBufferBytesMax.value
  }

  #hasWaiting(): boolean {
    for (const session of this.#core.sessions.values()) if (this.#canTakeMore(session)) return true
    return false
  }

  /** The next peer after the one served last that waits for something fresh, or else for anything. */
  #nextInTurn(now: Instant): { session: PeerSession; index: number } | undefined {
    const sessions = [...this.#core.sessions.values()]
    const start = sessions.findIndex((session) => session.id === this.#lastServed) + 1
    let stale: { session: PeerSession; index: number } | undefined
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[(start + i) % sessions.length]!
      if (!this.#delay.isDue(now, session) || !this.#canTakeMore(session)) continue
      const { index, isFresh } = this.#order.next(now, session)
      if (isFresh) return { session, index }
      stale ??= { session, index }
    }
    return stale
  }

  /** Reads a run of blocks that begins `first` places from the head of the peer's queue. */
  #read(now: Instant, session: PeerSession, first: number): void {
    const { blockLength } = this.#core.geometry
    const affordable = Math.min(FRAME_BLOCKS_MAX, Math.floor(this.#budget.burst / blockLength))
    const countMax = this.#delay.isOn ? 1 : Math.max(1, affordable)
    const { requests } = session
    const run = requests.run(countMax, first)
    const waiting = requests.size * blockLength + session.uploadBytesInFlight
    const together = waiting >= LONG_QUEUE_BYTES ? session.blocksPerMessage : 1
    this.#budget.take(now, run.bytes)
    const frame = this.#frames.take(run.count)
    const { piece, begin } = run
    const layout = layBlocks(frame, run, requests, first, this.#core.geometry, together)
    requests.drop(run.count, first)
    session.uploadBytesInFlight += frame.bytes.length
    const id = ++this.#lastRead
    this.#reads.set(id, { session, frame, piece, length: layout.length, blockBytes: run.bytes })
    this.#core.emit({
      kind: 'read-blocks',
      torrent: this.#core.id,
      read: id,
      piece,
      begin,
      views: layout.views,
    })
  }

  /** What the frame was for is refused; its headers say what that is. */
  #reject({ session, frame: { bytes }, piece, length }: Read): void {
    const { blockLength } = this.#core.geometry
    for (let at = 0; at < length; ) {
      const begin = readUint32(bytes, at + 9)
      const messageLength = readUint32(bytes, at) - 9
      // Each block for itself, as the peer has them in its list.
      for (let done = 0; done < messageLength; done += blockLength)
        session.reject({ piece, begin: begin + done, length: Math.min(blockLength, messageLength - done) })
      at += PIECE_HEADER_LENGTH + messageLength
    }
  }
}
