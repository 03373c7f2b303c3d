/**
 * The blocks that one peer was asked for and has not sent yet, oldest first: rings of flat numbers beside one
 * of references. Every block passes through here, and an object for each would live just long enough to be
 * moved to the old generation.
 * Peers answer in the order they are asked, some of them in the opposite one, so a block is looked for from
 * both ends at once; what somebody sends in any other order, or was never asked for, costs a comparison for
 * each entry.
 * Invariants: no block is here twice; whatever is taken out, the others keep their order. Bounded by
 * `requestsOutstandingPerPeerMax`, which is up to who adds.
 */
import type { GatheringPiece } from './piece-tracker.ts'

/** A power of two, as all lengths of the rings. */
const FIRST_LENGTH = 16

export class OutstandingBlocks {
  #pieces = new Int32Array(FIRST_LENGTH)
  #blocks = new Int32Array(FIRST_LENGTH)
  #gathering = new Array<GatheringPiece | undefined>(FIRST_LENGTH).fill(undefined)
  #mask = FIRST_LENGTH - 1
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  add(gathering: GatheringPiece, block: number): void {
    if (this.#size > this.#mask) this.#grow()
    const slot = (this.#head + this.#size) & this.#mask
    this.#pieces[slot] = gathering.piece
    this.#blocks[slot] = block
    this.#gathering[slot] = gathering
    this.#size++
  }

  /** How many entries are older than this block; -1 when it is not here. Takes any number there is. */
  indexOf(piece: number, block: number): number {
    let low = this.#head
    let high = low + this.#size - 1
    for (; low <= high; low++, high--) {
      if (this.#blocks[low & this.#mask] === block && this.#pieces[low & this.#mask] === piece)
        return low - this.#head
      if (this.#blocks[high & this.#mask] === block && this.#pieces[high & this.#mask] === piece)
        return high - this.#head
    }
    return -1
  }

  gatheringAt(index: number): GatheringPiece {
    return this.#gathering[(this.#head + index) & this.#mask]!
  }

  blockAt(index: number): number {
    return this.#blocks[(this.#head + index) & this.#mask]!
  }

  removeAt(index: number): void {
    // The fewer ones move up into the gap.
    if (index < this.#size >> 1) {
      for (let at = index; at > 0; at--) this.#move(at - 1, at)
      this.#gathering[this.#head] = undefined
      this.#head = (this.#head + 1) & this.#mask
    } else {
      for (let at = index + 1; at < this.#size; at++) this.#move(at, at - 1)
      this.#gathering[(this.#head + this.#size - 1) & this.#mask] = undefined
    }
    this.#size--
  }

  clear(): void {
    this.#gathering.fill(undefined)
    this.#head = 0
    this.#size = 0
  }

  /** Oldest first; for what happens seldom. Nothing may be added or taken out meanwhile. */
  *[Symbol.iterator](): Generator<{ gathering: GatheringPiece; block: number }> {
    for (let index = 0; index < this.#size; index++)
      yield { gathering: this.gatheringAt(index), block: this.blockAt(index) }
  }

  #move(from: number, to: number): void {
    const source = (this.#head + from) & this.#mask
    const target = (this.#head + to) & this.#mask
    this.#pieces[target] = this.#pieces[source]!
    this.#blocks[target] = this.#blocks[source]!
    this.#gathering[target] = this.#gathering[source]
  }

  #grow(): void {
    const length = 2 * (this.#mask + 1)
    const pieces = new Int32Array(length)
    const blocks = new Int32Array(length)
    const gathering = new Array<GatheringPiece | undefined>(length).fill(undefined)
    for (let index = 0; index < this.#size; index++) {
      const slot = (this.#head + index) & this.#mask
      pieces[index] = this.#pieces[slot]!
      blocks[index] = this.#blocks[slot]!
      gathering[index] = this.#gathering[slot]
    }
    this.#pieces = pieces
    this.#blocks = blocks
    this.#gathering = gathering
    this.#mask = length - 1
    this.#head = 0
  }
}
