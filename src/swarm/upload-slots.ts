/**
 * Applies the choker's policy to the sessions: a free slot goes to the next interested peer at once, and
 * every ten seconds all slots are given anew. Invariant: at most `slotCount` sessions are unchoked.
 */
import { type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { CHOKE_ROUND_SECONDS, Choker } from './choker.ts'
import type { PeerSession } from './peer-session.ts'
import type { TorrentCore } from './torrent-core.ts'

export class UploadSlots {
  readonly #core: TorrentCore
  readonly #choker: Choker
  readonly #slotCount: number
  #nextRoundAt: Instant

  constructor(core: TorrentCore, now: Instant) {
    this.#core = core
    this.#choker = new Choker(core.env.prng.fork('choker'))
    this.#slotCount = core.options.uploadSlotCount
    this.#nextRoundAt = (now + seconds(CHOKE_ROUND_SECONDS)) as Instant
  }

  /** A peer became interested, lost interest, or left. */
  interestChanged(session?: PeerSession): void {
    if (session !== undefined && !session.peerInterested) session.setChoking(true)
    let free = this.#slotCount
    for (const other of this.#core.sessions.values()) if (!other.amChoking) free--
    for (const other of this.#core.sessions.values()) {
      if (free <= 0) return
      if (!other.peerInterested || !other.amChoking) continue
      other.setChoking(false)
      free--
    }
  }

  tick(now: Instant): void {
    if (now < this.#nextRoundAt) return
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
    for (const session of sessions) session.setChoking(!unchoked.has(session.id))
  }
}
