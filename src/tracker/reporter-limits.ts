/**
 * How often one address may report peers (D14). Like `source-limits.ts`, it remembers nobody: an address
 * falls, by a keyed hash, into one of a fixed number of places, each with the time at which its budget is
 * whole again.
 */
import { LIMITS } from '../base/limits.ts'
import type { SipHash } from '../base/siphash.ts'
import { after, type Instant, latest, MICROSECONDS_PER_SECOND } from '../base/time.ts'

/** A power of two: 32 KiB in all. */
const PLACES = 4096
const BURST = 20
const INTERVAL = MICROSECONDS_PER_SECOND / LIMITS.trackerReportersPerSecondMax.value
const V6_PREFIX_LENGTH = 8

export class ReporterLimits {
  readonly #hash: SipHash
  readonly #wholeAt = new Float64Array(PLACES)

  constructor(hash: SipHash) {
    this.#hash = hash
  }

  /** True, and counted, when a report of this address may be acted on. @param address 4 or 16 bytes */
  take(now: Instant, address: Uint8Array): boolean {
    this.#hash.hash(address, Math.min(address.length, V6_PREFIX_LENGTH))
    const place = this.#hash.low & (PLACES - 1)
    const wholeAt = after(latest(this.#wholeAt[place]! as Instant, now), INTERVAL)
    if (wholeAt - now > BURST * INTERVAL) return false
    this.#wholeAt[place] = wholeAt
    return true
  }
}
