/**
 * Everything that goes into the client machine and everything that comes out, as data.
 * Requests that have a completion carry an id that comes back with it. Connection ids are chosen by whoever
 * opens the connection: negative ones by the network (incoming), positive ones by the machine (outgoing).
 */
import type { Fault, Result } from '../base/result.ts'
import type { AddressScope } from '../wire/address-scope.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { RangeRequest } from '../wire/range-request.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'
import type { DisconnectReason, SwarmEvent } from './events.ts'
import type { Frame } from './frame-pool.ts'
import type { MerklePiece } from './geometry.ts'
import type { PeerSource } from './peer-list.ts'
import type { PickOrder } from './piece-picker.ts'
import type { TorrentOptions } from './torrent-options.ts'
import type { TrackerCall } from './tracker-extension.ts'
import type { WebRangeNews } from './web-seeds.ts'

/** Verdict-free hashes of one piece; the machine compares. */
export interface PieceDigests {
  /** 20 bytes; v1 and hybrid. */
  readonly sha1: Uint8Array | undefined
  /** 32 bytes; v2 and hybrid: root of the piece's subtree. */
  readonly merkleRoot: Uint8Array | undefined
}

export type SwarmInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'add-torrent'; readonly torrent: number; readonly options: TorrentOptions }
  /**
   * A torrent of which only the hashes are known; the output `metadata` follows when peers have given the
   * rest, and `add-torrent` with the same id then takes its place.
   */
  | { readonly kind: 'add-magnet'; readonly torrent: number; readonly options: TorrentOptions }
  /**
   * The check of what lies on disk has ended: these pieces are there and right. Announces and dials begin.
   */
  | { readonly kind: 'checked'; readonly torrent: number; readonly pieces: Iterable<number> }
  /** A later re-read found these pieces wrong on disk. */
  | { readonly kind: 'pieces-lost'; readonly torrent: number; readonly pieces: readonly number[] }
  /** A later re-read found these pieces right, which a seed had lost. Without effect on a download. */
  | { readonly kind: 'pieces-found'; readonly torrent: number; readonly pieces: readonly number[] }
  | {
      readonly kind: 'add-peers'
      readonly torrent: number
      readonly peers: readonly Endpoint[]
      readonly source: PeerSource
      /** How far the address of whoever named them reaches; undefined where there is none. */
      readonly from?: AddressScope
    }
  | { readonly kind: 'set-pick-order'; readonly torrent: number; readonly order: PickOrder }
  | {
      readonly kind: 'set-rates'
      readonly uploadBytesPerSecond: number
      readonly downloadBytesPerSecond: number
    }
  /** Fetches nothing until `resume`; with `CONTENT_GONE` it serves nothing either. */
  | { readonly kind: 'pause'; readonly torrent: number; readonly fault: Fault }
  | { readonly kind: 'resume'; readonly torrent: number }
  /** A thread of its own hashes pieces from now on: more of them may wait for it. */
  | { readonly kind: 'hashing-aside' }
  /** Ends every session, tells the trackers, then outputs `stopped`. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'incoming'; readonly connection: number; readonly address: Endpoint }
  | { readonly kind: 'connected'; readonly connection: number }
  /** `bytes` is borrowed until `handle` returns. */
  | { readonly kind: 'received'; readonly connection: number; readonly bytes: Uint8Array }
  /** A `send` that carried this frame was taken by the kernel; the frame may be used again. */
  | {
      readonly kind: 'sent'
      readonly connection: number
      readonly frame: Frame
    }
  /** The other side closed, the connection broke, or the dial failed. */
  | { readonly kind: 'closed'; readonly connection: number; readonly reason: DisconnectReason }
  | {
      readonly kind: 'piece-hashed'
      readonly torrent: number
      readonly piece: number
      readonly result: Result<PieceDigests>
    }
  /** 32 bytes for each block (BEP 52). */
  | {
      readonly kind: 'blocks-hashed'
      readonly torrent: number
      readonly id: number
      readonly result: Result<Uint8Array>
    }
  | {
      readonly kind: 'piece-written'
      readonly torrent: number
      readonly piece: number
      readonly fault: Fault | undefined
    }
  | {
      readonly kind: 'blocks-read'
      readonly torrent: number
      readonly read: number
      readonly fault: Fault | undefined
    }
  | {
      readonly kind: 'announce-answered'
      readonly torrent: number
      readonly announce: number
      readonly result: Result<AnnounceReply, TrackerFault>
    }
  /** Of a `call-tracker`: its JSON as it came, or why there is none. */
  | {
      readonly kind: 'tracker-called'
      readonly torrent: number
      readonly call: number
      readonly result: Result<unknown>
    }
  | {
      readonly kind: 'web-range'
      readonly torrent: number
      readonly range: number
      readonly news: WebRangeNews
    }

export type SwarmOutput =
  | { readonly kind: 'connect'; readonly connection: number; readonly endpoint: Endpoint }
  /** With `frame`, a `sent` input is wanted once the kernel has taken the bytes. */
  | {
      readonly kind: 'send'
      readonly connection: number
      readonly bytes: Uint8Array
      readonly frame?: Frame
    }
  /** Bytes sent before are flushed first. No `closed` input follows. */
  | { readonly kind: 'close'; readonly connection: number; readonly reason: DisconnectReason }
  | {
      readonly kind: 'hash-piece'
      readonly torrent: number
      readonly piece: number
      readonly bytes: Uint8Array
      readonly wantsSha1: boolean
      readonly merkle: MerklePiece | undefined
    }
  /** SHA-256 of each 16 KiB; the last may be shorter. The bytes stay as they are until the answer. */
  | {
      readonly kind: 'hash-blocks'
      readonly torrent: number
      readonly id: number
      readonly bytes: Uint8Array
    }
  | {
      readonly kind: 'write-piece'
      readonly torrent: number
      readonly piece: number
      readonly bytes: Uint8Array
    }
  /** Fill `views`, one after the other, with the bytes of the piece from `begin` on. */
  | {
      readonly kind: 'read-blocks'
      readonly torrent: number
      readonly read: number
      readonly piece: number
      readonly begin: number
      readonly views: readonly Uint8Array[]
    }
  | {
      readonly kind: 'announce'
      readonly torrent: number
      readonly announce: number
      readonly url: string
      readonly request: AnnounceRequest
    }
  | {
      readonly kind: 'call-tracker'
      readonly torrent: number
      readonly call: number
      readonly request: TrackerCall
    }
  /** Bytes of a file of a web seed; they come back as `web-range`. One at a time for each range. */
  | {
      readonly kind: 'fetch-range'
      readonly torrent: number
      readonly range: number
      readonly request: RangeRequest
    }
  /** What is being fetched for the range is to wait, to go on, or of no use any more. */
  | {
      readonly kind: 'steer-range'
      readonly torrent: number
      readonly range: number
      readonly to: 'pause' | 'resume' | 'cancel'
    }
  /** The info dictionary of an `add-magnet`, checked and read, or why it cannot be used. Comes once. */
  | { readonly kind: 'metadata'; readonly torrent: number; readonly result: Result<Metainfo> }
  | { readonly kind: 'event'; readonly torrent: number; readonly event: SwarmEvent }
  | { readonly kind: 'stopped' }
