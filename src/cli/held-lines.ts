/**
 * Lines of which many come within a moment go out together, a few times a second: each write wakes the
 * reader, which on a busy machine costs both programs more than the line did.
 * Invariant: the order of lines is that in which they came; none waits longer than `HELD_MS`.
 */

const HELD_MS = 100
/** A reader need not take more in one go. */
const HELD_LENGTH_MAX = 16 * 1024

export class HeldLines {
  readonly #write: (text: string) => void
  #held = ''
  #timer: NodeJS.Timeout | undefined
  #writtenAtMs = -Infinity

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** Written now, after what was held. */
  add(line: string): void {
    this.#held += line
    this.flush()
  }

  /** Written with the next ones, if there was one a moment ago. */
  hold(line: string): void {
    this.#held += line
    const waitMs = this.#writtenAtMs + HELD_MS - performance.now()
    if (waitMs <= 0 || this.#held.length > HELD_LENGTH_MAX) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), waitMs)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#held
    this.#held = ''
    if (text === '') return
    this.#writtenAtMs = performance.now()
    this.#write(text)
  }
}
