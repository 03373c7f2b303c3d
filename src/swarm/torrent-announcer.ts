/** How a torrent gets the part of it that announces: its own, or that of the magnet link it began as. */
import { equalBytes } from '../base/bytes.ts'
import { Announcements } from './announcements.ts'
import type { AnnouncerMediator } from './announcer.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'

/**
 * @param before the magnet link's torrent, whose announcer goes on if it announces under the same infohash
 */
export function takeAnnouncer(
  torrent: Torrent,
  around: TorrentSurroundings,
  mediator: AnnouncerMediator,
  before: Torrent | undefined,
): Announcements {
  const { env, options } = torrent.core
  const rebuilt = options.announcesRebuilt ? torrent.rebuiltInfoHash : null
  const prng = env.prng.fork('announcer')
  const isSame = before !== undefined && equalBytes(before.infoHash, torrent.infoHash) && rebuilt === null
  const announcer = isSame
    ? before.announcer
    : new Announcements(announcerOptions(torrent, around), prng, mediator, rebuilt)
  announcer.answerTo(mediator)
  return announcer
}

function announcerOptions({ core, infoHash }: Torrent, { peerId, listenPort }: TorrentSurroundings) {
  const { trackers, announceIntervalSeconds } = core.options
  return {
    infoHash,
    peerId,
    port: listenPort,
    key: core.env.prng.fork('key').uint32(),
    tiers: trackers,
    ...(announceIntervalSeconds === undefined ? {} : { intervalOverrideSeconds: announceIntervalSeconds }),
  }
}
