/**
 * How far reading and hashing is: a live bar on a terminal, with `--json` at most four
 * `progress` events a second.
 */
import type { Output } from './output.ts'
import { formatBytes, formatDuration, formatRate } from './units.ts'

const EVENT_EVERY_MS = 250

export class HashingProgress {
  readonly #output: Output
  readonly #label: string
  readonly #startedAtMs = performance.now()
  #toldAtMs = performance.now()

  constructor(output: Output, label: string) {
    this.#output = output
    this.#label = label
  }

  show(bytes: number, total: number): void {
    const nowMs = performance.now()
    const seconds = (nowMs - this.#startedAtMs) / 1000
    const bytesPerSecond = bytes / Math.max(seconds, 0.001)
    const etaSeconds = Math.round((total - bytes) / Math.max(bytesPerSecond, 1))
    if (!this.#output.isJson) {
      const detail = `${formatBytes(bytes)} ${formatRate(bytesPerSecond)} ETA ${formatDuration(etaSeconds)}`
      this.#output.bar(this.#label, { label: this.#label, fraction: total === 0 ? 1 : bytes / total, detail })
    } else if (nowMs - this.#toldAtMs >= EVENT_EVERY_MS) {
      this.#toldAtMs = nowMs
      this.#output.event({
        event: 'progress',
        bytes,
        total,
        downloadRate: 0,
        uploadRate: 0,
        peers: 0,
        etaSeconds,
      })
    }
  }

  end(): void {
    this.#output.bar(this.#label, undefined)
  }
}
