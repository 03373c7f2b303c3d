/**
 * What one peer may have us do: so much at once, and so much more each second. For answers that cost us far
 * more than the question cost the one who asks.
 */
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'

export class Allowance {
  readonly #most: number
  readonly #perSecond: number
  #left: number
  #at: Instant

  constructor(now: Instant, most: number, perSecond: number) {
    this.#most = this.#left = most
    this.#perSecond = perSecond
    this.#at = now
  }

  /** True and charged when there is something left; what costs more than everything costs everything. */
  take(now: Instant, cost = 1): boolean {
    const gained = ((now - this.#at) / MICROSECONDS_PER_SECOND) * this.#perSecond
    this.#left = Math.min(this.#most, this.#left + gained)
    this.#at = now
    const charged = Math.min(cost, this.#most)
    if (this.#left < charged) return false
    this.#left -= charged
    return true
  }
}

/** One for each session that asked; they go with their sessions. */
export class Allowances<Session extends object> {
  readonly #most: number
  readonly #perSecond: number
  readonly #bySession = new WeakMap<Session, Allowance>()

  constructor(most: number, perSecond: number) {
    this.#most = most
    this.#perSecond = perSecond
  }

  take(now: Instant, session: Session, cost = 1): boolean {
    let allowance = this.#bySession.get(session)
    if (allowance === undefined)
      this.#bySession.set(session, (allowance = new Allowance(now, this.#most, this.#perSecond)))
    return allowance.take(now, cost)
  }
}
