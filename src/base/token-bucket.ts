/**
 * A byte budget that refills at a steady rate (token bucket). One bucket per direction,
 * shared by whoever draws on it.
 * Invariant: never more than `burst` tokens are saved up, so an idle minute does not buy a flood; a draw may
 * overdraw once, which later draws wait out, so blocks larger than the burst still pass.
 */
import { after, type Instant, MICROSECONDS_PER_SECOND } from './time.ts'

export class TokenBucket {
  #rate: number
  #tokens: number
  #updated: Instant = 0 as Instant

  /** @param bytesPerSecond 0 or Infinity means unlimited */
  constructor(bytesPerSecond: number) {
    this.#rate = bytesPerSecond > 0 ? bytesPerSecond : Infinity
    this.#tokens = this.burst
  }

  get rate(): number {
    return this.#rate
  }

  setRate(now: Instant, bytesPerSecond: number): void {
    this.#refill(now)
    this.#rate = bytesPerSecond > 0 ? bytesPerSecond : Infinity
    this.#tokens = Math.min(this.#tokens, this.burst)
  }

  /** True and charged when the budget is not used up. */
  take(now: Instant, bytes: number): boolean {
    if (this.#rate === Infinity) return true
    this.#refill(now)
    if (this.#tokens <= 0) return false
    this.#tokens -= bytes
    return true
  }

  /** Charges for what cannot be refused any more, such as bytes that have arrived. */
  draw(now: Instant, bytes: number): void {
    if (this.#rate === Infinity) return
    this.#refill(now)
    this.#tokens -= bytes
  }

  /** When `take` will next succeed; undefined when it would now. */
  readyAt(now: Instant): Instant | undefined {
    if (this.#rate === Infinity) return undefined
    this.#refill(now)
    if (this.#tokens > 0) return undefined
    return after(now, Math.ceil(((1 - this.#tokens) / this.#rate) * MICROSECONDS_PER_SECOND))
  }

  /** The largest sum saved up: a tenth of a second's worth, at least one block. */
  get burst(): number {
    return Math.max(16 * 1024, this.#rate / 10)
  }

  #refill(now: Instant): void {
    const span = now - this.#updated
    this.#updated = now
    if (this.#rate === Infinity || span <= 0) return
    this.#tokens = Math.min(this.burst, this.#tokens + (span * this.#rate) / MICROSECONDS_PER_SECOND)
  }
}
