/**
 * What a torrent tells the people around it, and why sessions end. Field names are a
 * contract with other programs.
 * Addresses are text: `127.0.0.1:6881` or `[::1]:6881`.
 */

import type { ClaimsRefusal } from '../wire/claims-messages.ts'

/** Exhaustive: shown to users and counted; every close has one. */
export type DisconnectReason =
  | 'done'
  | 'stopped'
  | 'refused'
  | 'unreachable'
  | 'connect-timeout'
  | 'handshake-timeout'
  | 'wait-timeout'
  | 'idle-timeout'
  | 'remote-closed'
  | 'connection-reset'
  | 'not-bittorrent'
  | 'not-encrypted'
  | 'unknown-torrent'
  | 'wrong-torrent'
  | 'self-connection'
  | 'duplicate-peer'
  | 'too-many-peers'
  | 'banned'
  | 'stopped-reading'
  | 'protocol-error'
  | 'both-seeds'
  | 'busy'
  | 'stalled'
  | 'turn-over'

export type SwarmEvent =
  | {
      readonly event: 'announced'
      readonly tracker: string
      readonly peers: number
      readonly interval: number
      readonly externalIp?: string
    }
  | {
      readonly event: 'announce-failed'
      readonly tracker: string
      readonly code: string
      readonly message: string
      readonly hint?: string
    }
  /** Nobody is connected who has what we lack: the tracker is asked before it is due. */
  | { readonly event: 'no-peers-left'; readonly tracker: string }
  /** The tracker knows that we left. */
  | { readonly event: 'deregistered'; readonly tracker: string }
  /** A Shoal tracker was told that this peer of its list does not answer. */
  | { readonly event: 'reported'; readonly tracker: string; readonly address: string }
  /** A Shoal tracker knows so many of the torrent's pieces here. */
  | {
      readonly event: 'registered'
      readonly tracker: string
      readonly pieces: number
      readonly total: number
    }
  /** A tracker was asked again where the content is, while it is downloaded. */
  | { readonly event: 'locations-refreshed'; readonly tracker: string; readonly sources: number }
  | { readonly event: 'connecting'; readonly address: string }
  | { readonly event: 'handshake-ok'; readonly address: string; readonly peerId: string }
  | {
      readonly event: 'peer-connected'
      readonly address: string
      readonly peerId: string
      readonly client: string
    }
  | { readonly event: 'peer-disconnected'; readonly address: string; readonly reason: DisconnectReason }
  /** With one session at a time: it begins, ends, keeps others waiting, and lets the next one in. */
  | { readonly event: 'session-start'; readonly address: string; readonly peerId: string }
  | { readonly event: 'session-end'; readonly address: string; readonly reason: DisconnectReason }
  | {
      readonly event: 'peer-waiting'
      readonly address: string
      readonly busyWith: string
      /** How many wait now. */
      readonly waiting: number
    }
  | { readonly event: 'peer-next'; readonly address: string; readonly waiting: number }
  | {
      readonly event: 'protocol-error'
      readonly address: string
      readonly code: string
      readonly message: string
    }
  | { readonly event: 'piece-verified'; readonly piece: number; readonly from: string }
  | {
      readonly event: 'piece-unreadable'
      readonly piece: number
      readonly code: string
      readonly message: string
    }
  | { readonly event: 'piece-failed'; readonly piece: number; readonly from: string }
  | { readonly event: 'peer-banned'; readonly address: string; readonly pieces: readonly number[] }
  /** A web seed does not have this file, or not as it should be. `url` is without secrets in all three. */
  | {
      readonly event: 'web-seed-lacks'
      readonly url: string
      /** Index into the metainfo's files. */
      readonly file: number
      readonly code: string
      readonly message: string
    }
  /** It is asked again later. */
  | {
      readonly event: 'web-seed-waits'
      readonly url: string
      readonly code: string
      readonly message: string
      readonly seconds: number
    }
  /** It is not asked any more. */
  | {
      readonly event: 'web-seed-dropped'
      readonly url: string
      readonly code: string
      readonly message: string
      readonly hint?: string
    }
  /** The info dictionary that these peers sent does not have the hash it should have. */
  | { readonly event: 'metadata-failed'; readonly from: readonly string[] }
  /** Another peer asked about chunk positions of a payload string. */
  | {
      readonly event: 'claims-answered'
      readonly address: string
      /** 64 hex digits, or 40; null when the query named none. */
      readonly payloadId: string | null
      readonly claims: number
      readonly answer: 'held' | 'not-held' | ClaimsRefusal
    }
  /** Another peer asked for our counters. */
  | { readonly event: 'stats-asked'; readonly address: string; readonly isAnswered: boolean }
  | { readonly event: 'downloaded'; readonly bytes: number; readonly seconds: number }
  | { readonly event: 'paused'; readonly code: string; readonly reason: string; readonly hint?: string }
  | { readonly event: 'resumed' }
