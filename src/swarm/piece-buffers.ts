/**
 * The one pool in which unverified bytes wait: pieces are gathered here and leave for the
 * disk only once their hash fits.
 * Room is reserved when a piece is started and memory drawn when its first byte comes, the one released last
 * first: the few buffers in use at any moment stay in the processor's caches, however deep the request
 * windows are.
 * Shared by all torrents of a client. The first that waits for an oversized piece, or for one to end, is
 * next: until it had its turn nobody else starts anything, so the pool runs empty, or, should that take too
 * long, is emptied (`isOverdue`). The place is lost by not asking again. Invariants: reserved bytes never
 * exceed the budget, except that one piece larger than the whole budget may be out at a time, alone; neither
 * do buffers drawn and buffers kept for reuse together.
 */
import { type CopyBytes, copyBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type Instant, seconds } from '../base/time.ts'

/**
 * While pieces are hashed between reading and writing, by the same thread: with more of them waiting, they
 * have fallen out of the caches when their turn comes.
 */
const CHECKING_BYTES_MAX = 8 * 1024 * 1024

/** The kind of memory pieces are gathered in. */
export interface PieceMemory {
  allocate(length: number): Uint8Array
  readonly copy: CopyBytes
}

export const PLAIN_MEMORY: PieceMemory = {
  allocate: (length) => new Uint8Array(length),
  copy: copyBytes,
}

/**
 * Rounds without a word after which a waiting torrent is taken to have lost interest: two seconds while busy.
 */
const SILENT_ROUNDS_MAX = 8
/** An oversized piece waits at most so long for pieces that were begun before it. */
const OVERSIZED_WAIT_SECONDS = 120

/** The torrent whose turn is next. */
interface Waiting {
  readonly by: object
  readonly length: number
  since: Instant | undefined
  silentRounds: number
}

export class PieceBuffers {
  readonly memory: PieceMemory
  /** Complete pieces of a torrent that wait for hash and disk; with more, it makes no requests. */
  checkingBytesMax = CHECKING_BYTES_MAX
  readonly #budget: number
  /** By length. Bounded by the budget. */
  readonly #free = new Map<number, Uint8Array[]>()
  #freeBytes = 0
  #drawnBytes = 0
  #reservedBytes = 0
  #next: Waiting | undefined
  /** Whose oversized piece is out. */
  #oversizedBy: object | undefined

  /** @param memory of the kind the hasher can share; plain memory by default */
  constructor(budgetBytes: number = LIMITS.unverifiedBytesMax.value, memory: PieceMemory = PLAIN_MEMORY) {
    this.#budget = budgetBytes
    this.memory = memory
  }

  get reservedBytes(): number {
    return this.#reservedBytes
  }

  /**
   * A thread of its own hashes: it, this one and the peers only work at the same time if each of them has
   * something waiting. The rest of the pool is for what is gathered.
   */
  hashedAside(): void {
    this.checkingBytesMax = Math.max(CHECKING_BYTES_MAX, this.#budget / 4)
  }

  /** Memory that is there: in use or kept. */
  get heldBytes(): number {
    return this.#drawnBytes + this.#freeBytes
  }

  /**
   * False when the budget is used up, or it is someone else's turn.
   * @param by whoever asks: one for each torrent
   */
  reserve(length: number, by: object = this): boolean {
    const next = this.#next
    if (next !== undefined) {
      if (next.by !== by || (next.length > this.#budget && length < next.length)) return false
      next.silentRounds = 0
    }
    if (this.#reservedBytes > 0 && this.#reservedBytes + length > this.#budget) {
      const isForTurn = this.#oversizedBy === undefined ? length > this.#budget : this.#oversizedBy !== by
      if (isForTurn) this.#next ??= { by, length, since: undefined, silentRounds: 0 }
      return false
    }
    this.#next = undefined
    this.#reservedBytes += length
    if (length > this.#budget) this.#oversizedBy = by
    return true
  }

  /** To be called a few times a second, after everybody who waits has asked again. */
  round(now: Instant): void {
    if (this.#next === undefined) return
    this.#next.since ??= now
    if (++this.#next.silentRounds > SILENT_ROUNDS_MAX) this.#next = undefined
  }

  /** An oversized piece has waited long enough: what is not complete must go. */
  isOverdue(now: Instant): boolean {
    const { since = now, length = 0 } = this.#next ?? {}
    return length > this.#budget && now - since >= seconds(OVERSIZED_WAIT_SECONDS)
  }

  /** A buffer of exactly `length` reserved bytes with arbitrary content. */
  draw(length: number): Uint8Array {
    this.#drawnBytes += length
    const kept = this.#free.get(length)?.pop()
    if (kept !== undefined) {
      this.#freeBytes -= length
      return kept
    }
    if (this.heldBytes > this.#budget) this.#dropFree()
    return this.memory.allocate(length)
  }

  /** Gives back a reservation, with the buffer if one was drawn. */
  release(length: number, buffer: Uint8Array | undefined): void {
    this.#reservedBytes -= length
    if (length > this.#budget) this.#oversizedBy = undefined
    if (buffer === undefined) return
    this.#drawnBytes -= length
    if (this.heldBytes + length > this.#budget) return
    this.#freeBytes += length
    const kept = this.#free.get(length)
    if (kept === undefined) this.#free.set(length, [buffer])
    else kept.push(buffer)
  }

  #dropFree(): void {
    this.#free.clear()
    this.#freeBytes = 0
  }
}
