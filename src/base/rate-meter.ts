/**
 * Bytes per second over the last few seconds: one bucket a second, summed over a sliding window.
 * Invariant: constant memory, and `rate` needs no timer; buckets that have passed are
 * cleared when next touched.
 */
import { type Instant, MICROSECONDS_PER_SECOND } from './time.ts'

const WINDOW_SECONDS = 8

export class RateMeter {
  readonly #buckets = new Float64Array(WINDOW_SECONDS)
  #second = -1
  /** End of the second now counted, so that an addition within it is a comparison. */
  #endsAt = 0
  #firstSecond = -1
  total = 0

  add(now: Instant, bytes: number): void {
    if (now >= this.#endsAt) this.#advance(now)
    this.#buckets[this.#second % WINDOW_SECONDS]! += bytes
    this.total += bytes
  }

  /** Bytes per second; a meter younger than its window divides by its age, at least one second. */
  rate(now: Instant): number {
    if (this.#firstSecond < 0) return 0
    this.#advance(now)
    let sum = 0
    for (const bucket of this.#buckets) sum += bucket
    const elapsed = now / MICROSECONDS_PER_SECOND - this.#firstSecond
    return (
      sum /
      Math.max(1, Math.min(elapsed, WINDOW_SECONDS - 1 + (now / MICROSECONDS_PER_SECOND - this.#second)))
    )
  }

  #advance(now: Instant): void {
    const second = Math.floor(now / MICROSECONDS_PER_SECOND)
    if (this.#firstSecond < 0) this.#firstSecond = this.#second = second
    const steps = Math.min(second - this.#second, WINDOW_SECONDS)
    for (let i = 1; i <= steps; i++) this.#buckets[(this.#second + i) % WINDOW_SECONDS] = 0
    this.#second = Math.max(this.#second, second)
    this.#endsAt = (this.#second + 1) * MICROSECONDS_PER_SECOND
  }
}
