/**
 * What the program tells, beside what its peer nodes tell (`nodejs/node-events.ts`): one object with an
 * `event` name and plain values. Other programs read these as JSON lines, so names and fields are a contract.
 * Hashes are hex, sizes bytes, rates bytes per second, durations seconds; what does not exist is null.
 */
import type { NodeEvent } from '../nodejs/node-events.ts'
import type { LivenessEvent } from '../tracker/heartbeat.ts'

export type ProgramEvent =
  | {
      readonly event: 'listening'
      readonly service: 'http' | 'tracker' | 'udp' | 'ring'
      readonly host: string
      readonly port: number
      /** Of a tracker: where its API begins, as this machine reaches it. */
      readonly api?: string
    }
  | {
      readonly event: 'created'
      /** Null when it was kept in memory. */
      readonly file: string | null
      readonly name: string
      /** 40 hex digits. */
      readonly infoHash: string | null
      /** 64 hex digits. */
      readonly infoHashV2: string | null
      readonly pieceLength: number
      readonly pieces: number
      readonly files: number
      readonly bytes: number
      readonly magnet: string
      /** Files that were left out, each told before. */
      readonly skipped?: number
    }
  | {
      readonly event: 'share-link'
      readonly name: string
      readonly link: string
      /** The `.torrent` to send; null where it could not be kept. */
      readonly file: string | null
    }
  /** A tracker has answered; only with a log file or `--verbose tracker`. */
  | {
      readonly event: 'request'
      readonly method: string
      readonly path: string
      readonly status: number | null
      readonly address: string
      readonly seconds: number
    }
  /** What a catalog said to one library. */
  | {
      readonly event: 'published'
      /** `http://host:port`. */
      readonly tracker: string
      readonly name: string
      readonly ok: boolean
      /** In that catalog. */
      readonly number: number | null
      readonly code?: string
      readonly message?: string
    }
  /** All that are shared, at one catalog. */
  | {
      readonly event: 'listed'
      readonly tracker: string
      readonly count: number
      readonly of: number
    }
  | { readonly event: 'refused'; readonly path: string; readonly code: string; readonly message: string }
  | {
      readonly event: 'launched'
      readonly dir: string
      readonly address: string
      readonly peerId: string
      readonly role: Role
    }
  /** What one peer gave: the last table of a download. */
  | {
      readonly event: 'source'
      readonly address: string
      readonly client: string
      readonly pieces: number
      readonly bytes: number
    }
  /** This peer has the whole payload string and answers for it. */
  | { readonly event: 'holding'; readonly payloadId: string }
  /** The Redis of a tracker: announces are refused until it is back. */
  | { readonly event: 'store-lost'; readonly message: string }
  | { readonly event: 'store-regained' }
  | { readonly event: 'bye' }

export type ProgressEvent = Extract<NodeEvent, { event: 'progress' }>

export type Role = 'download' | 'seed-only'

/** Which torrent, and which peer of a program that runs several; added where events are handed on. */
export interface EventContext {
  readonly infoHash?: string
  /** Name of the torrent. */
  readonly name?: string
  /** Name of the peer, where one program runs several (`D2`). */
  readonly node?: string
}

export type KnownEvent = (NodeEvent | ProgramEvent | LivenessEvent) & EventContext

/** Any event, also one that has no sentence of its own. */
export interface ShoalEvent {
  readonly event: string
  readonly [field: string]: unknown
}
