/**
 * What can be asked and told about peers one by one, wherever the swarms are: `tracker/peer-desk.ts` answers
 * in this process, `redis-peers.ts` for several. Promises are rejected with `store/away` while Redis is away.
 */
import type {
  PeerIdentity,
  PeerListing,
  PeerLocation,
  PeerReport,
  ReportOutcome,
} from '../tracker/peer-desk.ts'
import type { PieceRange } from '../tracker/piece-map.ts'

type Soon<T> = T | Promise<T>

export interface PeerBook {
  /** Undefined when there is no such swarm. @param wantsAll up to trackerListedMax */
  list(infoHash: Uint8Array, wantsAll: boolean): Soon<PeerListing | undefined>
  /** Undefined when there is no such swarm. As many as one announce gives at most. */
  locations(
    infoHash: Uint8Array,
  ): Soon<{ readonly total: number; readonly peers: readonly PeerLocation[] } | undefined>
  /** As an announce would; `full` when there is no room. */
  register(peer: PeerIdentity, left: number): Soon<'registered' | 'known' | 'full'>
  /** False when there is no peer with that address and that id. */
  deregister(peer: PeerIdentity): Soon<boolean>
  /** False when there is no peer with that address and that id in the swarm. */
  have(peer: PeerIdentity, ranges: readonly PieceRange[], replacesAll: boolean): Soon<boolean>
  report(report: PeerReport): Soon<ReportOutcome>
}
