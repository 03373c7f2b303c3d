/**
 * The one pool in which unverified bytes wait: pieces are gathered here and leave for the
 * disk only once their hash fits.
 * Shared by all torrents of a client. Invariant: buffers handed out and buffers kept for reuse together never
 * exceed the budget, except that one piece larger than the whole budget may be out at a time, alone.
 */
import { LIMITS } from '../base/limits.ts'

export class PieceBuffers {
  readonly #budget: number
  readonly #allocate: (length: number) => Uint8Array
  /** By length. Bounded by the budget. */
  readonly #free = new Map<number, Uint8Array[]>()
  #freeBytes = 0
  #usedBytes = 0

  /** @param allocate gives memory of the kind the hasher can share; plain memory by default */
  constructor(
    budgetBytes: number = LIMITS.unverifiedBytesMax.value,
    allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length),
  ) {
    this.#budget = budgetBytes
    this.#allocate = allocate
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  canTake(length: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + length <= this.#budget
  }

  /** A buffer of exactly `length` bytes with arbitrary content, or undefined when the budget is used up. */
  take(length: number): Uint8Array | undefined {
    if (!this.canTake(length)) return undefined
    this.#usedBytes += length
    const kept = this.#free.get(length)?.pop()
    if (kept !== undefined) {
      this.#freeBytes -= length
      return kept
    }
    if (this.#usedBytes + this.#freeBytes > this.#budget) this.#dropFree()
    return this.#allocate(length)
  }

  release(buffer: Uint8Array): void {
    this.#usedBytes -= buffer.length
    if (this.#usedBytes + this.#freeBytes + buffer.length > this.#budget) return
    this.#freeBytes += buffer.length
    const kept = this.#free.get(buffer.length)
    if (kept === undefined) this.#free.set(buffer.length, [buffer])
    else kept.push(buffer)
  }

  #dropFree(): void {
    this.#free.clear()
    this.#freeBytes = 0
  }
}
