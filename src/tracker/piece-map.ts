/**
 * Which pieces peers say they have, as ranges of indexes. Advice for people and for whoever looks for a
 * source: what counts in a transfer is what a peer says over the wire (D7).
 * Invariants: the ranges of a peer are sorted, apart from one another, and never more than it told; what was
 * said of a peer goes with it. Bounded by `trackerHaveRangesMax` for a peer and `trackerHaveRangesTotalMax`
 * in all: what is beyond is not kept.
 */
import { LIMITS } from '../base/limits.ts'
import type { PeerRef, SwarmWatcher } from './peer-record.ts'

/** First and last index. */
export type PieceRange = readonly [first: number, last: number]

export interface PieceMapBounds {
  readonly perPeerMax: number
  readonly totalMax: number
}

const BOUNDS: PieceMapBounds = {
  perPeerMax: LIMITS.trackerHaveRangesMax.value,
  totalMax: LIMITS.trackerHaveRangesTotalMax.value,
}

export class PieceMap implements SwarmWatcher {
  readonly #bounds: PieceMapBounds
  readonly #ranges = new Map<PeerRef, readonly PieceRange[]>()
  #total = 0

  constructor(bounds: PieceMapBounds = BOUNDS) {
    this.#bounds = bounds
  }

  /** Undefined when the peer never told. */
  of(ref: PeerRef): readonly PieceRange[] | undefined {
    return this.#ranges.get(ref)
  }

  /**
   * The peer has these too, or nothing but these.
   * @param ranges in any order; those whose ends are not in order are passed over
   */
  tell(ref: PeerRef, ranges: readonly PieceRange[], replacesAll = false): void {
    const before = this.#ranges.get(ref) ?? []
    const merged = merge(replacesAll ? ranges : [...before, ...ranges])
    const room = this.#bounds.totalMax - this.#total + before.length
    const kept = merged.slice(0, Math.min(this.#bounds.perPeerMax, room))
    this.#total += kept.length - before.length
    this.#ranges.set(ref, kept)
  }

  joined(): void {}

  left(ref: PeerRef): void {
    this.#total -= this.#ranges.get(ref)?.length ?? 0
    this.#ranges.delete(ref)
  }
}

function merge(ranges: readonly PieceRange[]): PieceRange[] {
  const merged: [number, number][] = []
  for (const [first, last] of ranges.filter(([a, b]) => a <= b).sort(([a], [b]) => a - b)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}
