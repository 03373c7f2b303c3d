/**
 * Every peer of one address family, in all swarms, as columns of typed arrays: a peer is a slot number, and
 * nothing is allocated for an announce. An open-addressing index finds a slot by swarm and endpoint; a
 * linked list through the slots holds them in the order they were last heard of, which, since all live
 * equally long, is the order of expiry.
 *
 * Invariant: a (swarm, endpoint) pair has at most one slot; a slot is either in the index
 * and the list, or free.
 * Bounded by `trackerPeersMax`. Endpoints are kept in the compact form of BEP 7 and 23, so answers copy them.
 */
import { LIMITS } from '../base/limits.ts'
import type { SourceList } from './source-list.ts'

export const NO_SLOT = -1
export const PEER_ID_LENGTH = 20
const PORT_LENGTH = 2
const V6_SOURCE_LENGTH = 8

const FIRST_CAPACITY = 1024
/** The index has this many places for every slot, so that probes stay short. */
const PLACES_PER_SLOT = 2
const FNV_PRIME = 0x01000193

export class PeerTable {
  /** 6 for IPv4, 18 for IPv6. */
  readonly entryLength: number
  readonly #seed: number
  readonly #capacityMax: number
  /** Bytes of an address that are one source: an IPv4 address, an IPv6 /64. */
  readonly #sourceLength: number
  #capacity = 0
  #size = 0
  #endpoints = new Uint8Array(0)
  /** The same by two bytes, in the order of memory. */
  #endpointHalves = new Uint16Array(0)
  #peerIds = new Uint8Array(0)
  #swarms = new Int32Array(0)
  #positions = new Int32Array(0)
  #lastSeen = new Uint32Array(0)
  #flags = new Uint8Array(0)
  #older = new Int32Array(0)
  /** In the list, the slot heard of next; of a free slot, the next free one. */
  #newer = new Int32Array(0)
  /** Slot + 1, or 0 for an empty place. */
  #index = new Int32Array(0)
  /** How many peers one source has in one swarm, by a hash of both; more where two share a place. */
  #perSource = new Uint16Array(0)
  #oldest = NO_SLOT
  #newest = NO_SLOT
  #firstFree = NO_SLOT

  /** @param seed makes the index unpredictable to those who choose their ports */
  constructor(entryLength: number, seed: number, capacityMax: number = LIMITS.trackerPeersMax.value) {
    this.entryLength = entryLength
    this.#seed = seed
    this.#capacityMax = capacityMax
    this.#sourceLength = Math.min(entryLength - PORT_LENGTH, V6_SOURCE_LENGTH)
    this.#grow()
  }

  /** Every endpoint by two bytes, in the order of memory; only until the next peer is added. */
  get endpointHalves(): Uint16Array {
    return this.#endpointHalves
  }

  get size(): number {
    return this.#size
  }

  /** The peer heard of longest ago, or NO_SLOT. */
  get oldest(): number {
    return this.#oldest
  }

  swarm(slot: number): number {
    return this.#swarms[slot]!
  }

  /** Where the swarm's member list has the slot. */
  position(slot: number): number {
    return this.#positions[slot]!
  }

  setPosition(slot: number, position: number): void {
    this.#positions[slot] = position
  }

  lastSeenSeconds(slot: number): number {
    return this.#lastSeen[slot]!
  }

  flags(slot: number): number {
    return this.#flags[slot]!
  }

  setFlags(slot: number, flags: number): void {
    this.#flags[slot] = flags
  }

  hasPeerId(slot: number, peerId: Uint8Array): boolean {
    const at = slot * PEER_ID_LENGTH
    // Clients of one kind share the first bytes, so the difference is sought from the end.
    for (let i = PEER_ID_LENGTH - 1; i >= 0; i--) if (this.#peerIds[at + i] !== peerId[i]) return false
    return true
  }

  setPeerId(slot: number, peerId: Uint8Array): void {
    this.#peerIds.set(peerId, slot * PEER_ID_LENGTH)
  }

  copyEndpoint(slot: number, target: Uint8Array, at: number): void {
    const from = slot * this.entryLength
    for (let i = 0; i < this.entryLength; i++) target[at + i] = this.#endpoints[from + i]!
  }

  /** @param address of the table's family */
  hasAddress(slot: number, address: Uint8Array): boolean {
    const from = slot * this.entryLength
    return address.every((byte, index) => this.#endpoints[from + index] === byte)
  }

  listSource(slot: number, list: SourceList): void {
    const at = slot * this.entryLength
    list.add(this.#endpoints, at, this.entryLength - PORT_LENGTH)
  }

  copyPeerId(slot: number, target: Uint8Array, at: number): void {
    const from = slot * PEER_ID_LENGTH
    for (let i = 0; i < PEER_ID_LENGTH; i++) target[at + i] = this.#peerIds[from + i]!
  }

  /** @param endpoint in compact form */
  find(swarm: number, endpoint: Uint8Array): number {
    const mask = this.#index.length - 1
    for (let place = this.#hash(swarm, endpoint, 0, this.entryLength) & mask; ; place = (place + 1) & mask) {
      const slot = this.#index[place]! - 1
      if (slot === NO_SLOT || (this.#swarms[slot] === swarm && this.#hasEndpoint(slot, endpoint))) return slot
    }
  }

  /** How many peers the address's source has in that swarm; by chance a few more. */
  countOfSource(swarm: number, address: Uint8Array): number {
    return this.#perSource[this.#sourcePlace(swarm, address, 0)]!
  }

  /** A slot for a peer that is not there yet, heard of now; NO_SLOT when the table is full. */
  add(swarm: number, endpoint: Uint8Array, peerId: Uint8Array, nowSeconds: number): number {
    if (this.#firstFree === NO_SLOT && !this.#grow()) return NO_SLOT
    const slot = this.#firstFree
    this.#firstFree = this.#newer[slot]!
    this.#endpoints.set(endpoint, slot * this.entryLength)
    this.setPeerId(slot, peerId)
    this.#swarms[slot] = swarm
    this.#flags[slot] = 0
    this.#lastSeen[slot] = nowSeconds
    this.#place(slot)
    this.#append(slot)
    this.#countSource(slot, 1)
    this.#size++
    return slot
  }

  /** The peer was heard of again. */
  touch(slot: number, nowSeconds: number): void {
    this.#lastSeen[slot] = nowSeconds
    if (slot === this.#newest) return
    this.#unlink(slot)
    this.#append(slot)
  }

  remove(slot: number): void {
    this.#displace(slot)
    this.#unlink(slot)
    this.#countSource(slot, -1)
    this.#newer[slot] = this.#firstFree
    this.#firstFree = slot
    this.#size--
  }

  #append(slot: number): void {
    this.#older[slot] = this.#newest
    this.#newer[slot] = NO_SLOT
    if (this.#newest === NO_SLOT) this.#oldest = slot
    else this.#newer[this.#newest] = slot
    this.#newest = slot
  }

  #unlink(slot: number): void {
    const older = this.#older[slot]!
    const newer = this.#newer[slot]!
    if (older === NO_SLOT) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === NO_SLOT) this.#newest = older
    else this.#older[newer] = older
  }

  #countSource(slot: number, change: 1 | -1): void {
    const place = this.#sourcePlace(this.#swarms[slot]!, this.#endpoints, slot * this.entryLength)
    this.#perSource[place] = this.#perSource[place]! + change
  }

  #sourcePlace(swarm: number, bytes: Uint8Array, at: number): number {
    return this.#hash(swarm, bytes, at, this.#sourceLength) & (this.#perSource.length - 1)
  }

  #place(slot: number): void {
    const mask = this.#index.length - 1
    let place = this.#home(slot)
    while (this.#index[place] !== 0) place = (place + 1) & mask
    this.#index[place] = slot + 1
  }

  /**
   * Takes the slot out of the index and moves later ones of the same run back, so that no
   * gap breaks a search.
   */
  #displace(slot: number): void {
    const mask = this.#index.length - 1
    let gap = this.#home(slot)
    while (this.#index[gap] !== slot + 1) gap = (gap + 1) & mask
    for (let place = (gap + 1) & mask; this.#index[place] !== 0; place = (place + 1) & mask) {
      const home = this.#home(this.#index[place]! - 1)
      if (((place - home) & mask) < ((place - gap) & mask)) continue
      this.#index[gap] = this.#index[place]!
      gap = place
    }
    this.#index[gap] = 0
  }

  #home(slot: number): number {
    const hash = this.#hash(this.#swarms[slot]!, this.#endpoints, slot * this.entryLength, this.entryLength)
    return hash & (this.#index.length - 1)
  }

  /**
   * FNV-1a over swarm and endpoint, or the first bytes of it, with a final mix so that
   * the low bits depend on all.
   */
  #hash(swarm: number, bytes: Uint8Array, at: number, length: number): number {
    let hash = Math.imul(this.#seed ^ swarm, 0x9e3779b1)
    for (let i = at; i < at + length; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    return hash ^ (hash >>> 13)
  }

  #hasEndpoint(slot: number, endpoint: Uint8Array): boolean {
    const at = slot * this.entryLength
    for (let i = this.entryLength - 1; i >= 0; i--) if (this.#endpoints[at + i] !== endpoint[i]) return false
    return true
  }

  /** Doubles the columns; false at the bound. */
  #grow(): boolean {
    const from = this.#capacity
    const capacity = Math.min(this.#capacityMax, Math.max(FIRST_CAPACITY, from * 2))
    if (capacity === from) return false
    this.#capacity = capacity
    this.#endpoints = enlarged(this.#endpoints, new Uint8Array(capacity * this.entryLength))
    this.#endpointHalves = new Uint16Array(this.#endpoints.buffer)
    this.#peerIds = enlarged(this.#peerIds, new Uint8Array(capacity * PEER_ID_LENGTH))
    this.#swarms = enlarged(this.#swarms, new Int32Array(capacity))
    this.#positions = enlarged(this.#positions, new Int32Array(capacity))
    this.#lastSeen = enlarged(this.#lastSeen, new Uint32Array(capacity))
    this.#flags = enlarged(this.#flags, new Uint8Array(capacity))
    this.#older = enlarged(this.#older, new Int32Array(capacity))
    this.#newer = enlarged(this.#newer, new Int32Array(capacity))
    for (let slot = capacity - 1; slot >= from; slot--) {
      this.#newer[slot] = this.#firstFree
      this.#firstFree = slot
    }
    // The index is a power of two, so that a mask finds the place.
    this.#index = new Int32Array(2 ** Math.ceil(Math.log2(capacity * PLACES_PER_SLOT)))
    this.#perSource = new Uint16Array(this.#index.length / PLACES_PER_SLOT)
    for (let slot = this.#oldest; slot !== NO_SLOT; slot = this.#newer[slot]!) {
      this.#place(slot)
      this.#countSource(slot, 1)
    }
    return true
  }
}

function enlarged<Column extends { set(values: Column): void }>(from: Column, to: Column): Column {
  to.set(from)
  return to
}
