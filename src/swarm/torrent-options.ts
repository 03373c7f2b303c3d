/** What a torrent is added with; every switch of every profile that concerns one torrent is data here. */
import type { Metainfo } from '../wire/metainfo.ts'
import type { PickOrder } from './piece-picker.ts'
import type { WebSeedOptions } from './web-seeds.ts'

export interface TorrentOptions {
  readonly metainfo: Metainfo
  /** `seed-only` never requests anything (BEP 21 `upload_only`). */
  readonly role: 'download' | 'seed-only'
  readonly order: PickOrder
  /** Announce tiers; those of the metainfo unless others were given. */
  readonly trackers: readonly (readonly string[])[]
  /** Indexes into the metainfo's files; undefined = all. */
  readonly selectedFiles: ReadonlySet<number> | undefined
  /** Pieces gathered at once in all (`--max-requests`). */
  readonly gatheringPiecesMax: number
  /**
   * Pieces gathered at once from one peer (`--pieces-per-peer`); Infinity for as many as keep the pipe full.
   */
  readonly piecesPerPeerMax: number
  readonly connectionsMax: number
  readonly uploadSlotCount: number
  /** Overrides the trackers' interval; undefined = as they say. */
  readonly announceIntervalSeconds: number | undefined
  /** How often a Shoal tracker is told of new pieces at most; undefined = never. */
  readonly registerEverySeconds?: number | undefined
  /**
   * A hybrid that is not private announces under its rebuilt infohash too (`wire/rebuilt-infohash.ts`).
   */
  readonly announcesRebuilt: boolean
  /** Tells peers of one another and learns of peers from them (BEP 11); never if the torrent is private. */
  readonly exchangesPeers: boolean
  /** HTTP servers that have the content (BEP 19); undefined for none. */
  readonly webSeeds?: WebSeedOptions
}
