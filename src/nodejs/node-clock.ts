/** The clock port on Node.js: microseconds since the process's time origin. */
import { performance } from 'node:perf_hooks'
import { type Instant, instant } from '../base/time.ts'
import type { Clock } from '../ports/clock.ts'

export const nodeClock: Clock = {
  now: () => instant(performance.now() * 1000),

  wakeAt(at: Instant, callback: () => void): () => void {
    const delayMs = Math.max(0, Math.ceil(at / 1000 - performance.now()))
    const timer = setTimeout(callback, Math.min(delayMs, 0x7fffffff))
    return () => clearTimeout(timer)
  },
}
