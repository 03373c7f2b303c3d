/**
 * Which of a peer's requests to serve first while upload is short: what nobody got from us yet. Two peers
 * that ask for the same piece would each take a copy from a scarce seed; the second one waits, and has
 * meanwhile often got the piece from the first. So every byte of a limited seed is new to the swarm, and a
 * swarm ends near the least time its uplinks allow.
 * A peer is given the rest of a piece it has begun before anything else, and no request at the head of its
 * queue is passed over for longer than `PATIENCE_SECONDS`.
 */
import { type Instant, seconds } from '../base/time.ts'
import type { PeerSession } from './peer-session.ts'

/** Well below the minute after which other clients give a request up. */
const PATIENCE_SECONDS = 10

interface Turn {
  /** The piece it got blocks of last. */
  piece: number
  /** When the head of its queue was last served. */
  headServedAt: Instant
}

export interface NextRequest {
  /** Its place in the peer's queue. */
  readonly index: number
  /** Nobody got anything of its piece from us, or this peer is in the middle of it. */
  readonly isFresh: boolean
}

export class UploadOrder {
  /** 1 for each piece of which something was sent. */
  readonly #isSent: Uint8Array
  readonly #turns = new WeakMap<PeerSession, Turn>()

  constructor(pieceCount: number) {
    this.#isSent = new Uint8Array(pieceCount)
  }

  /** The session has requests waiting. */
  next(now: Instant, session: PeerSession): NextRequest {
    const { requests } = session
    const turn = this.#turns.get(session)
    if (turn === undefined) return this.#firstUnsent(session)
    const isOverdue = now - turn.headServedAt > seconds(PATIENCE_SECONDS)
    if (isOverdue || requests.pieceAt(0) === turn.piece) return { index: 0, isFresh: true }
    for (let index = 1; index < requests.size; index++)
      if (requests.pieceAt(index) === turn.piece) return { index, isFresh: true }
    return this.#firstUnsent(session)
  }

  /** Blocks of the request at that place are on their way. */
  served(now: Instant, session: PeerSession, index: number, piece: number): void {
    this.#isSent[piece] = 1
    const turn = this.#turns.get(session)
    if (turn === undefined) this.#turns.set(session, { piece, headServedAt: now })
    else {
      turn.piece = piece
      if (index === 0) turn.headServedAt = now
    }
  }

  #firstUnsent({ requests }: PeerSession): NextRequest {
    for (let index = 0; index < requests.size; index++)
      if (this.#isSent[requests.pieceAt(index)] === 0) return { index, isFresh: true }
    return { index: 0, isFresh: false }
  }
}
