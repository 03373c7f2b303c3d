/**
 * A first-in first-out queue with a hard limit, as a ring that grows by doubling up to it.
 * Invariant: `size` never exceeds `limit`; a full queue refuses instead of growing.
 */
import { assert } from './assert.ts'

export class BoundedQueue<T> {
  readonly limit: number
  #ring: (T | undefined)[] = new Array(16)
  #head = 0
  #size = 0

  constructor(limit: number) {
    assert(Number.isSafeInteger(limit) && limit > 0, 'queue limit is a positive whole number')
    this.limit = limit
  }

  get size(): number {
    return this.#size
  }

  /** False when the queue is full and the item was not taken. */
  push(item: T): boolean {
    if (this.#size >= this.limit) return false
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = item
    this.#size++
    return true
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#size--
    return item
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#ring[this.#head]
  }

  clear(): void {
    this.#ring = new Array(16)
    this.#head = 0
    this.#size = 0
  }

  #grow(): void {
    const larger: (T | undefined)[] = new Array(this.#ring.length * 2)
    for (let i = 0; i < this.#size; i++) larger[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)]
    this.#ring = larger
    this.#head = 0
  }
}
