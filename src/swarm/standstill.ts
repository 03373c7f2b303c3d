/**
 * Why nothing comes in: the answer to "it is stalled", worked out from the live state when somebody asks.
 * Every state in which a download does not move has a cause here; the first that holds is told.
 */
import type { Instant } from '../base/time.ts'
import type { PeerSession } from './peer-session.ts'
import type { Torrent } from './torrent.ts'

export interface Standstill {
  /**
   * `checking`, `connecting`, `no-peers`, `tracker-down`, `nobody-has-it`, `choked`, `limited` or `waiting`;
   * of a paused torrent the code of the fault it paused for (`docs/errors.md`).
   */
  readonly cause: string
  /** One line for people. */
  readonly message: string
}

/** Undefined while something comes in, or nothing is to be fetched and peers are there. */
export function standstill(torrent: Torrent, now: Instant): Standstill | undefined {
  const { phase, core, rest } = torrent
  if (phase === 'checking') return { cause: 'checking', message: 'what is on disk is being checked' }
  if (phase === 'paused' && rest.fault !== undefined)
    return { cause: rest.fault.code, message: rest.fault.message }
  if (phase !== 'active') return undefined
  if (core.sessions.size === 0) return alone(torrent)
  if (!torrent.isDownloading || core.downloaded.rate(now) > 0) return undefined
  return amongPeers(torrent)
}

function alone(torrent: Torrent): Standstill {
  if (torrent.dialingCount > 0) {
    const message = `connecting to ${people(torrent.dialingCount)}, none has answered yet`
    return { cause: 'connecting', message }
  }
  const { trouble } = torrent.announcer
  if (trouble !== undefined)
    return { cause: 'tracker-down', message: `nobody is connected, and ${trouble.message}` }
  const known = torrent.peers.size
  const message =
    known === 0
      ? 'nobody is known who has it'
      : `nobody is connected; ${people(known)} known, to be tried again`
  return { cause: 'no-peers', message }
}

function amongPeers(torrent: Torrent): Standstill {
  const sessions = [...torrent.core.sessions.values()]
  const useful = sessions.filter((session) => session.amInterested)
  if (useful.length === 0)
    return { cause: 'nobody-has-it', message: `no connected peer (${sessions.length}) has what is missing` }
  const isChoking = (session: PeerSession) => session.peerChoking
  if (useful.every(isChoking)) {
    const message = `${people(useful.length)} with what is missing, but choking us: they serve others first`
    return { cause: 'choked', message }
  }
  if (torrent.downloader.isStarved)
    return { cause: 'limited', message: 'waiting for the download limit, or for memory' }
  const owed = useful.reduce((sum, session) => sum + session.outstanding.size, 0)
  return { cause: 'waiting', message: `${owed} blocks are asked for, and none has come yet` }
}

function people(count: number): string {
  return count === 1 ? '1 peer' : `${count} peers`
}
