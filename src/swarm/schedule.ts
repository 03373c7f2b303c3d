/**
 * When the client machine wants to be woken, and which torrents an input can have given other wishes: an
 * input costs the same however many torrents there are.
 * Invariants: no torrent is due before `#dueAt`. That may be too early, because when a torrent's time moves
 * back the others are not searched; once it has come all are asked again. Between inputs nothing is
 * concerned, and `starved` holds exactly the torrents that wait for a budget or for memory.
 */
import { after, earliest, type Instant, latest, milliseconds } from '../base/time.ts'
import type { Torrent } from './torrent.ts'

/** Between ticks while something is fetched, dialled or greeted. */
const BUSY_TICK_MS = 250
/** Between ticks while there are connections, and after whatever happened. */
const IDLE_TICK_MS = 1000
const NEVER = Number.POSITIVE_INFINITY as Instant

export class Schedule {
  /** In the order in which they began to starve. */
  readonly starved = new Set<Torrent>()
  readonly #concerned = new Set<Torrent>()
  #tickAt: Instant
  #dueAt = NEVER

  constructor(now: Instant) {
    this.#tickAt = now
  }

  /** Undefined for never. */
  get nextAt(): Instant | undefined {
    const next = earliest(this.#tickAt, this.#dueAt)
    return next === NEVER ? undefined : next
  }

  isTickDue(now: Instant): boolean {
    return now >= this.#tickAt
  }

  isTorrentDue(now: Instant): boolean {
    return now >= this.#dueAt
  }

  /** Something happened, so that a tick may have work to do. */
  stir(now: Instant): void {
    this.#tickAt = earliest(this.#tickAt, after(now, milliseconds(IDLE_TICK_MS)))!
  }

  /** A connection began, which has a deadline. */
  hurry(now: Instant): void {
    this.#tickAt = earliest(this.#tickAt, after(now, milliseconds(BUSY_TICK_MS)))!
  }

  /** After a tick, when is the next? With no connection at all the next thing to do is a dial. */
  planTick(now: Instant, torrents: Iterable<Torrent>, connectionCount: number): void {
    let sessionCount = 0
    let isFetching = false
    let dialAt: Instant = NEVER
    for (const torrent of torrents) {
      const { size } = torrent.core.sessions
      sessionCount += size
      isFetching ||= size > 0 && torrent.isDownloading
      dialAt = earliest(dialAt, torrent.nextDialAt())!
    }
    const isBusy = isFetching || connectionCount > sessionCount
    const at = after(now, milliseconds(isBusy ? BUSY_TICK_MS : IDLE_TICK_MS))
    this.#tickAt = connectionCount > 0 ? at : latest(at, dialAt)
  }

  /** This input changes, or may change, what the torrent waits for. */
  concern(torrent: Torrent): void {
    this.#concerned.add(torrent)
  }

  /** All are asked anew. */
  concernAll(torrents: Iterable<Torrent>): void {
    this.#dueAt = NEVER
    for (const torrent of torrents) this.#concerned.add(torrent)
  }

  /** At the end of each input: what the torrents concerned want now, after `visit` has served them. */
  settle(now: Instant, visit: (torrent: Torrent) => void): void {
    for (const torrent of this.#concerned) {
      visit(torrent)
      if (torrent.isStarved) this.starved.add(torrent)
      else this.starved.delete(torrent)
      const next = torrent.nextTimeout(now)
      if (next !== undefined && next < this.#dueAt) this.#dueAt = next
    }
    this.#concerned.clear()
  }
}
