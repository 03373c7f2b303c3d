/**
 * The port to web seeds: a range of a file goes out as one request, its bytes come back in order.
 * Invariants: the sink is called in later turns, never from within a call to the transport; `data` gives
 * `length` bytes at most, and none while the fetch is paused, but for what had been read already; `ended`
 * comes once, last, and neither comes after `cancel` or `close`.
 */
import type { RangeRequest } from '../wire/range-request.ts'
import type { WebSeedFault } from '../wire/web-seed-reply.ts'

export interface RangeSink {
  /** `bytes` is borrowed until the call returns. */
  data(bytes: Uint8Array): void
  /** Without a fault it may still have been fewer bytes than were asked for. */
  ended(fault: WebSeedFault | undefined): void
}

export interface RangeFetch {
  /** Stops reading from the server, which then cannot send more than its socket holds. */
  pause(): void
  resume(): void
  cancel(): void
}

export interface WebSeedTransport {
  get(request: RangeRequest, sink: RangeSink): RangeFetch
  /** Cancels what is open and lets go of every socket at once. */
  close(): void
}
