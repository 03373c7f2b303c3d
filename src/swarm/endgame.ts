/**
 * What to ask a peer for when there is nothing left to start: blocks of pieces that others are on, free ones
 * first, then such as another was asked for and will bring later. Whoever comes second is told to cancel
 * (`downloader.ts`).
 */
import type { Parole } from './parole.ts'
import type { PeerSession } from './peer-session.ts'
import { BLOCK, type GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'

/** In the endgame a block is asked of at most this many peers. */
const ENDGAME_ASKERS_MAX = 3
/** A peer with fewer requests than this may take over blocks of others in the endgame. */
const ENDGAME_REQUESTS_MIN = 2

export class Endgame {
  /** The block of the piece that `choose` gave last. */
  block = -1
  readonly #core: TorrentCore
  readonly #parole: Parole

  constructor(core: TorrentCore, parole: Parole) {
    this.#core = core
    this.#parole = parole
  }

  /**
   * The piece to ask the peer for, and in `block` the block of it, now marked as requested.
   * @param isOnOnePiece the peer may have requests for one piece at a time
   */
  choose(session: PeerSession, isOnOnePiece: boolean): GatheringPiece | undefined {
    const { pieces } = this.#core
    const mayJoin = this.#parole.mayJoin(session)
    for (const gathering of pieces.gathering.values()) {
      if (!session.have.has(gathering.piece) || !mayJoin(gathering)) continue
      if (isOnOnePiece && !isOnlyOn(session, gathering)) continue
      this.block = pieces.requestNext(gathering)
      if (this.block >= 0) return gathering
    }
    return this.#overtake(session, isOnOnePiece, mayJoin)
  }

  /**
   * A block that another peer was asked for and will bring later than this one could: the
   * last one in the longest queue.
   * Asking again wastes upload of others, so only a peer that has nearly run dry does it.
   */
  #overtake(
    session: PeerSession,
    isOnOnePiece: boolean,
    mayJoin: (gathering: GatheringPiece) => boolean,
  ): GatheringPiece | undefined {
    if (session.outstanding.size >= Math.max(ENDGAME_REQUESTS_MIN, session.window.depth >> 2))
      return undefined
    const ownWait = session.window.waitSeconds(session.outstanding.size + 1)
    for (const { outstanding } of this.#slowerThan(ownWait)) {
      for (let at = outstanding.size - 1; at >= 0; at--) {
        const gathering = outstanding.gatheringAt(at)
        const block = outstanding.blockAt(at)
        if (gathering.blocks[block] !== BLOCK.requested || gathering.askers[block]! >= ENDGAME_ASKERS_MAX)
          continue
        const { piece } = gathering
        if (!session.have.has(piece) || session.outstanding.indexOf(piece, block) >= 0) continue
        if (!mayJoin(gathering) || (isOnOnePiece && !isOnlyOn(session, gathering))) continue
        this.#core.pieces.requestAgain(gathering, block)
        this.block = block
        return gathering
      }
    }
    return undefined
  }

  /** Peers that will take longer for what they owe, the slowest first. */
  #slowerThan(waitSeconds: number): PeerSession[] {
    const slower: PeerSession[] = []
    for (const session of this.#core.sessions.values())
      if (session.outstanding.size > 0 && session.waitSeconds > waitSeconds) slower.push(session)
    return slower.sort((a, b) => b.waitSeconds - a.waitSeconds)
  }
}

function isOnlyOn({ outstanding }: PeerSession, gathering: GatheringPiece): boolean {
  return outstanding.size === 0 || outstanding.gatheringAt(0) === gathering
}
