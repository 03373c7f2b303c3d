/**
 * Who has what: keeps the picker's availability and each session's interest true as peers come, tell and go.
 * Invariants: availability counts connected peers, seeds apart; `neededCount` of a session is the
 * number of pieces it has that we want and lack, and we are interested exactly while that is
 * positive and we are downloading; `usefulCount` is the number of sessions we are interested in.
 */
import type { Bitfield } from '../base/bitfield.ts'
import type { PeerSession } from './peer-session.ts'
import type { TorrentCore } from './torrent-core.ts'

export class Holdings {
  readonly #core: TorrentCore
  readonly #isDownloading: () => boolean
  #usefulCount = 0

  constructor(core: TorrentCore, isDownloading: () => boolean) {
    this.#core = core
    this.#isDownloading = isDownloading
  }

  /** Connected peers that have something we want and lack. */
  get usefulCount(): number {
    return this.#usefulCount
  }

  /** The peer said all it has; `before` is what was known. */
  told(session: PeerSession, before: Bitfield): void {
    session.nothingAtOpenings = -1
    this.#forget(before)
    this.#learn(session.have)
    this.recount(session)
  }

  /** The peer has one piece more, already set in `session.have`. */
  gained(session: PeerSession, piece: number): void {
    const { picker, pieces } = this.#core
    if (pieces.isOpen(piece)) session.nothingAtOpenings = -1
    if (session.isSeed) {
      for (const other of session.have.ones()) if (other !== piece) picker.peerLost(other)
      picker.seedCount++
    } else picker.peerHas(piece)
    if (pieces.wanted.has(piece) && !pieces.have.has(piece)) this.#needs(session, 1)
  }

  /** The peer refuses to send the piece: for us it does not have it. */
  withheld(session: PeerSession, piece: number): void {
    const { picker, pieces } = this.#core
    if (!session.have.has(piece)) return
    if (session.isSeed) {
      picker.seedCount--
      for (const other of session.have.ones()) if (other !== piece) picker.peerHas(other)
    } else picker.peerLost(piece)
    session.have.clear(piece)
    session.withheldCount++
    if (pieces.wanted.has(piece) && !pieces.have.has(piece)) this.#needs(session, -1)
  }

  left(session: PeerSession): void {
    this.#forget(session.have)
    if (session.amInterested) this.#usefulCount--
  }

  /** We fetch nothing for now. */
  loseInterest(): void {
    for (const session of this.#core.sessions.values()) this.#setInterested(session, false)
  }

  /** We have the piece now. */
  verified(piece: number): void {
    for (const session of this.#core.sessions.values()) if (session.have.has(piece)) this.#needs(session, -1)
  }

  recount(session: PeerSession): void {
    const { pieces } = this.#core
    session.neededCount = 0
    for (const piece of pieces.have.zeros())
      if (pieces.wanted.has(piece) && session.have.has(piece)) session.neededCount++
    this.#needs(session, 0)
  }

  recountAll(): void {
    for (const session of this.#core.sessions.values()) this.recount(session)
  }

  #needs(session: PeerSession, change: number): void {
    session.neededCount += change
    this.#setInterested(session, session.neededCount > 0 && this.#isDownloading())
  }

  #setInterested(session: PeerSession, isInterested: boolean): void {
    if (isInterested === session.amInterested) return
    this.#usefulCount += isInterested ? 1 : -1
    session.setInterested(isInterested)
  }

  #learn(have: Bitfield): void {
    const { picker } = this.#core
    if (have.isFull) picker.seedCount++
    else for (const piece of have.ones()) picker.peerHas(piece)
  }

  #forget(have: Bitfield): void {
    const { picker } = this.#core
    if (have.isFull) picker.seedCount--
    else for (const piece of have.ones()) picker.peerLost(piece)
  }
}
