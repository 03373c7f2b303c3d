/**
 * Who is in which swarm: peers by infohash, IPv4 and IPv6 apart (BEP 7), with counts and
 * uniform random samples. When it is full, the busiest source gives way to newcomers (`crowd.ts`).
 * Invariants: one (host, port) per swarm, the newest peer id wins, and only that id may leave; an empty
 * swarm does not exist; `seeders` is the number of members flagged as seeds; peers that nobody could reach
 * stand last in every list. Joining, leaving and each sampled peer take constant time.
 * Bounded by `trackerSwarmsMax` here, `trackerPeersMax` in each peer table and `trackerPeersPerSourceMax` in
 * a swarm.
 */
import { ByteSlab } from '../base/byte-slab.ts'
import { readUint16 } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Prng } from '../base/prng.ts'
import { addressScope } from '../wire/address-scope.ts'
import { COMPACT_V4_LENGTH, COMPACT_V6_LENGTH } from '../wire/endpoint.ts'
import type { AnnounceRequest, ScrapeCounts } from '../wire/tracker-announce.ts'
import { Crowd, NO_PLACE } from './crowd.ts'
import { MemberDraw } from './member-draw.ts'
import { MemberList } from './member-list.ts'
import { type PeerRecord, type PeerRef, refOf, type SwarmWatcher, slotOf } from './peer-record.ts'
import { NO_SLOT, PEER_ID_LENGTH, PeerTable } from './peer-table.ts'
import type { SourceList } from './source-list.ts'

/** Bits of a peer's flags. */
const IS_SEED = 1
const HAS_COMPLETED = 2
/** It has answered a probe; it answered none so far, and the last one found nobody; it must not be probed. */
const IS_REACHED = 4
const IS_UNREACHABLE = 8
const IS_NOT_PROBED = 16
/** What another peer id at the same address does not inherit. */
const NONE = 0

const NO_BYTES = new Uint8Array(0)
/**
 * A swarm with more members never gives way. So many on average fill both peer tables before the swarms are
 * too many.
 */
const FEW_MEMBERS = 8

/**
 * In each list stand first those that are not unreachable, then those that are, and otherwise in no order.
 */
export interface Swarm {
  readonly key: string
  readonly index: number
  readonly v4: MemberList
  readonly v6: MemberList
  seeders: number
  completed: number
}

/** What of an announce makes somebody a member. */
export type Membership = Pick<AnnounceRequest, 'infoHash' | 'peerId' | 'port' | 'left' | 'event'>

/** Peers in compact form, with 20 bytes of id for each when those were asked for. */
export interface PeerSample {
  readonly peersV4: Uint8Array
  readonly peersV6: Uint8Array
  readonly peerIds?: Uint8Array | undefined
}

export interface SwarmTableBounds {
  readonly swarmsMax: number
  readonly peersPerFamilyMax: number
}

const BOUNDS: SwarmTableBounds = {
  swarmsMax: LIMITS.trackerSwarmsMax.value,
  peersPerFamilyMax: LIMITS.trackerPeersMax.value,
}

export class SwarmTable {
  readonly #bounds: SwarmTableBounds
  readonly #swarms = new Map<string, Swarm>()
  readonly #byIndex: (Swarm | undefined)[] = []
  readonly #freeIndexes: number[] = []
  readonly #v4: PeerTable
  readonly #v6: PeerTable
  /** Parts of the same tracker: a few. */
  readonly #watchers: SwarmWatcher[] = []
  /** The endpoint of the announce at hand, one buffer per family. */
  readonly #endpointV4 = new Uint8Array(COMPACT_V4_LENGTH)
  readonly #endpointV6 = new Uint8Array(COMPACT_V6_LENGTH)
  readonly #draw: MemberDraw
  /** Of the endpoints in samples. */
  readonly #slab = new ByteSlab()
  readonly #swarmCrowd: Crowd
  readonly #v4Crowd: Crowd
  readonly #v6Crowd: Crowd
  #displaced = 0
  /** Positions of the sample at hand in their lists; grows to the largest one given. */
  #picked = new Int32Array(LIMITS.numwantMax.value)

  constructor(prng: Prng, bounds: SwarmTableBounds = BOUNDS) {
    this.#draw = new MemberDraw(prng)
    this.#bounds = bounds
    this.#v4 = new PeerTable(COMPACT_V4_LENGTH, prng.uint32(), bounds.peersPerFamilyMax)
    this.#v6 = new PeerTable(COMPACT_V6_LENGTH, prng.uint32(), bounds.peersPerFamilyMax)
    const crowdPrng = prng.fork('crowd')
    const swarmHolders = (index: number, list: SourceList) => this.#listSources(index, list)
    this.#swarmCrowd = new Crowd(crowdPrng, swarmHolders)
    this.#v4Crowd = new Crowd(crowdPrng, (slot, list) => this.#v4.listSource(slot, list))
    this.#v6Crowd = new Crowd(crowdPrng, (slot, list) => this.#v6.listSource(slot, list))
  }

  get swarmCount(): number {
    return this.#swarms.size
  }

  get peerCount(): number {
    return this.#v4.size + this.#v6.size
  }

  /** Peers that had to give way since the start. */
  get displacedCount(): number {
    return this.#displaced
  }

  swarms(): IterableIterator<Swarm> {
    return this.#swarms.values()
  }

  /** From now on the watcher hears who comes and goes. */
  watch(watcher: SwarmWatcher): void {
    this.#watchers.push(watcher)
  }

  find(infoHash: Uint8Array): Swarm | undefined {
    return this.#swarms.get(keyOf(infoHash))
  }

  counts(infoHash: Uint8Array): ScrapeCounts {
    const swarm = this.find(infoHash)
    if (swarm === undefined) return { seeders: 0, leechers: 0, completed: 0 }
    const { seeders, completed } = swarm
    return { seeders, leechers: sizeOf(swarm) - seeders, completed }
  }

  /**
   * The peer at this address is in the swarm now, or still.
   * @param address 4 or 16 bytes, from the packet and never from the request
   * @param mayBeProbed false when the tracker must not dial that address
   * @returns the swarm, or undefined when a bound leaves no room for it. Where the source has too many peers
   *   in the swarm, this one is not a member.
   */
  join(nowSeconds: number, address: Uint8Array, request: Membership, mayBeProbed = true): Swarm | undefined {
    const swarm = this.find(request.infoHash) ?? this.#create(request.infoHash, nowSeconds, address)
    if (swarm === undefined) return undefined
    const peers = this.#peersOf(address)
    const endpoint = this.#endpointOf(address, request.port)
    let slot = peers.find(swarm.index, endpoint)
    if (slot === NO_SLOT) {
      if (this.#hasTooMany(swarm, peers, address)) return swarm
      slot = peers.add(swarm.index, endpoint, request.peerId, nowSeconds)
      if (slot === NO_SLOT) {
        this.#deleteIfEmpty(swarm)
        if (!this.#vacatePeer(peers, nowSeconds, address)) return undefined
        // The swarm may have gone with its last peer. Now there is room for both.
        return this.join(nowSeconds, address, request, mayBeProbed)
      }
      this.#membersOf(swarm, peers).push(slot, request.peerId)
      this.#moveToFront(swarm, peers, slot)
      peers.setFlags(slot, mayBeProbed ? NONE : IS_NOT_PROBED)
      this.#tellJoined(peers, slot)
    } else {
      peers.touch(slot, nowSeconds)
      if (!peers.hasPeerId(slot, request.peerId)) this.#replace(swarm, peers, slot, request.peerId)
    }
    let flags = (peers.flags(slot) & ~IS_SEED) | (request.left === 0 ? IS_SEED : 0)
    if (request.event === 'completed' && (flags & HAS_COMPLETED) === 0) {
      flags |= HAS_COMPLETED
      swarm.completed++
    }
    this.#setFlags(swarm, peers, slot, flags)
    return swarm
  }

  /** False when there is no such peer, or the one at that address has another id. */
  leave(address: Uint8Array, request: Pick<AnnounceRequest, 'infoHash' | 'port' | 'peerId'>): boolean {
    const ref = this.refOf(request.infoHash, address, request.port)
    if (ref === undefined || !this.hasPeerId(ref, request.peerId)) return false
    this.evict(ref)
    return true
  }

  /** The peer that listens there; undefined when there is none in that swarm. */
  refOf(infoHash: Uint8Array, address: Uint8Array, port: number): PeerRef | undefined {
    const swarm = this.find(infoHash)
    if (swarm === undefined) return undefined
    const peers = this.#peersOf(address)
    const slot = peers.find(swarm.index, this.#endpointOf(address, port))
    return slot === NO_SLOT ? undefined : refOf(slot, peers === this.#v6)
  }

  hasPeerId(ref: PeerRef, peerId: Uint8Array): boolean {
    return this.#tableOf(ref).hasPeerId(slotOf(ref), peerId)
  }

  /** It has answered a probe since it joined. */
  isReached(ref: PeerRef): boolean {
    return (this.#tableOf(ref).flags(slotOf(ref)) & IS_REACHED) !== 0
  }

  mayBeProbed(ref: PeerRef): boolean {
    return (this.#tableOf(ref).flags(slotOf(ref)) & IS_NOT_PROBED) === 0
  }

  /** It answered a probe, or nobody did; who has answered once is not marked as unreachable. */
  setReached(ref: PeerRef, isReached: boolean): void {
    const peers = this.#tableOf(ref)
    const slot = slotOf(ref)
    const swarm = this.#byIndex[peers.swarm(slot)]!
    const flags = peers.flags(slot)
    if (isReached) {
      if ((flags & IS_UNREACHABLE) !== 0) this.#moveToFront(swarm, peers, slot)
      peers.setFlags(slot, (flags & ~IS_UNREACHABLE) | IS_REACHED)
    } else if ((flags & (IS_REACHED | IS_UNREACHABLE)) === 0) {
      this.#moveToBack(swarm, peers, slot)
      peers.setFlags(slot, flags | IS_UNREACHABLE)
    }
  }

  evict(ref: PeerRef): void {
    const peers = this.#tableOf(ref)
    const slot = slotOf(ref)
    this.#remove(this.#byIndex[peers.swarm(slot)]!, peers, slot)
  }

  /** What is known of a member, as copies. */
  record(ref: PeerRef): PeerRecord {
    const peers = this.#tableOf(ref)
    const slot = slotOf(ref)
    const { key } = this.#byIndex[peers.swarm(slot)]!
    const endpoint = new Uint8Array(peers.entryLength)
    peers.copyEndpoint(slot, endpoint, 0)
    const peerId = new Uint8Array(PEER_ID_LENGTH)
    peers.copyPeerId(slot, peerId, 0)
    const flags = peers.flags(slot)
    return {
      ref,
      infoHash: Uint8Array.from(key, (character) => character.charCodeAt(0)),
      address: endpoint.subarray(0, -2),
      port: readUint16(endpoint, endpoint.length - 2),
      peerId,
      isSeed: (flags & IS_SEED) !== 0,
      reach:
        (flags & IS_REACHED) !== 0 ? 'reached' : (flags & IS_UNREACHABLE) !== 0 ? 'unreachable' : 'untried',
    }
  }

  /** Up to `wanted` members by chance, those that nobody could reach last. For people, not for announces. */
  sampleRefs(swarm: Swarm, wanted: number): PeerRef[] {
    const bound = Math.min(wanted, sizeOf(swarm))
    if (bound > this.#picked.length) this.#picked = new Int32Array(bound)
    const first = this.#pick(swarm, this.#v4, 0, bound, undefined)
    const total = this.#pick(swarm, this.#v6, first, bound, undefined)
    return Array.from(this.#picked.subarray(0, total), (position, i) =>
      i < first ? refOf(swarm.v4.slot(position), false) : refOf(swarm.v6.slot(position), true),
    )
  }

  /** Whether one of the first `scanMax` members is at that address. */
  hasMemberAt(swarm: Swarm, address: Uint8Array, scanMax: number): boolean {
    const peers = this.#peersOf(address)
    const members = this.#membersOf(swarm, peers)
    for (let i = 0; i < members.length && i < scanMax; i++)
      if (peers.hasAddress(members.slot(i), address)) return true
    return false
  }

  /** Removes the peers last heard of at `seconds` or before. */
  expire(seconds: number): void {
    this.#expireOf(this.#v4, seconds)
    this.#expireOf(this.#v6, seconds)
  }

  /** When the peer that was silent longest was last heard of. */
  oldestSeconds(): number | undefined {
    const v4 = this.#v4.oldest === NO_SLOT ? undefined : this.#v4.lastSeenSeconds(this.#v4.oldest)
    const v6 = this.#v6.oldest === NO_SLOT ? undefined : this.#v6.lastSeenSeconds(this.#v6.oldest)
    return v4 === undefined || (v6 !== undefined && v6 < v4) ? v6 : v4
  }

  /**
   * Up to `wanted` members, each equally likely within its family. The asker's own family
   * comes first, since that is the one it can surely dial. The asker itself, known by the peer id it has
   * joined with, is never among them.
   */
  sample(swarm: Swarm, wanted: number, asker: Uint8Array, request: AnnounceRequest): PeerSample {
    const own = this.#peersOf(asker)
    const bound = Math.min(wanted, sizeOf(swarm))
    if (bound > this.#picked.length) this.#picked = new Int32Array(bound)
    const first = this.#pick(swarm, own, 0, bound, request.peerId)
    const other = own === this.#v4 ? this.#v6 : this.#v4
    const total = this.#pick(swarm, other, first, bound, request.peerId)
    const [v4Start, v4End] = own === this.#v4 ? [0, first] : [first, total]
    const [v6Start, v6End] = own === this.#v4 ? [first, total] : [0, first]
    const peersV4 = this.#endpoints(swarm.v4, COMPACT_V4_LENGTH, v4Start, v4End)
    const peersV6 = this.#endpoints(swarm.v6, COMPACT_V6_LENGTH, v6Start, v6End)
    if (request.compact !== false || request.noPeerId === true) return { peersV4, peersV6 }
    return { peersV4, peersV6, peerIds: this.#peerIds(swarm, v4Start, v4End, v6Start, v6End) }
  }

  /** Fills `#picked` from `from` up to `bound`, who cannot be reached last, and says where it stopped. */
  #pick(swarm: Swarm, peers: PeerTable, from: number, bound: number, peerId: Uint8Array | undefined): number {
    const members = this.#membersOf(swarm, peers)
    if (members.length === 0 || from >= bound) return from
    // One more than wanted, for the asker is among them; more again when it is so under several endpoints.
    for (let most = bound - from + 1; ; most *= 2) {
      const drawn = this.#draw.draw(members.length, members.front, most)
      const end = members.others(this.#draw.positions, drawn, peerId, this.#picked, from, bound)
      if (end === bound || drawn === members.length) return end
    }
  }

  #endpoints(members: MemberList, length: number, start: number, end: number): Uint8Array {
    if (start === end) return NO_BYTES
    const bytes = this.#slab.take((end - start) * length)
    members.copyEndpoints(this.#picked, start, end, this.#slab.halves, bytes.byteOffset >> 1)
    return bytes
  }

  #peerIds(swarm: Swarm, v4Start: number, v4End: number, v6Start: number, v6End: number): Uint8Array {
    const ids = new Uint8Array((v4End - v4Start + v6End - v6Start) * PEER_ID_LENGTH)
    let at = 0
    for (let i = v4Start; i < v4End; i++, at += PEER_ID_LENGTH)
      this.#v4.copyPeerId(swarm.v4.slot(this.#picked[i]!), ids, at)
    for (let i = v6Start; i < v6End; i++, at += PEER_ID_LENGTH)
      this.#v6.copyPeerId(swarm.v6.slot(this.#picked[i]!), ids, at)
    return ids
  }

  #create(infoHash: Uint8Array, nowSeconds: number, address: Uint8Array): Swarm | undefined {
    if (this.#swarms.size >= this.#bounds.swarmsMax && !this.#vacateSwarm(nowSeconds, address))
      return undefined
    const key = keyOf(infoHash)
    const index = this.#freeIndexes.pop() ?? this.#byIndex.length
    const swarm: Swarm = {
      key,
      index,
      v4: new MemberList(this.#v4),
      v6: new MemberList(this.#v6),
      seeders: 0,
      completed: 0,
    }
    this.#swarms.set(key, swarm)
    this.#byIndex[index] = swarm
    return swarm
  }

  /**
   * Of one source: a swarm's lists must not be of its ports alone. This machine may have as many as it likes.
   */
  #hasTooMany(swarm: Swarm, peers: PeerTable, address: Uint8Array): boolean {
    const most = LIMITS.trackerPeersPerSourceMax.value
    if (this.#membersOf(swarm, peers).length < most) return false
    return addressScope(address) !== 'machine' && peers.countOfSource(swarm.index, address) >= most
  }

  /** False when nobody has to give way to this newcomer. */
  #vacateSwarm(nowSeconds: number, address: Uint8Array): boolean {
    const index = this.#swarmCrowd.vacate(nowSeconds, this.#byIndex.length, address)
    if (index === NO_PLACE) return false
    const swarm = this.#byIndex[index]!
    this.#displaced += sizeOf(swarm)
    for (const peers of [this.#v4, this.#v6])
      for (let members = this.#membersOf(swarm, peers); members.length > 0; )
        this.#remove(swarm, peers, members.slot(members.length - 1))
    return true
  }

  #vacatePeer(peers: PeerTable, nowSeconds: number, address: Uint8Array): boolean {
    const crowd = peers === this.#v4 ? this.#v4Crowd : this.#v6Crowd
    const slot = crowd.vacate(nowSeconds, peers.size, address)
    if (slot === NO_PLACE) return false
    this.#displaced++
    this.evict(refOf(slot, peers === this.#v6))
    return true
  }

  /** Of a swarm's members, when they are few. */
  #listSources(index: number, list: SourceList): void {
    const swarm = this.#byIndex[index]!
    if (sizeOf(swarm) > FEW_MEMBERS) return
    for (let i = 0; i < swarm.v4.length; i++) this.#v4.listSource(swarm.v4.slot(i), list)
    for (let i = 0; i < swarm.v6.length; i++) this.#v6.listSource(swarm.v6.slot(i), list)
  }

  #remove(swarm: Swarm, peers: PeerTable, slot: number): void {
    if (this.#watchers.length > 0)
      for (const watcher of this.#watchers) watcher.left(refOf(slot, peers === this.#v6))
    if ((peers.flags(slot) & IS_UNREACHABLE) === 0) this.#moveToBack(swarm, peers, slot)
    this.#setFlags(swarm, peers, slot, NONE)
    const members = this.#membersOf(swarm, peers)
    members.swap(peers.position(slot), members.length - 1)
    members.pop()
    peers.remove(slot)
    this.#deleteIfEmpty(swarm)
  }

  /** Another peer is at the address of one that has gone without a word. */
  #replace(swarm: Swarm, peers: PeerTable, slot: number, peerId: Uint8Array): void {
    const ref = refOf(slot, peers === this.#v6)
    const flags = peers.flags(slot)
    for (const watcher of this.#watchers) watcher.left(ref)
    if ((flags & IS_UNREACHABLE) !== 0) this.#moveToFront(swarm, peers, slot)
    peers.setPeerId(slot, peerId)
    this.#membersOf(swarm, peers).remark(slot, peerId)
    this.#setFlags(swarm, peers, slot, flags & IS_NOT_PROBED)
    this.#tellJoined(peers, slot)
  }

  #tellJoined(peers: PeerTable, slot: number): void {
    if (this.#watchers.length > 0)
      for (const watcher of this.#watchers) watcher.joined(refOf(slot, peers === this.#v6))
  }

  /** From among those that cannot be reached, or from the very end of the list, to the others. */
  #moveToFront(swarm: Swarm, peers: PeerTable, slot: number): void {
    const members = this.#membersOf(swarm, peers)
    members.swap(peers.position(slot), members.front++)
  }

  #moveToBack(swarm: Swarm, peers: PeerTable, slot: number): void {
    const members = this.#membersOf(swarm, peers)
    members.swap(peers.position(slot), --members.front)
  }

  #deleteIfEmpty(swarm: Swarm): void {
    if (sizeOf(swarm) > 0) return
    this.#swarms.delete(swarm.key)
    this.#byIndex[swarm.index] = undefined
    this.#freeIndexes.push(swarm.index)
  }

  #expireOf(peers: PeerTable, seconds: number): void {
    for (let slot = peers.oldest; slot !== NO_SLOT; slot = peers.oldest) {
      if (peers.lastSeenSeconds(slot) > seconds) break
      this.#remove(this.#byIndex[peers.swarm(slot)]!, peers, slot)
    }
  }

  #setFlags(swarm: Swarm, peers: PeerTable, slot: number, flags: number): void {
    swarm.seeders += (flags & IS_SEED) - (peers.flags(slot) & IS_SEED)
    peers.setFlags(slot, flags)
  }

  #membersOf(swarm: Swarm, peers: PeerTable): MemberList {
    return peers === this.#v4 ? swarm.v4 : swarm.v6
  }

  #tableOf(ref: PeerRef): PeerTable {
    return (ref & 1) === 0 ? this.#v4 : this.#v6
  }

  #peersOf(address: Uint8Array): PeerTable {
    return address.length === 4 ? this.#v4 : this.#v6
  }

  #endpointOf(address: Uint8Array, port: number): Uint8Array {
    const endpoint = address.length === 4 ? this.#endpointV4 : this.#endpointV6
    endpoint.set(address)
    endpoint[address.length] = port >>> 8
    endpoint[address.length + 1] = port
    return endpoint
  }
}

export function sizeOf(swarm: Swarm): number {
  return swarm.v4.length + swarm.v6.length
}

/** The infohash as a map key: one character per byte. */
function keyOf(infoHash: Uint8Array): string {
  return String.fromCharCode.apply(null, infoHash as unknown as number[])
}
