/**
 * How much each source may ask, publish, report, or be wrong. Sources are not remembered: each falls, by a
 * keyed hash of its address, into one of a fixed number of places, and a place has one number, the
 * time at which its budget is whole again (the generic cell rate algorithm). So a flood from any
 * number of addresses costs no memory and can push nobody out; two sources that share a place share a
 * budget, but nobody can choose with whom.
 * Invariant: a source that may use a unit has used less than `burst` of them beyond what time gave it back,
 * so that what goes over `burst` is at most one charge.
 */
import type { SipHash } from '../base/siphash.ts'
import { type Instant, instant } from '../base/time.ts'
import { addressScope } from '../wire/address-scope.ts'

/** One IPv6 host has all of its /64. */
const V6_PREFIX_LENGTH = 8

export interface SourceBudget {
  /** Units that can be used at once. Infinity = no limit. */
  readonly burst: number
  /** Microseconds until a used unit is given back. */
  readonly interval: number
  /** A power of two; eight bytes each. */
  readonly places: number
  /** This machine's own addresses are limited too: a proxy for others may stand there. */
  readonly limitsLoopback: boolean
  /** Bytes of an IPv6 address that are one source, by default a /64. */
  readonly v6PrefixLength?: number
}

export class SourceBudgets {
  readonly #hash: SipHash
  readonly #budget: SourceBudget
  readonly #v6PrefixLength: number
  /** Microseconds, by place. Empty when there is no limit. */
  readonly #wholeAt: Float64Array

  constructor(hash: SipHash, budget: SourceBudget) {
    this.#hash = hash
    this.#budget = budget
    this.#v6PrefixLength = budget.v6PrefixLength ?? V6_PREFIX_LENGTH
    this.#wholeAt = new Float64Array(budget.burst === Number.POSITIVE_INFINITY ? 0 : budget.places)
  }

  /** When this source may use a unit: `now`, or later. @param address 4 or 16 bytes */
  readyAt(now: Instant, address: Uint8Array): Instant {
    return this.#isLimited(address) ? this.#readyAt(now, this.#placeOf(address)) : now
  }

  /** Used, whether that many were left or not. */
  charge(now: Instant, address: Uint8Array, units = 1): void {
    if (this.#isLimited(address)) this.#charge(now, this.#placeOf(address), units)
  }

  /** True, and a unit is used, when the source may use one now. */
  take(now: Instant, address: Uint8Array): boolean {
    if (!this.#isLimited(address)) return true
    const place = this.#placeOf(address)
    if (this.#readyAt(now, place) > now) return false
    this.#charge(now, place, 1)
    return true
  }

  #isLimited(address: Uint8Array): boolean {
    if (this.#wholeAt.length === 0) return false
    return this.#budget.limitsLoopback || addressScope(address) !== 'machine'
  }

  #placeOf(address: Uint8Array): number {
    this.#hash.hash(address, Math.min(address.length, this.#v6PrefixLength))
    return this.#hash.low & (this.#wholeAt.length - 1)
  }

  #readyAt(now: Instant, place: number): Instant {
    const { burst, interval } = this.#budget
    const ready = this.#wholeAt[place]! - (burst - 1) * interval
    // A microsecond is what sums of intervals that are no whole number may be off.
    return ready - now <= 1 ? now : instant(Math.ceil(ready))
  }

  #charge(now: Instant, place: number, units: number): void {
    this.#wholeAt[place] = Math.max(this.#wholeAt[place]!, now) + units * this.#budget.interval
  }
}
