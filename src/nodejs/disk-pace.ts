/**
 * Whether reads, or writes, of a store are so quick that they are done on the spot. They are while the kernel
 * serves them from memory: a tenth of a millisecond, for which handing them to a thread, and hearing back,
 * costs two wake-ups (docs/decisions/0019). Behind a disk they may take a hundred times as long, and go to
 * threads until a pause is over.
 * What most of them take counts: on a busy machine one in ten takes long, since the processor was given to
 * others meanwhile.
 */

/** Besides what the bytes need. */
const QUICK_MS = 0.5
/** Nobody else had the processor for so long. */
const STALL_MS = 100
/** How much of the share of slow ones the last one is. */
const WEIGHT = 1 / 16
const SLOW_SHARE_MAX = 0.5
const FIRST_PAUSE_MS = 30_000
const PAUSE_MS_MAX = 30 * 60_000
/** More takes milliseconds from memory, too. */
const BYTES_MAX = 4 * 1024 * 1024

export class DiskPace {
  readonly #bytesPerMs: number
  readonly #nowMs: () => number
  #slowShare = 0
  #pausedUntilMs = -Infinity
  #pauseMs = FIRST_PAUSE_MS

  /** @param bytesPerMs what memory manages at the least */
  constructor(bytesPerMs: number, nowMs: () => number = () => performance.now()) {
    this.#bytesPerMs = bytesPerMs
    this.#nowMs = nowMs
  }

  /** From memory: a disk of today that reads at half a gigabyte a second is slower. */
  static ofReads(): DiskPace {
    return new DiskPace(1024 * 1024)
  }

  /** Into memory, which the kernel may have to find first. */
  static ofWrites(): DiskPace {
    return new DiskPace(256 * 1024)
  }

  isQuick(byteCount: number): boolean {
    if (byteCount > BYTES_MAX) return false
    return this.#pausedUntilMs === -Infinity || this.#nowMs() >= this.#pausedUntilMs
  }

  /** Does it on the spot, and remembers how long it took. */
  measure<Outcome>(byteCount: number, operation: () => Outcome): Outcome {
    const startedAtMs = this.start()
    try {
      return operation()
    } finally {
      this.end(byteCount, startedAtMs)
    }
  }

  /** What goes on from here until `end` is measured. */
  start(): number {
    return this.#nowMs()
  }

  /** @param startedAtMs what `start` gave */
  end(byteCount: number, startedAtMs: number): void {
    const ms = this.#nowMs() - startedAtMs
    const isSlow = ms > QUICK_MS + byteCount / this.#bytesPerMs
    this.#slowShare += ((isSlow ? 1 : 0) - this.#slowShare) * WEIGHT
    if (this.#slowShare <= SLOW_SHARE_MAX && ms < STALL_MS) return
    this.#pausedUntilMs = this.#nowMs() + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX)
    this.#slowShare = 0
  }
}
