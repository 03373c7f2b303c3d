/**
 * The one pool in which unverified bytes wait: pieces are gathered here and leave for the
 * disk only once their hash fits.
 * Room is reserved when a piece is started and memory drawn when its first byte comes, the one released last
 * first: the few buffers in use at any moment stay in the processor's caches, however deep the request
 * windows are.
 * Shared by all torrents of a client. Invariants: reserved bytes never exceed the budget, except that one
 * piece larger than the whole budget may be out at a time, alone; neither do buffers drawn and buffers kept
 * for reuse together.
 */
import { type CopyBytes, copyBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'

/** The kind of memory pieces are gathered in. */
export interface PieceMemory {
  allocate(length: number): Uint8Array
  readonly copy: CopyBytes
}

export const PLAIN_MEMORY: PieceMemory = {
  allocate: (length) => new Uint8Array(length),
  copy: copyBytes,
}

export class PieceBuffers {
  readonly memory: PieceMemory
  readonly #budget: number
  /** By length. Bounded by the budget. */
  readonly #free = new Map<number, Uint8Array[]>()
  #freeBytes = 0
  #drawnBytes = 0
  #reservedBytes = 0

  /** @param memory of the kind the hasher can share; plain memory by default */
  constructor(budgetBytes: number = LIMITS.unverifiedBytesMax.value, memory: PieceMemory = PLAIN_MEMORY) {
    this.#budget = budgetBytes
    this.memory = memory
  }

  get reservedBytes(): number {
    return this.#reservedBytes
  }

  /** Memory that is there: in use or kept. */
  get heldBytes(): number {
    return this.#drawnBytes + this.#freeBytes
  }

  /** False when the budget is used up. */
  reserve(length: number): boolean {
    if (this.#reservedBytes > 0 && this.#reservedBytes + length > this.#budget) return false
    this.#reservedBytes += length
    return true
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
