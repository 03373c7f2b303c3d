/**
 * What a suspicion (`blame.ts`) means for fetching: which piece goes first, who may put blocks to whose, and
 * which blocks do not count any more.
 * Before there is any suspicion a rule bounds the damage: a peer has blocks in at most `MIXED_PIECES_MAX`
 * unverified pieces that others work on too, or a liar that leaves one block in each of many pieces would
 * spoil as many before the first verdict.
 * Parole is a rule about mixing, not about rates: a peer on parole is asked for as much as any other, for
 * pieces of its own. Only in the endgame may others finish what it is slow with, or the
 * end would wait for it.
 */
import type { PeerSession } from './peer-session.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'

/** With the one spoiled on parole a liar is convicted after three pieces. */
const MIXED_PIECES_MAX = 2
/** Pieces for which one look at them all may search the peers for somebody else. */
const SEARCHES_MAX = 16
/** More blocks of one piece than this are not thrown away before there is a suspicion: half a megabyte. */
const FORGONE_BLOCKS_MAX = 32

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

  /**
   * Says of a piece whose owner left whether the peer may go on with it. Who should rather be alone may when
   * there is nobody else to rely on; on parole it then begins anew.
   */
  mayAdopt(session: PeerSession): (orphan: GatheringPiece) => boolean {
    const { blame, pieces } = this.#core
    const isOnParole = blame.isOnParole(session.address)
    const isOthers = (address: string) => address !== session.address
    let mayMix = isOnParole ? false : undefined
    let searches = 0
    return (orphan) => {
      const { contributors } = orphan
      if (tellsBlocks(orphan)) return true
      const isIn = contributors.has(session.address)
      if (contributors.size === (isIn ? 1 : 0)) return true
      mayMix ??= this.#mixesLessThan(session, MIXED_PIECES_MAX)
      if (mayMix || (isIn && !isOnParole)) return true
      if (
        ++searches > SEARCHES_MAX ||
        this.#hasOther(orphan.piece, (other) => this.#isReliable(session, other))
      )
        return false
      if (isOnParole) {
        pieces.discard(orphan, isOthers)
        blame.lost(session.address)
      }
      return true
    }
  }

  /** Endgame: says of a piece that belongs to another whether the peer may be asked for blocks of it. */
  mayJoin(session: PeerSession): (gathering: GatheringPiece) => boolean {
    if (this.#core.blame.isOnParole(session.address)) return tellsBlocks
    const mixed = this.#mixed(session)
    for (let index = 0; index < session.outstanding.size; index++) {
      const gathering = session.outstanding.gatheringAt(index)
      if (gathering.owner !== session.id) mixed.add(gathering)
    }
    return (gathering) => mixed.size < MIXED_PIECES_MAX || mixed.has(gathering) || tellsBlocks(gathering)
  }

  /** May a block go into the piece that was asked of this peer while it was the owner, or in the endgame? */
  mayBring(session: PeerSession, gathering: GatheringPiece): boolean {
    if (gathering.owner === session.id || gathering.contributors.has(session.address)) return true
    if (tellsBlocks(gathering)) return true
    return this.#mixesLessThan(session, MIXED_PIECES_MAX)
  }

  /** The owner of the piece left: not all that it sent is something that others should build on. */
  orphaned(session: PeerSession, gathering: GatheringPiece): void {
    const count = gathering.contributors.get(session.address)?.blockCount ?? 0
    if (count > 0 && count <= FORGONE_BLOCKS_MAX && !this.#mixesLessThan(session, MIXED_PIECES_MAX + 1))
      this.#discard(gathering, (sender) => sender === session.address)
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

  #isReliable(session: PeerSession, other: PeerSession): boolean {
    if (other === session || this.#core.blame.isOnParole(other.address)) return false
    return other.withheldCount === 0 && !other.window.isSnubbed
  }

  #mixesLessThan(session: PeerSession, max: number): boolean {
    const { gathering, checking } = this.#core.pieces
    let count = 0
    for (const pieces of [gathering, checking])
      for (const piece of pieces.values()) if (isMixed(session, piece) && ++count >= max) return false
    return true
  }

  /** Unverified pieces that this peer and others made, or may yet make, together. */
  #mixed(session: PeerSession): Set<GatheringPiece> {
    const { gathering, checking } = this.#core.pieces
    const mixed = new Set<GatheringPiece>()
    for (const pieces of [gathering, checking])
      for (const piece of pieces.values()) if (isMixed(session, piece)) mixed.add(piece)
    return mixed
  }

  #uphold(gathering: GatheringPiece): void {
    if (tellsBlocks(gathering)) return
    const { blame, sessions } = this.#core
    const owner = gathering.owner === undefined ? undefined : sessions.get(gathering.owner)
    for (const address of [...gathering.contributors.keys()]) {
      if (address === owner?.address || !blame.isOnParole(address)) continue
      this.#discard(gathering, (sender) => sender === address)
      blame.lost(address)
    }
  }

  #discard(gathering: GatheringPiece, isDistrusted: (address: string) => boolean): void {
    if (tellsBlocks(gathering)) return
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

/**
 * Its blocks can be told apart without any suspicion: a wrong one convicts its sender
 * whoever sent the others.
 */
function tellsBlocks({ blockHashes }: GatheringPiece): boolean {
  return blockHashes !== undefined
}

function isMixed(session: PeerSession, piece: GatheringPiece): boolean {
  const { owner, contributors } = piece
  if (tellsBlocks(piece)) return false
  const isIn = contributors.has(session.address)
  const hasOthers = contributors.size > (isIn ? 1 : 0)
  return owner === session.id ? hasOthers : isIn
}
