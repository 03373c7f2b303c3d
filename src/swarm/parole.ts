/**
 * What a suspicion (`blame.ts`) means for fetching: which piece goes first, who may put blocks to whose, and
 * which blocks do not count any more.
 * Parole is a rule about mixing, not about rates: a peer on parole is asked for as much as any other, for
 * pieces of its own. Only in the endgame may others finish what it is slow with, or the
 * end would wait for it.
 */
import type { PeerSession } from './peer-session.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'

export class Parole {
  readonly #core: TorrentCore

  constructor(core: TorrentCore) {
    this.#core = core
  }

  /**
   * A piece under suspicion that this peer should fetch before any other; -1 when there is none. One who had
   * a part in it leaves it to those who had not, while there are any.
   */
  firstChoice(session: PeerSession): number {
    const { blame, pieces } = this.#core
    if (blame.recordCount === 0) return -1
    for (const piece of blame.suspects()) {
      if (!session.have.has(piece) || !pieces.isOpen(piece)) continue
      if (!blame.isInvolved(session.address, piece)) return piece
      if (!this.#hasOther(piece, (other) => !blame.isInvolved(other.address, piece))) return piece
    }
    return -1
  }

  /** May the peer go on with a piece whose owner left? */
  mayAdopt(session: PeerSession, orphan: GatheringPiece): boolean {
    const { blame, pieces } = this.#core
    if (!blame.isOnParole(session.address)) return true
    const isOthers = (address: string) => address !== session.address
    if (![...orphan.contributors.keys()].some(isOthers)) return true
    if (this.#hasOther(orphan.piece, (other) => !blame.isOnParole(other.address))) return false
    // Nobody else can: better alone from the start than not at all.
    pieces.discard(orphan, isOthers)
    blame.lost(session.address)
    return true
  }

  /** May the peer be asked for blocks of pieces that belong to others? */
  mayJoin(session: PeerSession): boolean {
    return !this.#core.blame.isOnParole(session.address)
  }

  /** The owner of the piece left: what it sent on parole is nothing that others could build on. */
  orphaned(gathering: GatheringPiece): void {
    if (this.#core.blame.recordCount > 0) this.#uphold(gathering)
  }

  /** There are new suspects. */
  uphold(): void {
    for (const gathering of this.#core.pieces.gathering.values()) this.#uphold(gathering)
  }

  /** A peer was convicted: what it sent of pieces that are not complete would only spoil them. */
  convicted(address: string): void {
    for (const gathering of this.#core.pieces.gathering.values())
      this.#discard(gathering, (sender) => sender === address)
  }

  #uphold(gathering: GatheringPiece): void {
    const { blame, sessions } = this.#core
    const owner = gathering.owner === undefined ? undefined : sessions.get(gathering.owner)
    for (const address of [...gathering.contributors.keys()]) {
      if (address === owner?.address || !blame.isOnParole(address)) continue
      this.#discard(gathering, (sender) => sender === address)
      blame.lost(address)
    }
  }

  #discard(gathering: GatheringPiece, isDistrusted: (address: string) => boolean): void {
    const { pieces, sessions } = this.#core
    if (pieces.discard(gathering, isDistrusted) === 0 || gathering.owner === undefined) return
    const owner = sessions.get(gathering.owner)
    if (owner !== undefined) owner.hasFreed = true
  }

  #hasOther(piece: number, isFit: (session: PeerSession) => boolean): boolean {
    for (const session of this.#core.sessions.values())
      if (!session.peerChoking && session.have.has(piece) && isFit(session)) return true
    return false
  }
}
