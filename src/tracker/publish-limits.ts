/**
 * How much one source may publish (S32): libraries, `.torrent` files, payload strings, invites. Publisher
 * keys cost nothing, so quotas for each of them bound nobody; addresses do. Like `source-limits.ts`, it
 * remembers nobody: a source falls, by a keyed hash, into one of a fixed number of places, each with the time
 * at which its budget is whole again. Trackers on Redis bound newcomers with it as well.
 * Invariant: a source that is served has used no more than an hour's worth beyond what time gave it back,
 * so what goes over that is at most one request.
 */
import { LIMITS } from '../base/limits.ts'
import type { SipHash } from '../base/siphash.ts'
import { type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { addressScope } from '../wire/address-scope.ts'

/** A power of two: 128 KiB in all. */
const PLACES = 0x4000
const V6_PREFIX_LENGTH = 8
const HOUR_SECONDS = 3600
/** Large things count as several. */
const UNIT_BYTES = 64 * 1024

export interface PublishLimitOptions {
  /** Infinity = no limit. */
  readonly perHour: number
  /** Whether this machine's own addresses are limited too; a proxy for others may stand there. */
  readonly limitsLoopback: boolean
}

/** @param perHour as the operator set it; undefined = publicationsPerSourceMax, for all but this machine */
export function publishLimitOptions(perHour: number | 'off' | undefined): PublishLimitOptions {
  return {
    perHour:
      perHour === 'off' ? Number.POSITIVE_INFINITY : (perHour ?? LIMITS.publicationsPerSourceMax.value),
    limitsLoopback: perHour !== undefined,
  }
}

export class PublishLimits {
  readonly #hash: SipHash
  readonly #options: PublishLimitOptions
  /** Microseconds, by place. Empty when there is no limit. */
  readonly #wholeAt: Float64Array

  constructor(hash: SipHash, options: PublishLimitOptions) {
    this.#hash = hash
    this.#options = options
    this.#wholeAt = new Float64Array(options.perHour === Number.POSITIVE_INFINITY ? 0 : PLACES)
  }

  /** Whole seconds until this source may publish again; 0 = now. @param address 4 or 16 bytes */
  waitSeconds(now: Instant, address: Uint8Array): number {
    if (!this.#isLimited(address)) return 0
    const spent = this.#wholeAt[this.#placeOf(address)]! - now
    const over = spent + this.#interval - seconds(HOUR_SECONDS)
    // A microsecond is what sums of intervals that are no whole number may be off.
    return over <= 1 ? 0 : Math.ceil(over / MICROSECONDS_PER_SECOND)
  }

  /** @param things that were published @param bytes of them all */
  charge(now: Instant, address: Uint8Array, things: number, bytes = 0): void {
    if (!this.#isLimited(address)) return
    const place = this.#placeOf(address)
    const units = things + Math.floor(bytes / UNIT_BYTES)
    this.#wholeAt[place] = Math.max(this.#wholeAt[place]!, now) + units * this.#interval
  }

  get #interval(): number {
    return seconds(HOUR_SECONDS) / this.#options.perHour
  }

  #isLimited(address: Uint8Array): boolean {
    if (this.#wholeAt.length === 0) return false
    return this.#options.limitsLoopback || addressScope(address) !== 'machine'
  }

  #placeOf(address: Uint8Array): number {
    this.#hash.hash(address, Math.min(address.length, V6_PREFIX_LENGTH))
    return this.#hash.low & (PLACES - 1)
  }
}
