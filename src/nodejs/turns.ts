/**
 * Lets one in at a time, for each key, in the order they came.
 * Invariant: every `enter` whose action has begun is followed by one `leave`, or by `clear`.
 */
export class Turns<Key> {
  /** Who waits, for each key that is taken. */
  readonly #waiting = new Map<Key, (() => void)[]>()

  /** Runs the action now, or when everybody before it has left. */
  enter(key: Key, action: () => void): void {
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      waiting.push(action)
      return
    }
    this.#waiting.set(key, [])
    action()
  }

  /** Whoever waits now never gets in. */
  clear(): void {
    this.#waiting.clear()
  }

  leave(key: Key): void {
    const next = this.#waiting.get(key)?.shift()
    if (next === undefined) this.#waiting.delete(key)
    else next()
  }
}
