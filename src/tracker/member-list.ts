/**
 * The members of one swarm of one family, with what a sample of them needs: endpoint, part of the peer id,
 * slot. Peers stand in their table in the order in which they came to the tracker, so that of 50 members each
 * is far from the others; here they stand together, and a sample reads one piece of memory.
 *
 * A member is two numbers, or four for IPv6: its endpoint, six bytes to a number, then its slot plus its mark
 * times 2^32. All are below 2^53, which a double holds.
 * Invariants: the first `front` members are those that are not unreachable; the table knows the position of
 * each. Bounded by the table.
 */
import { PEER_ID_LENGTH, type PeerTable } from './peer-table.ts'

const TWO_TO_16 = 0x1_0000
const TWO_TO_32 = 0x1_0000_0000
/** Each number of an endpoint has so many times two bytes. */
const HALVES = 3
const MARK_SHIFT = 12
const NO_MARK = -1
const FNV_PRIME = 0x01000193

export class MemberList {
  /** So many at the beginning are not unreachable. */
  front = 0
  length = 0
  readonly #peers: PeerTable
  /** Numbers of an endpoint; one more follows them. */
  readonly #words: number
  readonly #numbers: number[] = []

  constructor(peers: PeerTable) {
    this.#peers = peers
    this.#words = peers.entryLength / (2 * HALVES)
  }

  slot(position: number): number {
    return this.#numbers[position * (this.#words + 1) + this.#words]! | 0
  }

  /** A peer of the table, at the end. */
  push(slot: number, peerId: Uint8Array): void {
    const peers = this.#peers
    const halves = peers.endpointHalves
    for (let word = 0; word < this.#words; word++) {
      const at = (slot * this.#words + word) * HALVES
      this.#numbers.push(halves[at]! + halves[at + 1]! * TWO_TO_16 + halves[at + 2]! * TWO_TO_32)
    }
    this.#numbers.push(slot + markOf(peerId) * TWO_TO_32)
    peers.setPosition(slot, this.length++)
  }

  pop(): void {
    for (let word = 0; word <= this.#words; word++) this.#numbers.pop()
    this.length--
  }

  /** The peer in this slot has another id now. */
  remark(slot: number, peerId: Uint8Array): void {
    const at = this.#peers.position(slot) * (this.#words + 1) + this.#words
    this.#numbers[at] = slot + markOf(peerId) * TWO_TO_32
  }

  swap(one: number, other: number): void {
    if (one === other) return
    const numbers = this.#numbers
    const length = this.#words + 1
    for (let word = 0; word < length; word++) {
      const kept = numbers[one * length + word]!
      numbers[one * length + word] = numbers[other * length + word]!
      numbers[other * length + word] = kept
    }
    this.#peers.setPosition(this.slot(one), one)
    this.#peers.setPosition(this.slot(other), other)
  }

  /**
   * Copies those of `positions` that have another peer id.
   * @param positions the first `count` of it
   * @param target from `from` up to `end`
   * @returns where it stopped
   */
  others(
    positions: Int32Array,
    count: number,
    peerId: Uint8Array | undefined,
    target: Int32Array,
    from: number,
    end: number,
  ): number {
    const numbers = this.#numbers
    const words = this.#words
    const mark = peerId === undefined ? NO_MARK : markOf(peerId)
    let to = from
    for (let i = 0; i < count && to < end; i++) {
      const position = positions[i]!
      const number = numbers[position * (words + 1) + words]!
      // One in a million is looked at closely without being the same.
      if (Math.floor(number / TWO_TO_32) === mark && this.#peers.hasPeerId(number | 0, peerId!)) continue
      target[to++] = position
    }
    return to
  }

  /**
   * The endpoints of `positions` from `start` up to `end`, in compact form.
   * @param halves by two bytes, in the order of memory
   * @param at in halves
   */
  copyEndpoints(positions: Int32Array, start: number, end: number, halves: Uint16Array, at: number): void {
    const numbers = this.#numbers
    const words = this.#words
    let to = at
    for (let i = start; i < end; i++) {
      const from = positions[i]! * (words + 1)
      for (let word = 0; word < words; word++) {
        const number = numbers[from + word]!
        const low = number | 0
        halves[to] = low
        halves[to + 1] = low >>> 16
        halves[to + 2] = Math.floor(number / TWO_TO_32)
        to += HALVES
      }
    }
  }
}

/** 20 bits of a peer id; without its first eight bytes, which clients of one kind share. */
function markOf(peerId: Uint8Array): number {
  let mark = 0
  for (let i = 8; i < PEER_ID_LENGTH; i++) mark = Math.imul(mark ^ peerId[i]!, FNV_PRIME)
  return (mark ^ (mark >>> 15)) >>> MARK_SHIFT
}
