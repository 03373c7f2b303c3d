/**
 * The swarms behind a tracker's sockets: in this process (`local-tracker.ts`) or shared
 * (`shared-tracker.ts`).
 */
import type { AnnounceDesk } from '../tracker/announce-desk.ts'
import type { TrackerStats } from '../tracker/tracker.ts'
import type { ScrapeCounts } from '../wire/tracker-announce.ts'
import type { PeerBook } from './peer-book.ts'

export interface TrackerBackend extends AnnounceDesk {
  /** @param infoHash 20 bytes; of a swarm that may not exist */
  counts(infoHash: Uint8Array): ScrapeCounts | Promise<ScrapeCounts>
  stats(): TrackerStats
  /** Asks and tells about peers one by one; what follows from it is done. */
  readonly peers: PeerBook
  /** No timer and no connection is left. */
  close(): void
}
