/**
 * The sources of a few peers, as numbers that can be compared and counted. A source is an IPv4 address or an
 * IPv6 /64, which one host has all of. Its block is the /24 or the /48, which one customer may have all of.
 * Invariants: no source is in the list twice; IPv4 and IPv6 are never equal.
 * IPv6 prefixes are hashed to 32 bits: two of a sample are taken for one once in a million samples.
 */

const V4_LENGTH = 4
const V6_SOURCE_LENGTH = 8
const V6_BLOCK_LENGTH = 6
/** Added to what comes from IPv6. */
const TWO_TO_32 = 0x1_0000_0000
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

export class SourceList {
  readonly sources: number[] = []
  /** Of each source in turn. */
  readonly blocks: number[] = []
  readonly #seed: number

  /** @param seed makes equal hashes unpredictable to those who choose their addresses */
  constructor(seed: number) {
    this.#seed = seed
  }

  get length(): number {
    return this.sources.length
  }

  clear(): void {
    this.sources.length = 0
    this.blocks.length = 0
  }

  /** @param length 4 or 16 bytes of address, in `bytes` from `at` */
  add(bytes: Uint8Array, at: number, length: number): void {
    const isV4 = length === V4_LENGTH
    const source = isV4 ? hostOf(bytes, at) : this.#hash(bytes, at, V6_SOURCE_LENGTH)
    if (this.sources.includes(source)) return
    this.sources.push(source)
    this.blocks.push(isV4 ? source >>> 8 : this.#hash(bytes, at, V6_BLOCK_LENGTH))
  }

  /** FNV-1a with a final mix. */
  #hash(bytes: Uint8Array, at: number, length: number): number {
    let hash = FNV_OFFSET ^ this.#seed
    for (let i = at; i < at + length; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    return ((hash ^ (hash >>> 13)) >>> 0) + TWO_TO_32
  }
}

function hostOf(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
