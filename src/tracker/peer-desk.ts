/**
 * What people and our own client ask the tracker about peers, beside announces: who is there, who has which
 * pieces, that somebody comes or goes, that somebody does not answer.
 * Invariants: nobody speaks for another: who comes, goes or tells of its pieces is known by address and peer
 * id, and only a member of a swarm can report one; a report removes nobody, it brings a probe.
 * Called between inputs of the tracker; what changes something wants a `tick` after it.
 */
import { LIMITS } from '../base/limits.ts'
import type { SipHash } from '../base/siphash.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { KnownPeer, PeerRecord, PeerRef } from './peer-record.ts'
import type { PieceMap, PieceRange } from './piece-map.ts'
import { SourceBudgets } from './source-budgets.ts'
import { REPORT_BUDGET } from './source-rules.ts'
import { type Swarm, type SwarmTable, sizeOf } from './swarm-table.ts'

/** A peer as it names itself, with the address it speaks from. */
export interface PeerIdentity {
  /** 20 bytes. */
  readonly infoHash: Uint8Array
  /** 4 or 16 bytes. */
  readonly address: Uint8Array
  readonly port: number
  /** 20 bytes. */
  readonly peerId: Uint8Array
}

export interface PeerReport {
  readonly infoHash: Uint8Array
  /** Who does not answer. */
  readonly address: Uint8Array
  readonly port: number
  /** Who says so; without peer id and port any member at that address will do. */
  readonly reporter: {
    readonly address: Uint8Array
    readonly port?: number | undefined
    readonly peerId?: Uint8Array | undefined
  }
}

export interface PeerListing {
  /** Members of the swarm. */
  readonly total: number
  /** Who cannot be reached stands last. */
  readonly peers: readonly KnownPeer[]
}

export interface PeerLocation extends KnownPeer {
  /** Undefined when it never told. */
  readonly have: readonly PieceRange[] | undefined
}

/** Why a report changes nothing, or that the peer is probed now. */
export type ReportOutcome = 'probing' | 'not-a-member' | 'unknown-peer' | 'too-many' | 'probed-lately' | 'off'

/** Peers that register with the tracker itself and name no swarm stand in this one. Nobody probes them. */
export const REGISTRY = new Uint8Array(20)

export interface PeerDeskParts {
  readonly swarms: SwarmTable
  readonly pieces: PieceMap
  /** Undefined when nobody is probed. */
  readonly heartbeat: Heartbeat | undefined
  readonly hash: SipHash
  /** How many of so many an answer without a wish has. */
  readonly wanted: (swarmSize: number) => number
}

export class PeerDesk {
  readonly #parts: PeerDeskParts
  readonly #reporters: SourceBudgets

  constructor(parts: PeerDeskParts) {
    this.#parts = parts
    this.#reporters = new SourceBudgets(parts.hash, REPORT_BUDGET)
  }

  /** Undefined when there is no such swarm. @param wantsAll up to trackerListedMax */
  list(infoHash: Uint8Array, wantsAll: boolean): PeerListing | undefined {
    const { swarms, wanted } = this.#parts
    const swarm = swarms.find(infoHash)
    if (swarm === undefined) return undefined
    const total = sizeOf(swarm)
    return { total, peers: this.#records(swarm, wantsAll ? total : wanted(total)) }
  }

  /** Undefined when there is no such swarm. As many as one announce gives at most. */
  locations(infoHash: Uint8Array): { readonly total: number; readonly peers: PeerLocation[] } | undefined {
    const { swarms, pieces } = this.#parts
    const swarm = swarms.find(infoHash)
    if (swarm === undefined) return undefined
    const records = this.#records(swarm, LIMITS.numwantMax.value)
    return {
      total: sizeOf(swarm),
      peers: records.map((record) => ({ ...record, have: pieces.of(record.ref) })),
    }
  }

  /** As an announce would; `full` when there is no room, or not for another one of its address. */
  register(now: Instant, peer: PeerIdentity, left: number): 'registered' | 'known' | 'full' {
    const { swarms } = this.#parts
    const isKnown = this.#memberOf(peer) !== undefined
    const mayBeProbed = peer.infoHash.some((byte) => byte !== 0)
    const nowSeconds = Math.floor(now / MICROSECONDS_PER_SECOND)
    const member = { ...peer, left, event: undefined }
    swarms.join(nowSeconds, peer.address, member, mayBeProbed)
    if (this.#memberOf(peer) === undefined) return 'full'
    return isKnown ? 'known' : 'registered'
  }

  /** False when there is no peer with that address and that id. */
  deregister(peer: PeerIdentity): boolean {
    return this.#parts.swarms.leave(peer.address, peer)
  }

  /** False when there is no peer with that address and that id in the swarm. */
  have(peer: PeerIdentity, ranges: readonly PieceRange[], replacesAll: boolean): boolean {
    const ref = this.#memberOf(peer)
    if (ref === undefined) return false
    this.#parts.pieces.tell(ref, ranges, replacesAll)
    return true
  }

  report(now: Instant, { infoHash, address, port, reporter }: PeerReport): ReportOutcome {
    const { swarms, heartbeat } = this.#parts
    if (heartbeat === undefined) return 'off'
    if (!this.#isMember(infoHash, reporter)) return 'not-a-member'
    const accused = swarms.refOf(infoHash, address, port)
    if (accused === undefined) return 'unknown-peer'
    if (!this.#reporters.take(now, reporter.address)) return 'too-many'
    return heartbeat.report(now, accused) ? 'probing' : 'probed-lately'
  }

  #records(swarm: Swarm, wanted: number): PeerRecord[] {
    const { swarms } = this.#parts
    const refs = swarms.sampleRefs(swarm, Math.min(wanted, LIMITS.trackerListedMax.value))
    return refs.map((ref) => swarms.record(ref)).sort((one, other) => rank(one) - rank(other))
  }

  #memberOf({ infoHash, address, port, peerId }: PeerIdentity): PeerRef | undefined {
    const { swarms } = this.#parts
    const ref = swarms.refOf(infoHash, address, port)
    return ref !== undefined && swarms.hasPeerId(ref, peerId) ? ref : undefined
  }

  #isMember(infoHash: Uint8Array, { address, port, peerId }: PeerReport['reporter']): boolean {
    const { swarms } = this.#parts
    if (port !== undefined && peerId !== undefined)
      return this.#memberOf({ infoHash, address, port, peerId }) !== undefined
    const swarm = swarms.find(infoHash)
    return swarm !== undefined && swarms.hasMemberAt(swarm, address, LIMITS.trackerReporterScanMax.value)
  }
}

function rank({ reach }: PeerRecord): number {
  return reach === 'unreachable' ? 1 : 0
}
