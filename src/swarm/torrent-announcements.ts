/** With what a torrent announces itself, and what its announcers may ask of it. */
import { equalBytes } from '../base/bytes.ts'
import { Announcements } from './announcements.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'

/** Those of the magnet link this torrent began as, if it announces under the same infohash. */
export function takeAnnouncements(
  torrent: Torrent,
  around: TorrentSurroundings,
  before: Torrent | undefined,
): Announcements {
  const { options, env, uploaded, downloaded, sessions } = torrent.core
  const mediator = {
    stats: () => ({ uploaded: uploaded.total, downloaded: downloaded.total, left: torrent.leftBytes }),
    wantsPeers: () => torrent.phase === 'active' && sessions.size < options.connectionsMax,
    isShortOfPeers: () => torrent.isDownloading && torrent.usefulPeerCount === 0,
  }
  const rebuilt = options.announcesRebuilt ? torrent.rebuiltInfoHash : null
  const isSame = before !== undefined && equalBytes(before.infoHash, torrent.infoHash) && rebuilt === null
  const prng = env.prng.fork('announcer')
  const announcer = isSame
    ? before.announcer
    : new Announcements(announcerOptions(torrent, around), prng, mediator, rebuilt)
  announcer.answerTo(mediator)
  return announcer
}

function announcerOptions({ core, infoHash }: Torrent, around: TorrentSurroundings) {
  const { trackers, announceIntervalSeconds } = core.options
  return {
    infoHash,
    peerId: around.peerId,
    port: around.listenPort,
    key: core.env.prng.fork('key').uint32(),
    tiers: trackers,
    ...(announceIntervalSeconds === undefined ? {} : { intervalOverrideSeconds: announceIntervalSeconds }),
  }
}
