/**
 * Slowness on purpose (`--upload-delay`): each block a peer is sent is held back so long, one after the
 * other, as a peer on a slow machine would. Peers do not slow down one another.
 * Invariant: a peer has an instant here while it has requests that wait; it is kept no
 * longer than the session.
 */
import { after, earliest, type Instant, seconds } from '../base/time.ts'
import type { PeerSession } from './peer-session.ts'

export class UploadDelay {
  readonly #span: number
  /** When the next block may leave. */
  readonly #dueAt = new WeakMap<PeerSession, Instant>()

  /** @param delaySeconds 0 = none */
  constructor(delaySeconds: number) {
    this.#span = seconds(delaySeconds)
  }

  get isOn(): boolean {
    return this.#span > 0
  }

  /** May the peer's next block leave now? The first look at requests that wait begins their delay. */
  isDue(now: Instant, session: PeerSession): boolean {
    if (!this.isOn) return true
    const at = this.#dueAt.get(session)
    if (session.requests.size === 0) this.#dueAt.delete(session)
    else if (at === undefined) this.#dueAt.set(session, after(now, this.#span))
    return at !== undefined && at <= now && session.requests.size > 0
  }

  /** A block left; the next one waits anew. */
  served(now: Instant, session: PeerSession): void {
    if (this.isOn) this.#dueAt.set(session, after(now, this.#span))
  }

  /** When the first of these may be served; undefined when none waits for its delay. */
  nextAt(sessions: Iterable<PeerSession>): Instant | undefined {
    let next: Instant | undefined
    for (const session of sessions)
      if (session.requests.size > 0) next = earliest(next, this.#dueAt.get(session))
    return next
  }
}
