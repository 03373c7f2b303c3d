/**
 * The port to trackers: one announce goes out, one result comes back, whatever the URL's scheme.
 * Invariant: `done` is called once, later and never from within `announce`, and not at
 * all after cancelling or closing.
 */
import type { Result } from '../base/result.ts'
import type { TrackerCall } from '../swarm/tracker-extension.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'

export interface TrackerTransport {
  /**
   * Faults: `tracker/unreachable`, `tracker/timeout`, `tracker/failure`, `tracker/bad-reply`,
   * `tracker/unsupported-scheme`.
   * @returns cancels the announce
   */
  announce(
    url: string,
    request: AnnounceRequest,
    done: (result: Result<AnnounceReply, TrackerFault>) => void,
  ): () => void
  /** Cancels what is open and lets go of every socket and timer at once. */
  close(): void
}

/** The port to the API that Shoal trackers have beside announces; the same invariant. */
export interface TrackerCalls {
  /**
   * Gives the JSON of the answer as it came. Faults: `tracker/unreachable`, `tracker/timeout`,
   * `tracker/failure`, `tracker/bad-reply`.
   */
  call(request: TrackerCall, done: (result: Result<unknown>) => void): void
}
