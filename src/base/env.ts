/**
 * What every machine is constructed with instead of reaching for the platform.
 * `crypto` is synchronous and for small things (infohashes, merkle nodes, tokens);
 * hashing of content is an effect.
 */
import type { Prng } from './prng.ts'

export interface Crypto {
  /** 20 bytes. */
  sha1(bytes: Uint8Array): Uint8Array
  /** 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array
}

export interface Env {
  readonly prng: Prng
  readonly crypto: Crypto
  /** Asks whether to misbehave here on purpose; constant false in production. */
  buggify(name: string): boolean
}
