/**
 * The swarms behind a tracker's sockets: in this process (`local-tracker.ts`) or shared
 * (`shared-tracker.ts`).
 */
import type { Instant } from '../base/time.ts'
import type { AnnounceDesk } from '../tracker/announce-desk.ts'
import type { PeerDesk } from '../tracker/peer-desk.ts'
import type { TrackerStats } from '../tracker/tracker.ts'
import type { ScrapeCounts } from '../wire/tracker-announce.ts'

export interface TrackerBackend extends AnnounceDesk {
  /** @param infoHash 20 bytes; of a swarm that may not exist */
  counts(infoHash: Uint8Array): ScrapeCounts | Promise<ScrapeCounts>
  stats(): TrackerStats
  /**
   * Asks, or tells, about peers one by one; runs what follows from it. Absent where swarms are shared with
   * other processes: there nobody is probed, and no piece map is kept.
   */
  withPeers?<T>(use: (peers: PeerDesk, now: Instant) => T): T
  /** No timer and no connection is left. */
  close(): void
}
