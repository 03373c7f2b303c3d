/**
 * Tells the connected peers which pieces we have got. While pieces come fast, those of a short span go out
 * together: nine bytes alone cost both ends as much work as a block, and with a thousand peers each piece
 * would cost a thousand of them.
 * Invariants: `have` goes out only for pieces that are there; at once when nothing was told for a span,
 * otherwise no later than its end.
 */
import { after, type Instant, milliseconds } from '../base/time.ts'
import { MESSAGE } from '../wire/peer-messages.ts'
import type { TorrentCore } from './torrent-core.ts'

/** The span grows with the number of peers, and stays far below the seconds in which peers decide. */
const SPAN_MS_PER_PEER = 10
const SPAN_MS_MAX = 100

export class HaveNews {
  readonly #core: TorrentCore
  /** Bounded by the pieces that are verified within a span. */
  #untold: number[] = []
  /** End of the span that began when peers were told last. */
  #nextAt = 0 as Instant

  constructor(core: TorrentCore) {
    this.#core = core
  }

  add(now: Instant, piece: number): void {
    this.#untold.push(piece)
    if (now >= this.#nextAt) this.tell(now)
  }

  /** Does not wait for the span to end. */
  tell(now: Instant): void {
    const { pieces, sessions } = this.#core
    const untold = this.#untold.filter((piece) => pieces.have.has(piece))
    for (const session of sessions.values())
      for (const piece of untold) session.writer.number(MESSAGE.have, piece)
    this.#untold = []
    this.#nextAt = after(now, milliseconds(Math.min(SPAN_MS_MAX, SPAN_MS_PER_PEER * sessions.size)))
  }

  tellDue(now: Instant): void {
    if (this.#untold.length > 0 && now >= this.#nextAt) this.tell(now)
  }

  nextTimeout(): Instant | undefined {
    return this.#untold.length > 0 ? this.#nextAt : undefined
  }
}
