/**
 * How often one source may be wrong about a secret (S43). After `burst` wrong ones it is not listened to
 * until time has passed; being right costs nothing. Sources share places by a keyed hash, as in
 * `source-limits.ts`, so a flood from any number of addresses costs no memory.
 */
import { LIMITS } from '../base/limits.ts'
import type { SipHash } from '../base/siphash.ts'
import { type Instant, seconds } from '../base/time.ts'

/** A power of two: 128 KiB. */
const PLACES = 0x4000
/** One IPv6 host has all of its /64. */
const V6_PREFIX_LENGTH = 8
/** One more wrong secret is forgiven after so long. */
const FORGIVEN_SECONDS = 6

export class FailureLimits {
  readonly #hash: SipHash
  /** When all is forgiven, in microseconds, by place. */
  readonly #wholeAt = new Float64Array(PLACES)

  constructor(hash: SipHash) {
    this.#hash = hash
  }

  /** True when this source may try. @param address 4 or 16 bytes */
  mayTry(now: Instant, address: Uint8Array): boolean {
    return this.#wholeAt[this.#placeOf(address)]! - now < seconds(this.#mostSeconds)
  }

  failed(now: Instant, address: Uint8Array): void {
    const place = this.#placeOf(address)
    this.#wholeAt[place] = Math.max(this.#wholeAt[place]!, now) + seconds(FORGIVEN_SECONDS)
  }

  get #mostSeconds(): number {
    return (LIMITS.wrongSecretsMax.value - 1) * FORGIVEN_SECONDS + FORGIVEN_SECONDS / 2
  }

  #placeOf(address: Uint8Array): number {
    this.#hash.hash(address, Math.min(address.length, V6_PREFIX_LENGTH))
    return this.#hash.low & (PLACES - 1)
  }
}
