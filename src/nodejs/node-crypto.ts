/** The small synchronous hashes of `Env` on Node.js. */
import { hash } from 'node:crypto'
import type { Crypto } from '../base/env.ts'

export const nodeCrypto: Crypto = {
  sha1: (bytes) => hash('sha1', bytes, 'buffer'),
  sha256: (bytes) => hash('sha256', bytes, 'buffer'),
}
