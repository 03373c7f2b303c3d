/**
 * The routes about peers: who is there, who has which pieces, and what peers say of themselves and others.
 */
import { type Static, Type } from 'typebox'
import { LIMITS } from '../base/limits.ts'
import { exact, InfoHashText, preset } from './contract.ts'

const Port = Type.Integer({ minimum: 1, maximum: 65_535 })
/** Numeric, IPv4 or IPv6 without brackets. */
const Address = Type.String({ minLength: 2, maxLength: 45 })
/** 20 bytes: as text when all of them can be printed, else as 40 hex digits. Shorter text is filled up. */
const PeerIdText = Type.String({ minLength: 1, maxLength: 40 })
const PieceIndex = Type.Integer({ minimum: 0, maximum: LIMITS.piecesMax.value })
/** First and last index. */
const PieceRange = Type.Tuple([PieceIndex, PieceIndex])

export const PeersQuery = exact({
  /** Without it: those that registered with the tracker and no swarm. */
  info_hash: Type.Optional(InfoHashText),
  /** Everybody, instead of as many as an announce gets. */
  all: preset(Type.Boolean({ default: false })),
})

const PeerRow = Type.Object({
  peer_id: Type.String(),
  hostaddr: Type.String(),
  port: Type.Integer(),
  /** What the peer id says, such as `Shoal 0.1.0`; empty when it says nothing. */
  client: Type.String(),
  seed: Type.Boolean(),
  /** Whether the tracker's probes got an answer; `unreachable` may still connect to others. */
  reach: Type.Union([Type.Literal('reached'), Type.Literal('unreachable'), Type.Literal('untried')]),
})
export const PeersReply = Type.Object({
  /** In the swarm; `peers` may be fewer. */
  total: Type.Integer(),
  peers: Type.Array(PeerRow),
})
export type PeersReply = Static<typeof PeersReply>

export const RegisterBody = exact({
  peer_id: PeerIdText,
  hostaddr: Address,
  port: Port,
  info_hash: Type.Optional(InfoHashText),
  /** Bytes still to fetch. */
  left: Type.Optional(Type.Integer({ minimum: 0 })),
})
export const RegisterReply = Type.Object({
  registered: Type.Boolean(),
  message: Type.String(),
})

export const DeregisterBody = exact({
  peer_id: PeerIdText,
  hostaddr: Address,
  port: Port,
  info_hash: Type.Optional(InfoHashText),
})
export const DeregisterReply = Type.Object({ removed: Type.Boolean(), message: Type.String() })

export const LocationsQuery = exact({ info_hash: InfoHashText })
export const LocationsReply = Type.Object({
  total: Type.Integer(),
  peers: Type.Array(
    Type.Object({
      ip: Type.String(),
      port: Type.Integer(),
      /** `unknown` for peers that do not tell their tracker. */
      have: Type.Union([Type.Array(PieceRange), Type.Literal('unknown')]),
      /** It said that it has everything. */
      seed: Type.Boolean(),
    }),
  ),
})
export type LocationsReply = Static<typeof LocationsReply>

export const HaveBody = exact({
  info_hash: InfoHashText,
  peer_id: PeerIdText,
  /** Where the peer listens; its address is that of the request. */
  port: Port,
  have: Type.Array(PieceRange, { maxItems: LIMITS.registeredRangesMax.value }),
  /** Pieces of the torrent. */
  pieces: Type.Optional(PieceIndex),
  /** These and no others, instead of these too. */
  replace: preset(Type.Boolean({ default: false })),
})
export const HaveReply = Type.Object({
  /** False when there is no such peer in such a swarm. */
  accepted: Type.Boolean(),
  /** Pieces of this request that were taken. */
  count: Type.Integer(),
})

export const ReportBody = exact({
  info_hash: InfoHashText,
  /** Who does not answer. */
  ip: Address,
  port: Port,
  /** Who says so. Without these, the address of the request must be that of a member. */
  peer_id: Type.Optional(PeerIdText),
  peer_port: Type.Optional(Port),
})
export const ReportReply = Type.Object({
  /** The peer is probed now. */
  accepted: Type.Boolean(),
  reason: Type.Optional(Type.String()),
})
