/** Two connections with one peer, which may come about when both sides dial at the same moment. */
import { compareBytes, equalBytes } from '../base/bytes.ts'
import type { Connection } from './connection.ts'
import type { PeerSession } from './peer-session.ts'

/** The session that is there already with the peer behind this connection. */
export function rivalOf(peerId: Uint8Array, sessions: Iterable<PeerSession>): PeerSession | undefined {
  for (const session of sessions) if (equalBytes(session.peerId, peerId)) return session
  return undefined
}

/** Both sides must drop the same one of the two: the one opened by the peer with the higher id stays. */
export function outranks(ownId: Uint8Array, connection: Connection, rival: PeerSession): boolean {
  const weAreHigher = compareBytes(ownId, rival.peerId) > 0
  return rival.isOutgoing !== connection.isOutgoing && connection.isOutgoing === weAreHigher
}
