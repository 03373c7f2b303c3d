/**
 * Short byte arrays that are parts of longer ones, for those who make many and keep none for long: an array
 * of more than 64 bytes costs the platform an allocation, a record of it and its release, more than filling
 * it takes.
 * Invariants: no byte is given twice, so what was given belongs to its receiver; it is zero at first, and it
 * begins at an even offset. One that is kept keeps all of its slab, so this is not for what stays.
 */

const SLAB_LENGTH = 16_384

export class ByteSlab {
  #bytes = new Uint8Array(0)
  /** The slab of the array taken last, by two bytes in the order of memory; it begins at half its offset. */
  halves = new Uint16Array(0)
  #used = 0

  take(length: number): Uint8Array {
    const even = length + (length & 1)
    if (this.#used + even > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.max(SLAB_LENGTH, even))
      this.halves = new Uint16Array(this.#bytes.buffer)
      this.#used = 0
    }
    const bytes = new Uint8Array(this.#bytes.buffer, this.#used, length)
    this.#used += even
    return bytes
  }
}
