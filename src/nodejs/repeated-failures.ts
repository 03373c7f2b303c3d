/**
 * Tells failures that may come with every request, thousands in a second: each kind at once, and again only
 * after a while.
 * Invariant: at most KINDS_MAX failures are told in REPEAT_MS, whatever happens.
 */

/** A kind that goes on is told again then, so that the end of a log says what is wrong. */
const REPEAT_MS = 10 * 60_000
/** Further kinds wait until one of these has been told long ago. */
const KINDS_MAX = 8

export class RepeatedFailures {
  /** By message: when it was told. Bounded by KINDS_MAX. */
  readonly #told = new Map<string, number>()

  /** Whether to tell it now; then it counts as told. @param nowMs on a clock that does not jump */
  isNews(message: string, nowMs: number): boolean {
    for (const [kind, at] of this.#told) if (nowMs - at >= REPEAT_MS) this.#told.delete(kind)
    if (this.#told.has(message) || this.#told.size >= KINDS_MAX) return false
    this.#told.set(message, nowMs)
    return true
  }
}
