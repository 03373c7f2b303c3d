/**
 * Which piece to start next. Open pieces (wanted and missing) stand in one array, ordered by how many
 * connected peers have them and shuffled inside each group, so rarest first with random ties is a walk from
 * the left; availability changes move a piece by one swap (the scheme of libtorrent's piece picker). Seeds
 * are counted apart: they change no order.
 * Invariant: `#order[#place[p]] === p` for every open piece, and group g is
 * [#groupStart[g], #groupStart[g + 1]).
 */
import { assert } from '../base/assert.ts'
import type { Bitfield } from '../base/bitfield.ts'
import type { Prng } from '../base/prng.ts'

export type PickOrder = 'rarest' | 'sequential' | 'random'

const NOT_OPEN = -1

export class PiecePicker {
  readonly #prng: Prng
  #pickOrder: PickOrder
  readonly #availability: Uint16Array
  readonly #order: Int32Array
  readonly #place: Int32Array
  /** Group g begins here; one more entry than there are groups. Grows with the largest availability. */
  #groupStart: number[] = [0, 0]
  #openCount = 0
  #openings = 0
  /** No piece before this one is open. */
  #firstOpen = 0
  seedCount = 0

  constructor(pieceCount: number, pickOrder: PickOrder, prng: Prng) {
    this.#prng = prng
    this.#pickOrder = pickOrder
    this.#availability = new Uint16Array(pieceCount)
    this.#order = new Int32Array(pieceCount)
    this.#place = new Int32Array(pieceCount).fill(NOT_OPEN)
  }

  /** Pieces that may be started. */
  get openCount(): number {
    return this.#openCount
  }

  /** How often a piece was opened. A peer with none of the open pieces has none until this grows. */
  get openings(): number {
    return this.#openings
  }

  /** Open pieces that at least one connected peer has. */
  get obtainableCount(): number {
    return this.seedCount > 0 ? this.#openCount : this.#openCount - this.#groupSize(0)
  }

  get pickOrder(): PickOrder {
    return this.#pickOrder
  }

  set pickOrder(order: PickOrder) {
    this.#pickOrder = order
  }

  /** Connected peers that have the piece. */
  availability(piece: number): number {
    return this.#availability[piece]! + this.seedCount
  }

  /** The piece is wanted and missing from now on. */
  open(piece: number): void {
    if (this.#place[piece] !== NOT_OPEN) return
    this.#openings++
    if (piece < this.#firstOpen) this.#firstOpen = piece
    const group = this.#availability[piece]!
    this.#ensureGroup(group)
    let hole = this.#openCount++
    this.#groupStart[this.#groupStart.length - 1] = this.#openCount
    for (let g = this.#groupStart.length - 2; g > group; g--) {
      const start = this.#groupStart[g]!
      this.#put(this.#order[start]!, hole, start !== hole)
      hole = start
      this.#groupStart[g] = start + 1
    }
    this.#put(piece, hole, true)
    this.#swapWithin(group, piece)
  }

  /** The piece is being fetched, owned or unwanted from now on. */
  close(piece: number): void {
    let hole = this.#place[piece]!
    if (hole === NOT_OPEN) return
    this.#place[piece] = NOT_OPEN
    for (let g = this.#availability[piece]!; g < this.#groupStart.length - 1; g++) {
      const last = this.#groupStart[g + 1]! - 1
      this.#put(this.#order[last]!, hole, last !== hole)
      hole = last
      this.#groupStart[g + 1] = last
    }
    this.#openCount--
  }

  peerHas(piece: number): void {
    const group = this.#availability[piece]!++
    if (this.#place[piece] === NOT_OPEN) return
    this.#ensureGroup(group + 1)
    const last = this.#groupStart[group + 1]! - 1
    this.#exchange(piece, last)
    this.#groupStart[group + 1] = last
    this.#swapWithin(group + 1, piece)
  }

  peerLost(piece: number): void {
    assert(this.#availability[piece]! > 0, 'availability counts connected peers')
    const group = this.#availability[piece]!--
    if (this.#place[piece] === NOT_OPEN) return
    const first = this.#groupStart[group]!
    this.#exchange(piece, first)
    this.#groupStart[group] = first + 1
    this.#swapWithin(group - 1, piece)
  }

  /**
   * The next piece to start among those that somebody has; -1 when none is open.
   * @param isCounted what it has is part of the availability, as with every connected peer
   */
  pick(has: Bitfield, isCounted = true): number {
    if (this.#pickOrder === 'sequential') return this.#pickSequential(has)
    // What only seeds have comes first in the order, and need not be looked at for anybody else.
    const first = has.isFull || !isCounted ? 0 : this.#groupStart[1]!
    if (this.#pickOrder === 'random') return this.#pickRandom(has, first)
    for (let i = first; i < this.#openCount; i++) if (has.has(this.#order[i]!)) return this.#order[i]!
    return -1
  }

  #pickSequential(has: Bitfield): number {
    while (this.#firstOpen < this.#place.length && this.#place[this.#firstOpen] === NOT_OPEN)
      this.#firstOpen++
    for (let piece = this.#firstOpen; piece < this.#place.length; piece++)
      if (this.#place[piece] !== NOT_OPEN && has.has(piece)) return piece
    return -1
  }

  #pickRandom(has: Bitfield, first: number): number {
    const count = this.#openCount - first
    if (count === 0) return -1
    const start = this.#prng.below(count)
    for (let i = 0; i < count; i++) {
      const piece = this.#order[first + ((start + i) % count)]!
      if (has.has(piece)) return piece
    }
    return -1
  }

  #groupSize(group: number): number {
    return (this.#groupStart[group + 1] ?? this.#openCount) - (this.#groupStart[group] ?? this.#openCount)
  }

  #ensureGroup(group: number): void {
    while (this.#groupStart.length < group + 2) this.#groupStart.push(this.#openCount)
  }

  /** Random place inside the group, so that ties are broken by chance. */
  #swapWithin(group: number, piece: number): void {
    const size = this.#groupSize(group)
    if (size > 1) this.#exchange(piece, this.#groupStart[group]! + this.#prng.below(size))
  }

  #exchange(piece: number, to: number): void {
    const from = this.#place[piece]!
    const other = this.#order[to]!
    this.#put(other, from, true)
    this.#put(piece, to, true)
  }

  #put(piece: number, at: number, moves: boolean): void {
    if (!moves) return
    this.#order[at] = piece
    this.#place[piece] = at
  }
}
