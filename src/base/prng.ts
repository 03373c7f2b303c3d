/**
 * Reproducible chance: xoshiro128** seeded through SplitMix32 (Blackman and Vigna, 2018).
 * Every purpose forks a stream of its own, so one more draw in the choker does not shift the picker.
 * Not for secrets: keys and tokens come from the entropy port.
 */
import { assert } from './assert.ts'

export class Prng {
  readonly #seed: number
  readonly #s: Uint32Array

  constructor(seed: number) {
    this.#seed = seed >>> 0
    this.#s = new Uint32Array(4)
    let state = this.#seed
    for (let i = 0; i < 4; i++) {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      this.#s[i] = z ^ (z >>> 15)
    }
  }

  /** An independent stream that depends on this one's seed and the label, not on what was drawn. */
  fork(label: string): Prng {
    let hash = 0x811c9dc5 ^ this.#seed
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193)
    return new Prng(hash)
  }

  /** Uniform in [0, 2^32). */
  uint32(): number {
    const s = this.#s
    const product = Math.imul(s[1]!, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = (s[3]! << 11) | (s[3]! >>> 21)
    return result
  }

  /** Uniform whole number in [0, bound), without modulo bias. */
  below(bound: number): number {
    assert(bound >= 1 && bound <= 0x1_0000_0000, 'bound in [1, 2^32]')
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound)
    let draw = this.uint32()
    while (draw >= limit) draw = this.uint32()
    return draw % bound
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.uint32()
    return bytes
  }

  /** Fisher-Yates, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const moved = items[i]!
      items[i] = items[j]!
      items[j] = moved
    }
    return items
  }
}
