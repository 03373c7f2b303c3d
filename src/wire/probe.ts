/**
 * How a tracker asks whether a peer is there: it connects, sends a BitTorrent handshake of a swarm
 * with a peer id that begins like this, and is content with the handshake that comes back. A peer
 * answers such a handshake at once, whatever else it does, and starts no session. To other clients
 * it is a peer that leaves again.
 */
import { fromLatin1 } from '../base/text.ts'

/** In the style of BEP 20, with no version: the rest is random. */
export const PROBE_PEER_ID_PREFIX = '-SHtrk0-'

export function isProbe(peerId: Uint8Array): boolean {
  return fromLatin1(PROBE_PEER_ID_PREFIX).every((byte, index) => peerId[index] === byte)
}
