/**
 * Lines that nobody waits for go out together, a few times a second: each write wakes the reader, which on a
 * busy machine costs both programs more than the line did.
 * Invariant: the order of lines is that in which they came; none waits longer than `HELD_MS`.
 */

const HELD_MS = 100
/** A reader need not take more in one go. */
const HELD_LENGTH_MAX = 16 * 1024

export class HeldLines {
  readonly #write: (text: string) => void
  #held = ''
  #timer: NodeJS.Timeout | undefined

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** Written now, after what was held. */
  add(line: string): void {
    this.#held += line
    this.flush()
  }

  /** Written with the next ones. */
  hold(line: string): void {
    this.#held += line
    if (this.#held.length > HELD_LENGTH_MAX) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), HELD_MS)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#held
    this.#held = ''
    if (text !== '') this.#write(text)
  }
}
