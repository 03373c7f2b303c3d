/**
 * What one peer asked us for and has not got yet, in order: a ring of (piece, begin, length) in flat numbers,
 * because a busy seeder sees tens of thousands of requests a second.
 * Invariant: at most `limit` entries; a full queue refuses.
 */
import type { BlockRange } from '../wire/peer-messages.ts'

const FIELDS = 3

export class RequestQueue {
  readonly #limit: number
  #ring = new Float64Array(FIELDS * 64)
  #head = 0
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  push(piece: number, begin: number, length: number): boolean {
    if (this.#size >= this.#limit) return false
    if (FIELDS * this.#size === this.#ring.length) this.#grow()
    const at = this.#slot(this.#size)
    this.#ring[at] = piece
    this.#ring[at + 1] = begin
    this.#ring[at + 2] = length
    this.#size++
    return true
  }

  /** The entry `index` places from the head. */
  at(index: number): BlockRange {
    const at = this.#slot(index)
    return { piece: this.#ring[at]!, begin: this.#ring[at + 1]!, length: this.#ring[at + 2]! }
  }

  pieceAt(index: number): number {
    return this.#ring[this.#slot(index)]!
  }

  /** Takes out `count` entries, the first of them `index` places from the head. */
  drop(count: number, index = 0): void {
    // Those before them move up into the gap.
    for (let at = index - 1; at >= 0; at--)
      this.#ring.copyWithin(this.#slot(at + count), this.#slot(at), this.#slot(at) + FIELDS)
    this.#head = this.#slot(count)
    this.#size -= count
  }

  /** Takes one entry out of the middle; false when it is not there. */
  remove(range: BlockRange): boolean {
    for (let index = 0; index < this.#size; index++) {
      const at = this.#slot(index)
      if (
        this.#ring[at] !== range.piece ||
        this.#ring[at + 1] !== range.begin ||
        this.#ring[at + 2] !== range.length
      )
        continue
      for (let next = index + 1; next < this.#size; next++)
        this.#ring.copyWithin(this.#slot(next - 1), this.#slot(next), this.#slot(next) + FIELDS)
      this.#size--
      return true
    }
    return false
  }

  /**
   * How many entries from `index` on are consecutive blocks of one piece, at most `countMax`, and their
   * bytes: they are read in one go.
   */
  run(countMax: number, index = 0): { count: number; bytes: number } {
    if (this.#size <= index) return { count: 0, bytes: 0 }
    const first = this.#slot(index)
    const piece = this.#ring[first]
    let bytes = this.#ring[first + 2]!
    let count = 1
    while (count < Math.min(countMax, this.#size - index)) {
      const at = this.#slot(index + count)
      if (this.#ring[at] !== piece || this.#ring[at + 1] !== this.#ring[first + 1]! + bytes) break
      bytes += this.#ring[at + 2]!
      count++
    }
    return { count, bytes }
  }

  #slot(index: number): number {
    return (this.#head + FIELDS * index) % this.#ring.length
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#ring.length)
    for (let index = 0; index < this.#size; index++) {
      const at = this.#slot(index)
      larger.set(this.#ring.subarray(at, at + FIELDS), FIELDS * index)
    }
    this.#ring = larger
    this.#head = 0
  }
}
