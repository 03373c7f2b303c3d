/**
 * The short grace of a peer that leaves: a block that is on its way to somebody still gets there, if it takes
 * no longer than a second.
 */
import { after, type Instant, seconds } from '../base/time.ts'
import type { Connection } from './connection.ts'
import type { Torrent } from './torrent.ts'

const DRAIN_SECONDS = 1

/** Is a block still on its way over this connection? The first call drops everything behind that block. */
export function isDraining(now: Instant, connection: Connection): boolean {
  const { session, torrent } = connection
  if (session === undefined || torrent === undefined) return false
  if (connection.deadline === Infinity) {
    torrent.uploader.finish(session)
    connection.deadline = after(now, seconds(DRAIN_SECONDS))
  }
  return now < connection.deadline && torrent.uploader.isServing(session)
}

/** Peers that are being sent something, or wait for it. */
export function countUploads(torrents: Iterable<Torrent>): number {
  let count = 0
  for (const torrent of torrents)
    for (const { uploadBytesInFlight, requests } of torrent.core.sessions.values())
      if (uploadBytesInFlight > 0 || requests.size > 0) count++
  return count
}
