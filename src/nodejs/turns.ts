/**
 * Lets a few in at a time, for each key, in the order they came.
 * Invariant: every `enter` whose action has begun is followed by one `leave`, or by `clear`.
 */
interface Room {
  takenCount: number
  readonly waiting: (() => void)[]
}

export class Turns<Key> {
  readonly #places: number
  /** Those with somebody in. */
  readonly #rooms = new Map<Key, Room>()

  /** @param places how many at a time */
  constructor(places = 1) {
    this.#places = places
  }

  /** Runs the action now, or when enough of those before it have left. */
  enter(key: Key, action: () => void): void {
    const room = this.#rooms.get(key)
    if (room === undefined) this.#rooms.set(key, { takenCount: 1, waiting: [] })
    else if (room.takenCount < this.#places) room.takenCount++
    else {
      room.waiting.push(action)
      return
    }
    action()
  }

  /** Whoever waits now never gets in. */
  clear(): void {
    this.#rooms.clear()
  }

  leave(key: Key): void {
    const room = this.#rooms.get(key)
    if (room === undefined) return
    const next = room.waiting.shift()
    if (next !== undefined) next()
    else if (--room.takenCount === 0) this.#rooms.delete(key)
  }
}
