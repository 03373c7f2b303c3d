/**
 * How often one source may ask the tracker (S25). Sources are not remembered: each falls, by a keyed hash of
 * its address, into one of a fixed number of places, and a place has one number, the time at which its
 * budget is whole again (the generic cell rate algorithm). So a flood from any number of addresses costs no
 * memory and can push nobody out; two sources that share a place share a budget, but nobody can choose
 * with whom.
 * An IPv6 source is its /64, since one host has all of that.
 * Invariant: no source is served more than `perSecond` requests in a second beyond the first
 * second's worth, which it may save up.
 */
import type { SipHash } from '../base/siphash.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'
import { addressScope } from '../wire/address-scope.ts'

/** A power of two: half a MiB in all. */
const PLACES = 0x1_0000
const V6_PREFIX_LENGTH = 8

export interface SourceLimitOptions {
  /** Infinity = no limit. */
  readonly requestsPerSecond: number
  /** Whether this machine's own addresses are limited too; a proxy for others may stand there. */
  readonly limitsLoopback: boolean
}

export class SourceLimits {
  readonly #options: SourceLimitOptions
  readonly #hash: SipHash
  readonly #interval: number
  /** Microseconds, by place. Empty when there is no limit. */
  readonly #wholeAt: Float64Array

  constructor(hash: SipHash, options: SourceLimitOptions) {
    this.#hash = hash
    this.#options = options
    this.#interval = MICROSECONDS_PER_SECOND / options.requestsPerSecond
    this.#wholeAt = new Float64Array(options.requestsPerSecond === Number.POSITIVE_INFINITY ? 0 : PLACES)
  }

  /** True, and counted, when this source may be served now. @param address 4 or 16 bytes */
  take(now: Instant, address: Uint8Array): boolean {
    if (this.#wholeAt.length === 0) return true
    if (!this.#options.limitsLoopback && addressScope(address) === 'machine') return true
    this.#hash.hash(address, Math.min(address.length, V6_PREFIX_LENGTH))
    const place = this.#hash.low & (PLACES - 1)
    const wholeAt = Math.max(this.#wholeAt[place]!, now) + this.#interval
    if (wholeAt - now > MICROSECONDS_PER_SECOND + 1) return false
    this.#wholeAt[place] = wholeAt
    return true
  }
}
