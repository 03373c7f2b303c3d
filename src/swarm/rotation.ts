/** Takes turns at being first: who draws on a short budget first gets most of it. */

export class Rotation {
  #turn = 0

  /** The same items, beginning with another one each time. */
  next<T>(items: readonly T[]): readonly T[] {
    const start = items.length > 0 ? this.#turn++ % items.length : 0
    return [...items.slice(start), ...items.slice(0, start)]
  }
}
