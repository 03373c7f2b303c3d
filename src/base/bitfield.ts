/**
 * A fixed number of bits in BEP 3 order: bit 0 is the high bit of byte 0.
 * Invariant: spare bits of the last byte are zero, and `count` is the number of set bits.
 */
import { assert } from './assert.ts'

const POPCOUNT = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

export class Bitfield {
  readonly length: number
  readonly bytes: Uint8Array
  #count = 0

  constructor(length: number) {
    assert(Number.isSafeInteger(length) && length >= 0, 'bitfield length is a whole number')
    this.length = length
    this.bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /**
   * A copy of wire bytes; undefined when the size is wrong or a spare bit is set (BEP 3:
   * close the connection).
   */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.length !== Math.ceil(length / 8)) return undefined
    if (length % 8 !== 0 && (bytes[bytes.length - 1]! & (0xff >> (length % 8))) !== 0) return undefined
    const field = new Bitfield(length)
    field.bytes.set(bytes)
    for (const byte of bytes) field.#count += POPCOUNT[byte]!
    return field
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count
  }

  /** All of at least one bit. */
  get isFull(): boolean {
    return this.length > 0 && this.#count === this.length
  }

  has(index: number): boolean {
    return (this.bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0
  }

  /** True when the bit was not set before. */
  set(index: number): boolean {
    assert(index >= 0 && index < this.length, 'bit index in range')
    if (this.has(index)) return false
    this.bytes[index >> 3]! |= 0x80 >> (index & 7)
    this.#count++
    return true
  }

  /** True when the bit was set before. */
  clear(index: number): boolean {
    assert(index >= 0 && index < this.length, 'bit index in range')
    if (!this.has(index)) return false
    this.bytes[index >> 3]! &= ~(0x80 >> (index & 7))
    this.#count--
    return true
  }

  fill(): void {
    this.bytes.fill(0xff)
    if (this.length % 8 !== 0) this.bytes[this.bytes.length - 1] = 0xff00 >> (this.length % 8)
    this.#count = this.length
  }

  copy(): Bitfield {
    const field = new Bitfield(this.length)
    field.bytes.set(this.bytes)
    field.#count = this.#count
    return field
  }

  *ones(): Generator<number> {
    for (let i = 0; i < this.length; i++) if (this.has(i)) yield i
  }

  *zeros(): Generator<number> {
    for (let i = 0; i < this.length; i++) if (!this.has(i)) yield i
  }
}
