/**
 * Who is in which swarm: peers by infohash, IPv4 and IPv6 apart (BEP 7), with counts and
 * uniform random samples.
 * Invariants: one (host, port) per swarm, the newest peer id wins, and only that id may leave; an empty
 * swarm does not exist; `seeders` is the number of members flagged as seeds. Joining, leaving and each
 * sampled peer take constant time.
 * Bounded by `trackerSwarmsMax` here and `trackerPeersMax` in each peer table.
 */
import { LIMITS } from '../base/limits.ts'
import type { Prng } from '../base/prng.ts'
import { COMPACT_V4_LENGTH, COMPACT_V6_LENGTH } from '../wire/endpoint.ts'
import type { AnnounceRequest, ScrapeCounts } from '../wire/tracker-announce.ts'
import { NO_SLOT, PEER_ID_LENGTH, PeerTable } from './peer-table.ts'

/** Bits of a peer's flags. */
const IS_SEED = 1
const HAS_COMPLETED = 2

const NO_BYTES = new Uint8Array(0)

/** One swarm; the member lists hold slots of the peer table of that family, in no order. */
export interface Swarm {
  readonly key: string
  readonly index: number
  readonly membersV4: number[]
  readonly membersV6: number[]
  seeders: number
  completed: number
}

/** Peers in compact form, with 20 bytes of id for each when those were asked for. */
export interface PeerSample {
  readonly peersV4: Uint8Array
  readonly peersV6: Uint8Array
  readonly peerIds?: Uint8Array
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
  readonly #prng: Prng
  readonly #bounds: SwarmTableBounds
  readonly #swarms = new Map<string, Swarm>()
  readonly #byIndex: (Swarm | undefined)[] = []
  readonly #freeIndexes: number[] = []
  readonly #v4: PeerTable
  readonly #v6: PeerTable
  /** The endpoint of the announce at hand, one buffer per family. */
  readonly #endpointV4 = new Uint8Array(COMPACT_V4_LENGTH)
  readonly #endpointV6 = new Uint8Array(COMPACT_V6_LENGTH)
  /** Slots of the sample at hand; grows to the largest one given. */
  #picked = new Int32Array(LIMITS.numwantMax.value)

  constructor(prng: Prng, bounds: SwarmTableBounds = BOUNDS) {
    this.#prng = prng
    this.#bounds = bounds
    this.#v4 = new PeerTable(COMPACT_V4_LENGTH, prng.uint32(), bounds.peersPerFamilyMax)
    this.#v6 = new PeerTable(COMPACT_V6_LENGTH, prng.uint32(), bounds.peersPerFamilyMax)
  }

  get swarmCount(): number {
    return this.#swarms.size
  }

  get peerCount(): number {
    return this.#v4.size + this.#v6.size
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
   * @returns the swarm, or undefined when a bound leaves no room for it
   */
  join(nowSeconds: number, address: Uint8Array, request: AnnounceRequest): Swarm | undefined {
    const swarm = this.find(request.infoHash) ?? this.#create(request.infoHash)
    if (swarm === undefined) return undefined
    const peers = this.#peersOf(address)
    const endpoint = this.#endpointOf(address, request.port)
    let slot = peers.find(swarm.index, endpoint)
    if (slot === NO_SLOT) {
      slot = peers.add(swarm.index, endpoint, request.peerId, nowSeconds)
      if (slot === NO_SLOT) {
        this.#deleteIfEmpty(swarm)
        return undefined
      }
      const members = membersOf(swarm, address)
      peers.setPosition(slot, members.length)
      members.push(slot)
    } else {
      peers.touch(slot, nowSeconds)
      if (!peers.hasPeerId(slot, request.peerId)) {
        peers.setPeerId(slot, request.peerId)
        this.#setFlags(swarm, peers, slot, 0)
      }
    }
    let flags = (peers.flags(slot) & HAS_COMPLETED) | (request.left === 0 ? IS_SEED : 0)
    if (request.event === 'completed' && (flags & HAS_COMPLETED) === 0) {
      flags |= HAS_COMPLETED
      swarm.completed++
    }
    this.#setFlags(swarm, peers, slot, flags)
    return swarm
  }

  /** False when there is no such peer, or the one at that address has another id. */
  leave(address: Uint8Array, request: AnnounceRequest): boolean {
    const swarm = this.find(request.infoHash)
    if (swarm === undefined) return false
    const peers = this.#peersOf(address)
    const slot = peers.find(swarm.index, this.#endpointOf(address, request.port))
    if (slot === NO_SLOT || !peers.hasPeerId(slot, request.peerId)) return false
    this.#remove(swarm, peers, slot)
    return true
  }

  /** Removes the peers last heard of at `seconds` or before. */
  expire(seconds: number): void {
    for (const peers of [this.#v4, this.#v6]) {
      for (let slot = peers.oldest; slot !== NO_SLOT; slot = peers.oldest) {
        if (peers.lastSeenSeconds(slot) > seconds) break
        this.#remove(this.#byIndex[peers.swarm(slot)]!, peers, slot)
      }
    }
  }

  /** When the peer that was silent longest was last heard of. */
  oldestSeconds(): number | undefined {
    const v4 = this.#v4.oldest === NO_SLOT ? undefined : this.#v4.lastSeenSeconds(this.#v4.oldest)
    const v6 = this.#v6.oldest === NO_SLOT ? undefined : this.#v6.lastSeenSeconds(this.#v6.oldest)
    return v4 === undefined || (v6 !== undefined && v6 < v4) ? v6 : v4
  }

  /**
   * Up to `wanted` members, each equally likely within its family. The asker's own family
   * comes first, since that is the one it can surely dial. The asker itself, known by
   * endpoint and by peer id, is never among them.
   */
  sample(swarm: Swarm, wanted: number, asker: Uint8Array, request: AnnounceRequest): PeerSample {
    const own = this.#peersOf(asker)
    const bound = Math.min(wanted, sizeOf(swarm))
    if (bound > this.#picked.length) this.#picked = new Int32Array(bound)
    const self = own.find(swarm.index, this.#endpointOf(asker, request.port))
    const first = this.#pick(swarm, own, 0, bound, self, request.peerId)
    const other = own === this.#v4 ? this.#v6 : this.#v4
    const total = this.#pick(swarm, other, first, bound, NO_SLOT, request.peerId)
    const [v4Start, v4End] = own === this.#v4 ? [0, first] : [first, total]
    const [v6Start, v6End] = own === this.#v4 ? [first, total] : [0, first]
    const peersV4 = this.#endpoints(this.#v4, v4Start, v4End)
    const peersV6 = this.#endpoints(this.#v6, v6Start, v6End)
    if (request.compact !== false || request.noPeerId === true) return { peersV4, peersV6 }
    const peerIds = new Uint8Array(total * PEER_ID_LENGTH)
    this.#copyPeerIds(this.#v4, v4Start, v4End, peerIds, 0)
    this.#copyPeerIds(this.#v6, v6Start, v6End, peerIds, v4End - v4Start)
    return { peersV4, peersV6, peerIds }
  }

  /**
   * The first steps of a Fisher-Yates shuffle of the members; fills `#picked` from `from`
   * on, says where it stopped.
   */
  #pick(
    swarm: Swarm,
    peers: PeerTable,
    from: number,
    bound: number,
    self: number,
    peerId: Uint8Array,
  ): number {
    const members = peers === this.#v4 ? swarm.membersV4 : swarm.membersV6
    let picked = from
    for (let i = 0; i < members.length && picked < bound; i++) {
      const j = i + this.#prng.below(members.length - i)
      const slot = members[j]!
      const moved = members[i]!
      members[j] = moved
      peers.setPosition(moved, j)
      members[i] = slot
      peers.setPosition(slot, i)
      if (slot !== self && !peers.hasPeerId(slot, peerId)) this.#picked[picked++] = slot
    }
    return picked
  }

  #endpoints(peers: PeerTable, start: number, end: number): Uint8Array {
    if (start === end) return NO_BYTES
    const bytes = new Uint8Array((end - start) * peers.entryLength)
    for (let i = start; i < end; i++)
      peers.copyEndpoint(this.#picked[i]!, bytes, (i - start) * peers.entryLength)
    return bytes
  }

  #copyPeerIds(peers: PeerTable, start: number, end: number, target: Uint8Array, at: number): void {
    for (let i = start; i < end; i++)
      peers.copyPeerId(this.#picked[i]!, target, (at + i - start) * PEER_ID_LENGTH)
  }

  #create(infoHash: Uint8Array): Swarm | undefined {
    if (this.#swarms.size >= this.#bounds.swarmsMax) return undefined
    const key = keyOf(infoHash)
    const index = this.#freeIndexes.pop() ?? this.#byIndex.length
    const swarm: Swarm = { key, index, membersV4: [], membersV6: [], seeders: 0, completed: 0 }
    this.#swarms.set(key, swarm)
    this.#byIndex[index] = swarm
    return swarm
  }

  #remove(swarm: Swarm, peers: PeerTable, slot: number): void {
    this.#setFlags(swarm, peers, slot, 0)
    const members = peers === this.#v4 ? swarm.membersV4 : swarm.membersV6
    const last = members.pop()!
    if (last !== slot) {
      const position = peers.position(slot)
      members[position] = last
      peers.setPosition(last, position)
    }
    peers.remove(slot)
    this.#deleteIfEmpty(swarm)
  }

  #deleteIfEmpty(swarm: Swarm): void {
    if (sizeOf(swarm) > 0) return
    this.#swarms.delete(swarm.key)
    this.#byIndex[swarm.index] = undefined
    this.#freeIndexes.push(swarm.index)
  }

  #setFlags(swarm: Swarm, peers: PeerTable, slot: number, flags: number): void {
    swarm.seeders += (flags & IS_SEED) - (peers.flags(slot) & IS_SEED)
    peers.setFlags(slot, flags)
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
  return swarm.membersV4.length + swarm.membersV6.length
}

function membersOf(swarm: Swarm, address: Uint8Array): number[] {
  return address.length === 4 ? swarm.membersV4 : swarm.membersV6
}

/** The infohash as a map key: one character per byte. */
function keyOf(infoHash: Uint8Array): string {
  return String.fromCharCode.apply(null, infoHash as unknown as number[])
}
