/**
 * What one peer asked us for and has not got yet, in order: a ring of (piece, begin, length) in flat numbers,
 * because a busy seeder sees tens of thousands of requests a second.
 * Invariant: at most `limit` entries; a full queue refuses.
 */
import type { BlockRange } from '../wire/peer-messages.ts'

/** Neighbouring blocks of one piece. */
export interface RequestRun {
  readonly piece: number
  readonly begin: number
  readonly count: number
  readonly bytes: number
}

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

  lengthAt(index: number): number {
    return this.#ring[this.#slot(index) + 2]!
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

  /** How many entries from `index` on, one of them at least, are consecutive blocks of one piece. */
  run(countMax: number, index = 0): RequestRun {
    const first = this.#slot(index)
    const piece = this.#ring[first]!
    const begin = this.#ring[first + 1]!
    const countable = Math.min(countMax, this.#size - index)
    let bytes = this.#ring[first + 2]!
    let count = 1
    for (; count < countable; count++) {
      const at = this.#slot(index + count)
      if (this.#ring[at] !== piece || this.#ring[at + 1] !== begin + bytes) break
      bytes += this.#ring[at + 2]!
    }
    return { piece, begin, count, bytes }
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
