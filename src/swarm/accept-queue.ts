/**
 * Incoming connections that wait for their turn, first come, first served (`--one-at-a-time`).
 * Invariant: at most `acceptQueueMax` entries, each connection once, in the order in which they came.
 */
import { LIMITS } from '../base/limits.ts'

export class AcceptQueue<T extends { readonly id: number }> {
  /** By connection id; a map keeps the order. */
  readonly #waiting = new Map<number, T>()

  get size(): number {
    return this.#waiting.size
  }

  has(id: number): boolean {
    return this.#waiting.has(id)
  }

  /** False when it is full. */
  push(item: T): boolean {
    if (this.#waiting.size >= LIMITS.acceptQueueMax.value) return false
    this.#waiting.set(item.id, item)
    return true
  }

  /** It has gone, or been dropped. */
  remove(id: number): void {
    this.#waiting.delete(id)
  }

  /** The one that has waited longest. */
  shift(): T | undefined {
    const [first] = this.#waiting.values()
    if (first !== undefined) this.#waiting.delete(first.id)
    return first
  }
}
