/**
 * When the client machine wants to be woken, and which torrents an input can have given other wishes: an
 * input costs the same however many torrents there are. Bytes that come and go are most inputs, and change
 * nothing about announces, which are a matter of seconds: those are looked at with the next tick.
 * Invariants: between inputs nothing is concerned or busy, `#times` holds what each torrent's
 * `nextTimeout` gave, and `starved` exactly the torrents that wait for a budget or for memory. No
 * torrent is due before `#dueAt`, which may be too early: when the first one's time moves on, the
 * others are not searched until it has come.
 */

import { after, earliest, type Instant, latest, milliseconds } from '../base/time.ts'
import type { Torrent } from './torrent.ts'
import { nextDialAt } from './torrent-dials.ts'

/** Between ticks while something is fetched, dialled or greeted. */
const BUSY_TICK_MS = 250
/** Between ticks while there are connections, and after whatever happened. */
const IDLE_TICK_MS = 1000
const NEVER = Number.POSITIVE_INFINITY as Instant

export class Schedule {
  /** In the order in which they began to starve. */
  readonly starved = new Set<Torrent>()
  readonly #concerned = new Set<Torrent>()
  readonly #busy = new Set<Torrent>()
  /** Those that are due at some time. */
  readonly #times = new Map<Torrent, Instant>()
  #tickAt: Instant
  #dueAt: Instant = NEVER

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

  /** The torrents that are due, which concerns them. */
  takeDue(now: Instant): Torrent[] {
    const due: Torrent[] = []
    this.#dueAt = NEVER
    for (const [torrent, at] of this.#times) {
      if (at <= now) due.push(torrent)
      else if (at < this.#dueAt) this.#dueAt = at
    }
    for (const torrent of due) this.#times.delete(torrent)
    this.concernAll(due)
    return due
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
      dialAt = earliest(dialAt, nextDialAt(torrent))!
    }
    const isBusy = isFetching || connectionCount > sessionCount
    const at = after(now, milliseconds(isBusy ? BUSY_TICK_MS : IDLE_TICK_MS))
    this.#tickAt = connectionCount > 0 ? at : latest(at, dialAt)
  }

  /** This input changes, or may change, what the torrent waits for. */
  concern(torrent: Torrent): void {
    this.#concerned.add(torrent)
  }

  concernAll(torrents: Iterable<Torrent>): void {
    for (const torrent of torrents) this.#concerned.add(torrent)
  }

  /** This input only moves bytes of the torrent. */
  busy(torrent: Torrent): void {
    this.#busy.add(torrent)
  }

  /** It is no more. */
  forget(torrent: Torrent): void {
    this.starved.delete(torrent)
    this.#concerned.delete(torrent)
    this.#busy.delete(torrent)
    this.#times.delete(torrent)
  }

  /**
   * At the end of each input: what the torrents concerned want now, after `visit` has served them, and those
   * that were busy.
   */
  settle(now: Instant, visit: (torrent: Torrent) => void): void {
    for (const torrent of this.#concerned) {
      visit(torrent)
      this.#busy.add(torrent)
    }
    this.#concerned.clear()
    for (const torrent of this.#busy) {
      if (torrent.isStarved) this.starved.add(torrent)
      else if (this.starved.size > 0) this.starved.delete(torrent)
      this.#plan(torrent, torrent.nextTimeout(now))
    }
    this.#busy.clear()
  }

  #plan(torrent: Torrent, at: Instant | undefined): void {
    if (at === this.#times.get(torrent)) return
    if (at === undefined) this.#times.delete(torrent)
    else this.#times.set(torrent, at)
    if (at !== undefined && at < this.#dueAt) this.#dueAt = at
  }
}
