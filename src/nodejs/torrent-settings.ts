/** With what a torrent is added: what its user chose, and what all torrents of a node have in common. */
import type { PickOrder } from '../swarm/piece-picker.ts'
import type { TorrentOptions } from '../swarm/torrent-options.ts'
import type { AddressScope } from '../wire/address-scope.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { EarlyCheck } from './early-check.ts'
import type { MagnetTask } from './magnet-task.ts'

export interface TorrentAddOptions {
  readonly metainfo: Metainfo
  /** The folder in which the torrent's own name stands. */
  readonly dir: string
  /** `seed` never requests anything. */
  readonly role: 'download' | 'seed'
  readonly picker: PickOrder
  /** Tiers; undefined = those of the metainfo. */
  readonly trackers?: readonly (readonly string[])[]
  readonly peers: readonly Endpoint[]
  /** Which files are wanted, by their path below the torrent's folder; all by default. */
  readonly select?: (path: readonly string[]) => boolean
  readonly finalCheck: 'before' | 'after' | 'off'
  /** What is there and wrong is to be written over; nobody has to be told. */
  readonly isRepair?: boolean
  /** How far the addresses of its web seeds must reach; `machine` (any) by default. */
  readonly webSeedScopeMin?: AddressScope
  /** Whose place it takes, when it began as a magnet link. */
  readonly magnet?: MagnetTask
  /** Where content stands until it is complete. */
  readonly tmpDir?: string
  /** Begins although there is not enough space for all that is missing. */
  readonly ignoresSpace?: boolean
  /** Nothing else needs this thread until what is there was checked: it hashes as well. */
  readonly usesOwnThread?: boolean
  /** A check of all of a seed's content that is under way. */
  readonly early?: EarlyCheck
}

/** What all torrents of a node have in common. */
export interface TorrentDefaults {
  /** Pieces gathered at once, in all and from one peer; undefined = as many as keep the pipe full. */
  readonly piecesInFlightMax: number | undefined
  readonly piecesPerPeerMax: number | undefined
  readonly connectionsMax: number
  readonly uploadSlotCount: number
  readonly usesTrackers: boolean
  /** The first announce must succeed. */
  readonly requiresTracker: boolean
  readonly announceIntervalSeconds: number | undefined
  /** How often a Shoal tracker is told of new pieces at most; undefined = never. */
  readonly registerEverySeconds?: number | undefined
  /** Hybrids announce under the infohash that aria2 computes, too. */
  readonly announcesRebuilt: boolean
  /** Peer exchange (BEP 11). */
  readonly exchangesPeers: boolean
  /** Fetches from web seeds (BEP 19). */
  readonly usesWebSeeds: boolean
  /** What seeds have checked is noted there; undefined = nowhere, it is checked at every start. */
  readonly seedNotesFolder?: string
}

/** What the machine is told of every torrent, however it is added. */
export function swarmOptions(
  metainfo: Metainfo,
  trackers: readonly (readonly string[])[] | undefined,
  defaults: TorrentDefaults,
): TorrentOptions {
  return {
    metainfo,
    role: 'download',
    order: 'rarest',
    trackers: defaults.usesTrackers ? (trackers ?? metainfo.trackers) : [],
    selectedFiles: undefined,
    gatheringPiecesMax: defaults.piecesInFlightMax ?? Number.POSITIVE_INFINITY,
    piecesPerPeerMax: defaults.piecesPerPeerMax ?? Number.POSITIVE_INFINITY,
    connectionsMax: defaults.connectionsMax,
    uploadSlotCount: defaults.uploadSlotCount,
    announceIntervalSeconds: defaults.announceIntervalSeconds,
    registerEverySeconds: defaults.registerEverySeconds,
    announcesRebuilt: defaults.announcesRebuilt,
    exchangesPeers: defaults.exchangesPeers,
  }
}
