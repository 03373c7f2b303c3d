/**
 * SipHash-2-4: a short keyed hash that nobody predicts without the key. For tables and
 * tokens that strangers must neither aim at nor forge; not for content.
 * Aumasson and Bernstein, 2012. Invariant: hashing allocates nothing; the 64 bits of the
 * result stand in `low` and `high` until the next call.
 */
import { assert } from './assert.ts'

export const SIPHASH_KEY_LENGTH = 16

export class SipHash {
  readonly #key: Uint32Array
  /** Signed 32 bits each. */
  low = 0
  high = 0

  /** @param key 16 secret bytes */
  constructor(key: Uint8Array) {
    assert(key.length === SIPHASH_KEY_LENGTH, 'a SipHash key has 16 bytes')
    this.#key = Uint32Array.from({ length: 4 }, (_, i) => littleEndian(key, 4 * i, 4))
  }

  /** Hashes the first `length` bytes. */
  hash(bytes: Uint8Array, length: number): void {
    const [k0, k1, k2, k3] = this.#key as unknown as [number, number, number, number]
    let [l0, h0] = [k0 ^ 0x70736575, k1 ^ 0x736f6d65]
    let [l1, h1] = [k2 ^ 0x6e646f6d, k3 ^ 0x646f7261]
    let [l2, h2] = [k0 ^ 0x6e657261, k1 ^ 0x6c796765]
    let [l3, h3] = [k2 ^ 0x79746573, k3 ^ 0x74656462]
    const blocks = (length >>> 3) + 1
    // One turn for each block of the message, and a last one that only stirs.
    for (let block = 0; block <= blocks; block++) {
      const isLast = block === blocks
      const at = block * 8
      const low = isLast ? 0 : littleEndian(bytes, at, length - at)
      const high = isLast
        ? 0
        : littleEndian(bytes, at + 4, length - at - 4) | lengthByte(block, blocks, length)
      l3 ^= low
      h3 ^= high
      if (isLast) l2 ^= 0xff
      for (let round = isLast ? 4 : 2; round > 0; round--) {
        // v0 += v1, v1 <<<= 13, v1 ^= v0, v0 <<<= 32
        let sum = (l0 >>> 0) + (l1 >>> 0)
        h0 = (h0 + h1 + (sum > 0xffff_ffff ? 1 : 0)) | 0
        l0 = sum | 0
        let swap = (h1 << 13) | (l1 >>> 19)
        l1 = ((l1 << 13) | (h1 >>> 19)) ^ l0
        h1 = swap ^ h0
        swap = h0
        h0 = l0
        l0 = swap
        // v2 += v3, v3 <<<= 16, v3 ^= v2
        sum = (l2 >>> 0) + (l3 >>> 0)
        h2 = (h2 + h3 + (sum > 0xffff_ffff ? 1 : 0)) | 0
        l2 = sum | 0
        swap = (h3 << 16) | (l3 >>> 16)
        l3 = ((l3 << 16) | (h3 >>> 16)) ^ l2
        h3 = swap ^ h2
        // v0 += v3, v3 <<<= 21, v3 ^= v0
        sum = (l0 >>> 0) + (l3 >>> 0)
        h0 = (h0 + h3 + (sum > 0xffff_ffff ? 1 : 0)) | 0
        l0 = sum | 0
        swap = (h3 << 21) | (l3 >>> 11)
        l3 = ((l3 << 21) | (h3 >>> 11)) ^ l0
        h3 = swap ^ h0
        // v2 += v1, v1 <<<= 17, v1 ^= v2, v2 <<<= 32
        sum = (l2 >>> 0) + (l1 >>> 0)
        h2 = (h2 + h1 + (sum > 0xffff_ffff ? 1 : 0)) | 0
        l2 = sum | 0
        swap = (h1 << 17) | (l1 >>> 15)
        l1 = ((l1 << 17) | (h1 >>> 15)) ^ l2
        h1 = swap ^ h2
        swap = h2
        h2 = l2
        l2 = swap
      }
      l0 ^= low
      h0 ^= high
    }
    this.low = l0 ^ l1 ^ l2 ^ l3
    this.high = h0 ^ h1 ^ h2 ^ h3
  }
}

/** Up to four of `available` bytes as a number, missing ones as 0. */
function littleEndian(bytes: Uint8Array, at: number, available: number): number {
  let value = 0
  for (let i = Math.min(available, 4) - 1; i >= 0; i--) value = (value << 8) | bytes[at + i]!
  return value
}

/** The last block of the message ends with the length of it all. */
function lengthByte(block: number, blocks: number, length: number): number {
  return block === blocks - 1 ? (length & 0xff) << 24 : 0
}
