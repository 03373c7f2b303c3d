/** A torrent as people see it: a snapshot of counts, rates and peers, made on request from the live state. */
import type { Instant } from '../base/time.ts'
import { clientName, peerIdText } from './client-name.ts'
import type { PeerSource } from './peer-list.ts'
import type { PeerSession } from './peer-session.ts'
import type { PickOrder } from './piece-picker.ts'
import type { Torrent, TorrentPhase } from './torrent.ts'
import type { WebSeed } from './web-seed.ts'

export interface PeerStatus {
  readonly address: string
  readonly peerId: string
  readonly client: string
  /** `in` = it dialled us. */
  readonly direction: 'in' | 'out'
  /** How we learned of its address; `incoming` = it dialled us first. */
  readonly source: PeerSource
  /** Pieces it has. */
  readonly pieces: number
  /** The same as ranges, first and last included. */
  readonly pieceRanges: readonly (readonly [number, number])[]
  readonly downloaded: number
  readonly uploaded: number
  readonly downloadRate: number
  readonly uploadRate: number
  /** Verified pieces that came mostly from it. */
  readonly piecesFrom: number
  readonly piecesInFlight: number
  readonly requestsInFlight: number
  readonly amInterested: boolean
  readonly amChoking: boolean
  readonly peerInterested: boolean
  readonly peerChoking: boolean
  readonly isSnubbed: boolean
}

export interface WebSeedStatus {
  /** Without secrets. */
  readonly url: string
  readonly state: 'active' | 'idle' | 'waiting' | 'dropped'
  /** Why it waits or was dropped. */
  readonly fault?: { readonly code: string; readonly message: string }
  readonly requestsInFlight: number
  readonly downloaded: number
  readonly downloadRate: number
  /** Verified pieces that came mostly from it. */
  readonly piecesFrom: number
  /** Pieces it has, as far as is known. */
  readonly pieces: number
}

export interface TorrentStatus {
  readonly name: string
  readonly role: 'download' | 'seed-only'
  /** `metadata` while no more than the infohash is known. */
  readonly phase: TorrentPhase | 'metadata'
  readonly picker: PickOrder
  readonly pieces: number
  readonly piecesHave: number
  readonly missing: readonly (readonly [number, number])[]
  /** Copies of the missing pieces among connected peers. */
  readonly availability: { readonly min: number; readonly mean: number }
  readonly piecesInFlight: number
  /** Infinity = as many as memory allows. */
  readonly piecesInFlightMax: number
  /** Bytes verified, of those wanted. */
  readonly bytes: number
  readonly total: number
  readonly downloaded: number
  readonly uploaded: number
  readonly downloadRate: number
  readonly uploadRate: number
  readonly peers: readonly PeerStatus[]
  readonly webSeeds: readonly WebSeedStatus[]
  /** All peers we know of, connected or not, by where the address came from first. */
  readonly knownPeers: Readonly<Partial<Record<PeerSource, number>>>
}

export function torrentStatus(torrent: Torrent, now: Instant): TorrentStatus {
  const { options, pieces, picker, sessions, downloaded, uploaded } = torrent.core
  const total = torrent.wantedBytes
  let copies = 0
  let missingCount = 0
  let min = Number.POSITIVE_INFINITY
  for (const piece of pieces.have.zeros()) {
    if (!pieces.wanted.has(piece)) continue
    const availability = picker.availability(piece)
    copies += availability
    missingCount++
    min = Math.min(min, availability)
  }
  return {
    name: options.metainfo.name,
    role: options.role,
    phase: torrent.pieceCount === 0 && torrent.phase === 'active' ? 'metadata' : torrent.phase,
    picker: picker.pickOrder,
    pieces: torrent.pieceCount,
    piecesHave: pieces.have.count,
    missing: ranges(pieces.have.zeros()),
    availability: { min: missingCount === 0 ? 0 : min, mean: missingCount === 0 ? 0 : copies / missingCount },
    piecesInFlight: pieces.gathering.size,
    piecesInFlightMax: options.gatheringPiecesMax,
    bytes: total - torrent.leftBytes,
    total,
    downloaded: downloaded.total,
    uploaded: uploaded.total,
    downloadRate: downloaded.rate(now),
    uploadRate: uploaded.rate(now),
    peers: [...sessions.values()].map((session) => peerStatus(torrent, session, now)),
    webSeeds: torrent.webSeeds.seeds.map((seed) => webSeedStatus(seed, now)),
    knownPeers: knownPeers(torrent),
  }
}

function webSeedStatus(seed: WebSeed, now: Instant): WebSeedStatus {
  const { fault, openCount, downloaded } = seed
  const idle = seed.retryAt === undefined ? 'idle' : 'waiting'
  return {
    url: seed.name,
    state: seed.isDropped ? 'dropped' : openCount > 0 ? 'active' : idle,
    ...(fault !== undefined && { fault: { code: fault.code, message: fault.message } }),
    requestsInFlight: openCount,
    downloaded: downloaded.total,
    downloadRate: downloaded.rate(now),
    piecesFrom: seed.verifiedPieces,
    pieces: seed.pieces.count,
  }
}

function sourceOf(torrent: Torrent, { listensAt }: PeerSession): PeerSource {
  return (listensAt && torrent.peers.get(listensAt)?.source) ?? 'incoming'
}

function knownPeers(torrent: Torrent): TorrentStatus['knownPeers'] {
  const counts = torrent.peers.countBySource()
  const isStranger = (session: PeerSession) => sourceOf(torrent, session) === 'incoming'
  const incoming = [...torrent.core.sessions.values()].filter(isStranger).length
  return incoming === 0 ? counts : { ...counts, incoming }
}

function peerStatus(torrent: Torrent, session: PeerSession, now: Instant): PeerStatus {
  return {
    address: session.address,
    peerId: peerIdText(session.peerId),
    client: session.extensions?.client ?? clientName(session.peerId),
    direction: session.isOutgoing ? 'out' : 'in',
    source: sourceOf(torrent, session),
    pieces: session.have.count,
    pieceRanges: ranges(session.have.ones()),
    downloaded: session.downloaded.total,
    uploaded: session.uploaded.total,
    downloadRate: session.downloaded.rate(now),
    uploadRate: session.uploaded.rate(now),
    piecesFrom: session.verifiedPieces,
    piecesInFlight: session.gathering.size,
    requestsInFlight: session.outstanding.size,
    amInterested: session.amInterested,
    amChoking: session.amChoking,
    peerInterested: session.peerInterested,
    peerChoking: session.peerChoking,
    isSnubbed: session.window.isSnubbed,
  }
}

/** Ascending indexes as runs, first and last included. */
function ranges(indexes: Iterable<number>): [number, number][] {
  const runs: [number, number][] = []
  for (const index of indexes) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === index - 1) last[1] = index
    else runs.push([index, index])
  }
  return runs
}
