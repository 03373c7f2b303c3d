/** Whom a torrent dials, when, and with what: questions of the client, which opens the connections. */
import { after, type Instant, latest, seconds } from '../base/time.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Torrent } from './torrent.ts'

/**
 * A seed waits this long for leechers to come before it dials them itself, so that both
 * ends do not dial at once.
 */
const SEED_DIAL_DELAY_SECONDS = 10

/** When there is an address to dial and a reason to; may be in the past; undefined for never. */
export function nextDialAt(torrent: Torrent): Instant | undefined {
  const { phase, isDownloading, core, peers, seedingSince } = torrent
  const canDial = phase === 'active' && (isDownloading || core.pieces.have.count > 0)
  const next = canDial ? peers.nextCandidateAt() : undefined
  if (next === undefined || isDownloading) return next
  return latest(next, after(seedingSince, seconds(SEED_DIAL_DELAY_SECONDS)))
}

/** The 20 bytes to name in the handshake with this peer. */
export function infoHashFor({ peers, rebuiltInfoHash, infoHash }: Torrent, endpoint: Endpoint): Uint8Array {
  const rebuilt = peers.get(endpoint)?.namesRebuilt === true ? rebuiltInfoHash : null
  return rebuilt ?? infoHash
}

/** Who hangs up on our handshake may want it encrypted, or know the other infohash. */
export function hungUp(torrent: Torrent, now: Instant, endpoint: Endpoint, encryption: boolean): void {
  torrent.peers.dialOtherwise(now, endpoint, { infoHash: torrent.rebuiltInfoHash !== null, encryption })
}
