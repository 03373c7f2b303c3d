/**
 * Whose turn it is to be probed, for the peers of one address family: those that are new, in the order they
 * came, and the others in the order of their last probe, which, since all wait equally long, is that in which
 * they are due.
 * Columns of numbers by slot, as in the peer table, so that a million peers cost 16 bytes each and no
 * objects. Bounded by `trackerPeersMax`.
 * Invariants: a slot stands in one of the two lists or in none; entering and leaving take constant time.
 */
import type { Instant } from '../base/time.ts'
import { NO_SLOT } from './peer-table.ts'

const FIRST_CAPACITY = 256
const NEW = 0
const WAITING = 1

interface Ends {
  first: number
  last: number
}

export class ProbeQueue {
  #before = new Int32Array(0)
  #behind = new Int32Array(0)
  /** In microseconds; of new ones meaningless. */
  #dueAt = new Float64Array(0)
  /** NEW, WAITING, or -1 for neither. */
  #list = new Int8Array(0)
  readonly #ends: readonly [Ends, Ends] = [nobody(), nobody()]

  /** To be probed as soon as there is room. */
  welcome(slot: number): void {
    this.#append(slot, NEW)
  }

  /** @param dueAt not before that of anybody who waits already */
  wait(slot: number, dueAt: Instant): void {
    this.#append(slot, WAITING)
    this.#dueAt[slot] = dueAt
  }

  remove(slot: number): void {
    const list = this.#list[slot] ?? -1
    if (list < 0) return
    const ends = this.#ends[list]!
    const before = this.#before[slot]!
    const behind = this.#behind[slot]!
    if (before === NO_SLOT) ends.first = behind
    else this.#behind[before] = behind
    if (behind === NO_SLOT) ends.last = before
    else this.#before[behind] = before
    this.#list[slot] = -1
  }

  get firstNew(): number {
    return this.#ends[NEW].first
  }

  get firstWaiting(): number {
    return this.#ends[WAITING].first
  }

  /** When the one that has waited longest is due; undefined when nobody waits. */
  get dueAt(): Instant | undefined {
    const { first } = this.#ends[WAITING]
    return first === NO_SLOT ? undefined : (this.#dueAt[first] as Instant)
  }

  #append(slot: number, list: number): void {
    this.#grow(slot)
    this.remove(slot)
    const ends = this.#ends[list]!
    this.#list[slot] = list
    this.#before[slot] = ends.last
    this.#behind[slot] = NO_SLOT
    if (ends.last === NO_SLOT) ends.first = slot
    else this.#behind[ends.last] = slot
    ends.last = slot
  }

  #grow(slot: number): void {
    const from = this.#list.length
    if (slot < from) return
    const capacity = Math.max(FIRST_CAPACITY, 2 ** Math.ceil(Math.log2(slot + 1)))
    const before = new Int32Array(capacity)
    const behind = new Int32Array(capacity)
    const dueAt = new Float64Array(capacity)
    const list = new Int8Array(capacity).fill(-1, from)
    before.set(this.#before)
    behind.set(this.#behind)
    dueAt.set(this.#dueAt)
    list.set(this.#list)
    this.#before = before
    this.#behind = behind
    this.#dueAt = dueAt
    this.#list = list
  }
}

function nobody(): Ends {
  return { first: NO_SLOT, last: NO_SLOT }
}
