/**
 * Lines of which very many come go out together, a few times a second: each write wakes the reader, which on
 * a busy machine costs both programs more than the line did. The first ones go out at once, so that whoever
 * follows a short transfer sees each as it happens.
 * Invariant: the order of lines is that in which they came; none waits longer than `SPAN_MS`.
 */

/** One write in so much time, once the first ones are out. */
const SPAN_MS = 100
const FIRST_COUNT = 50
/** A reader need not take more in one go. */
const HELD_LENGTH_MAX = 16 * 1024

export class HeldLines {
  readonly #write: (text: string) => void
  #held = ''
  #timer: NodeJS.Timeout | undefined
  /** Writes that need not wait; one more comes with each span. */
  #credit = FIRST_COUNT
  #creditedAtMs = performance.now()

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** Written now, after what was held. */
  add(line: string): void {
    this.#held += line
    this.flush()
  }

  /** One of many: written with the next ones, if many were written lately. */
  hold(line: string): void {
    this.#held += line
    if (this.#timer !== undefined && this.#held.length <= HELD_LENGTH_MAX) return
    const nowMs = performance.now()
    this.#credit = Math.min(FIRST_COUNT, this.#credit + (nowMs - this.#creditedAtMs) / SPAN_MS)
    this.#creditedAtMs = nowMs
    if (this.#credit < 1 && this.#held.length <= HELD_LENGTH_MAX) {
      this.#timer = setTimeout(() => this.#spend(), SPAN_MS)
      return
    }
    this.#spend()
  }

  #spend(): void {
    // A timer comes with the credit of its span, which is not counted yet.
    this.#credit = this.#timer === undefined ? Math.max(0, this.#credit - 1) : 0
    this.#creditedAtMs = performance.now()
    this.flush()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#held
    this.#held = ''
    if (text !== '') this.#write(text)
  }
}
