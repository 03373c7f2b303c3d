/**
 * Applies the choker's policy to the sessions: a free slot goes to the next interested peer at once, and
 * every ten seconds all slots are given anew.
 * Invariants: at most `slotCount` sessions are unchoked; while fewer are, every interested one is.
 */
import { type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { CHOKE_ROUND_SECONDS, Choker } from './choker.ts'
import type { PeerSession } from './peer-session.ts'
import type { TorrentCore } from './torrent-core.ts'

export class UploadSlots {
  readonly #core: TorrentCore
  readonly #choker: Choker
  readonly #slotCount: number
  #unchokedCount = 0
  #nextRoundAt: Instant
  #isClosed = false

  constructor(core: TorrentCore, now: Instant) {
    this.#core = core
    this.#choker = new Choker(core.env.prng.fork('choker'))
    this.#slotCount = core.options.uploadSlotCount
    this.#nextRoundAt = (now + seconds(CHOKE_ROUND_SECONDS)) as Instant
  }

  /** A peer became interested or lost interest. */
  interestChanged(session: PeerSession): void {
    if (session.peerInterested) {
      if (!this.#isClosed && this.#unchokedCount < this.#slotCount) this.#setChoking(session, false)
      return
    }
    const wasFull = this.#unchokedCount === this.#slotCount
    this.#setChoking(session, true)
    if (wasFull) this.#giveFreeSlot()
  }

  /** The session is not among the torrent's any more. */
  left(session: PeerSession): void {
    if (session.amChoking) return
    if (this.#unchokedCount-- === this.#slotCount) this.#giveFreeSlot()
  }

  tick(now: Instant): void {
    if (now < this.#nextRoundAt || this.#isClosed) return
    this.#nextRoundAt = (now + seconds(CHOKE_ROUND_SECONDS)) as Instant
    const sessions = [...this.#core.sessions.values()]
    const isSeeding = this.#core.pieces.isComplete
    const candidates = sessions.map((session) => ({
      id: session.id,
      isInterested: session.peerInterested,
      isSnubbed: session.window.isSnubbed,
      rate: (isSeeding ? session.uploaded : session.downloaded).rate(now),
      connectedSeconds: (now - session.connectedAt) / MICROSECONDS_PER_SECOND,
    }))
    const unchoked = this.#choker.round(candidates, this.#slotCount)
    for (const session of sessions) this.#setChoking(session, !unchoked.has(session.id))
  }

  /** Nobody is served until `open`. */
  close(): void {
    this.#isClosed = true
    for (const session of this.#core.sessions.values()) this.#setChoking(session, true)
  }

  open(): void {
    this.#isClosed = false
    this.#giveFreeSlot()
  }

  #giveFreeSlot(): void {
    if (this.#isClosed) return
    for (const session of this.#core.sessions.values()) {
      if (this.#unchokedCount >= this.#slotCount) return
      if (session.peerInterested) this.#setChoking(session, false)
    }
  }

  #setChoking(session: PeerSession, isChoking: boolean): void {
    if (isChoking === session.amChoking) return
    this.#unchokedCount += isChoking ? -1 : 1
    session.setChoking(isChoking)
  }
}
