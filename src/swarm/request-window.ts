/**
 * How many blocks to keep requested at one peer: enough that its pipe never runs dry, not so many that a slow
 * peer holds blocks others could bring sooner. It opens by one per block while the rate still grows (as TCP's
 * slow start does), then follows the rate: so many seconds' worth of blocks. A peer that stays silent too
 * long is snubbed: one request at a time.
 */
import { LIMITS } from '../base/limits.ts'
import type { Instant } from '../base/time.ts'
import { seconds } from '../base/time.ts'

const FIRST_DEPTH = 4
const DEPTH_MIN = 4
/** Blocks kept requested, as seconds of the peer's rate. */
const QUEUE_SECONDS = 1.5
/** Slow start ends when a second brings less than this much more than the one before. */
const GROWTH_MIN = 1.1

export class RequestWindow {
  depth = FIRST_DEPTH
  isSnubbed = false
  readonly #blockLength: number
  #isOpening = true
  #secondEndsAt: Instant | undefined
  #bytesThisSecond = 0
  #bytesLastSecond = 0

  constructor(blockLength: number) {
    this.#blockLength = blockLength
  }

  /**
   * How long the peer will take for so many blocks, by what it brought lately; Infinity
   * while it brings nothing.
   */
  waitSeconds(blockCount: number): number {
    const rate = Math.max(this.#bytesLastSecond, this.#bytesThisSecond)
    return (blockCount * this.#blockLength) / rate
  }

  /** Blocks arrived. */
  received(now: Instant, bytes: number, blockCount: number): void {
    if (this.isSnubbed) {
      this.isSnubbed = false
      this.depth = DEPTH_MIN
    }
    if (this.#isOpening)
      this.depth = Math.min(this.depth + blockCount, LIMITS.requestsOutstandingPerPeerMax.value)
    this.#secondEndsAt ??= (now + seconds(1)) as Instant
    if (now >= this.#secondEndsAt) this.#closeSecond(now)
    this.#bytesThisSecond += bytes
  }

  snub(): void {
    this.isSnubbed = true
    this.#isOpening = false
    this.depth = 1
  }

  #closeSecond(now: Instant): void {
    const elapsed = (now - this.#secondEndsAt!) / 1_000_000 + 1
    const rate = this.#bytesThisSecond / elapsed
    if (this.#isOpening && rate < this.#bytesLastSecond * GROWTH_MIN) this.#isOpening = false
    if (!this.#isOpening) {
      const wanted = Math.ceil((rate * QUEUE_SECONDS) / this.#blockLength)
      this.depth = Math.max(DEPTH_MIN, Math.min(wanted, LIMITS.requestsOutstandingPerPeerMax.value))
    }
    this.#bytesLastSecond = rate
    this.#bytesThisSecond = 0
    this.#secondEndsAt = (now + seconds(1)) as Instant
  }
}
