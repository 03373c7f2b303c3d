/**
 * Whether reads and writes of a file are so quick that they are done on the spot. They are while the kernel
 * serves them from memory: a tenth of a millisecond, for which handing them to a thread, and hearing back,
 * costs two wake-ups (docs/decisions/0019). Behind a disk they may take a hundred times as long, and go to
 * threads until a pause is over.
 * The mean counts, not the slowest: on a busy machine a quick one takes long now and then, since the
 * processor was given to others meanwhile.
 */

/** Of the mean of the last ones; a disk that has to seek needs more. */
const QUICK_MS = 6
/** How much of the mean the last one is. */
const WEIGHT = 1 / 8
const FIRST_PAUSE_MS = 30_000
const PAUSE_MS_MAX = 30 * 60_000
/** More takes milliseconds from memory, too. */
const BYTES_MAX = 4 * 1024 * 1024

export class DiskPace {
  readonly #nowMs: () => number
  #meanMs = 0
  #pausedUntilMs = -Infinity
  #pauseMs = FIRST_PAUSE_MS

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  isQuick(byteCount: number): boolean {
    return byteCount <= BYTES_MAX && this.#nowMs() >= this.#pausedUntilMs
  }

  /** Does it on the spot, and remembers how long it took. */
  measure<Outcome>(operation: () => Outcome): Outcome {
    const startedAtMs = this.#nowMs()
    try {
      return operation()
    } finally {
      this.#took(this.#nowMs() - startedAtMs)
    }
  }

  #took(ms: number): void {
    this.#meanMs += (ms - this.#meanMs) * WEIGHT
    if (this.#meanMs <= QUICK_MS) return
    this.#pausedUntilMs = this.#nowMs() + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX)
    this.#meanMs = 0
  }
}
