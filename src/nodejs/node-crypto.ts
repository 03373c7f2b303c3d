/** `Env` on Node.js: chance nobody can foretell, and the small synchronous hashes. */
import { hash, randomInt } from 'node:crypto'
import type { Crypto, Env } from '../base/env.ts'
import { Prng } from '../base/prng.ts'

export const nodeCrypto: Crypto = {
  sha1: (bytes) => hash('sha1', bytes, 'buffer'),
  sha256: (bytes) => hash('sha256', bytes, 'buffer'),
}

export function freshEnv(): Env {
  return { prng: new Prng(randomInt(0x1_0000_0000)), crypto: nodeCrypto, buggify: () => false }
}
