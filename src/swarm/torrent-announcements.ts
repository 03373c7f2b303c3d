/** How a torrent gets what speaks to its trackers: made for it, or taken over from its magnet link. */
import { equalBytes } from '../base/bytes.ts'
import { Announcements } from './announcements.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'

/** @param before the magnet link it began as; its own is taken if it announces under the same infohash */
export function announcementsFor(
  torrent: Torrent,
  around: TorrentSurroundings,
  before: Torrent | undefined,
): Announcements {
  const { options, env, uploaded, downloaded, sessions, pieces } = torrent.core
  const { trackers, announceIntervalSeconds, registerEverySeconds } = options
  const mediator = {
    stats: () => ({ uploaded: uploaded.total, downloaded: downloaded.total, left: torrent.leftBytes }),
    wantsPeers: () => torrent.phase === 'active' && sessions.size < options.connectionsMax,
    isShortOfPeers: () => torrent.isDownloading && torrent.usefulPeerCount === 0,
    have: () => pieces.have,
    isDownloading: () => torrent.isDownloading,
  }
  const rebuilt = options.announcesRebuilt ? torrent.rebuiltInfoHash : null
  if (before !== undefined && equalBytes(before.infoHash, torrent.infoHash) && rebuilt === null) {
    before.announcer.answerTo(mediator)
    return before.announcer
  }
  return new Announcements(
    {
      infoHash: torrent.infoHash,
      peerId: around.peerId,
      port: around.listenPort,
      key: env.prng.fork('key').uint32(),
      tiers: trackers,
      registerEverySeconds,
      refreshesLocations: announceIntervalSeconds !== undefined,
      ...(announceIntervalSeconds === undefined ? {} : { intervalOverrideSeconds: announceIntervalSeconds }),
    },
    env.prng.fork('announcer'),
    mediator,
    rebuilt,
  )
}

/** What it wants of the world, done; true when it gave addresses or news. */
export function driveAnnouncements(
  torrent: Torrent,
  { own, emit }: Pick<TorrentSurroundings, 'own' | 'emit'>,
): boolean {
  const { announcer, core } = torrent
  let hasNews = false
  for (let output = announcer.poll(); output !== undefined; output = announcer.poll()) {
    hasNews = true
    switch (output.kind) {
      case 'announce': {
        const { id, url, request } = output
        emit({ kind: 'announce', torrent: core.id, announce: id, url, request })
        break
      }
      case 'call':
        emit({ kind: 'call-tracker', torrent: core.id, call: output.id, request: output.call })
        break
      case 'event':
        torrent.emit(output.event)
        break
      case 'stopped':
        torrent.hasLeftTrackers = true
        break
      case 'peers':
        own.learn(output.externalIp)
        torrent.introductions.take(output.peers, 'tracker', output.from, output.isRebuilt)
    }
  }
  return hasNews
}
