/**
 * How often one peer may make us walk over all pieces. Bitfields are repeated by honest
 * peers too (aria2 sends one instead of many haves), but each costs a look at every piece,
 * whatever it weighs on the wire (S16).
 * Invariant: a burst of `BURST` walks, and `walkedPiecesPerSecondMax` pieces a second in the long run.
 */
import { LIMITS } from '../base/limits.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'

/** What a session needs in the ordinary course is two: what it has, and the day it has everything. */
const BURST = 8

export class WalkBudget {
  /** Pieces walked and not yet worn off. */
  #level = 0
  #updated: Instant

  constructor(now: Instant) {
    this.#updated = now
  }

  /** True and charged when another walk over so many pieces is within the budget. */
  take(now: Instant, pieceCount: number): boolean {
    const wornOff = (LIMITS.walkedPiecesPerSecondMax.value * (now - this.#updated)) / MICROSECONDS_PER_SECOND
    this.#level = Math.max(0, this.#level - wornOff)
    this.#updated = now
    if (this.#level + pieceCount > BURST * pieceCount) return false
    this.#level += pieceCount
    return true
  }
}
