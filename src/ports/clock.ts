/** Time as the drivers see it. Invariant: `now` never goes back; a wake-up is never early. */
import type { Instant } from '../base/time.ts'

export interface Clock {
  now(): Instant
  /** Calls back once, at or after `at`; the result cancels. */
  wakeAt(at: Instant, callback: () => void): () => void
}
