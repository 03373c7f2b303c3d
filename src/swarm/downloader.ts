/**
 * Asks peers for blocks and puts the answers together: keeps every unchoked peer's request window full, hands
 * complete pieces to the hasher, and takes back what a peer will not bring.
 * Order of choice for a peer: the piece it is on, a piece another peer left behind, a new piece from
 * the picker, and in the endgame (nothing left to start) the blocks others were asked for, with a
 * cancel to whoever comes second.
 * Invariant: outside the endgame a piece is requested from one peer only.
 */

import { equalBytes } from '../base/bytes.ts'
import { type Instant, milliseconds, seconds } from '../base/time.ts'
import type { TokenBucket } from '../base/token-bucket.ts'
import { type BlockRange, MESSAGE } from '../wire/peer-messages.ts'
import type { PieceDigests } from './effects.ts'
import { Endgame } from './endgame.ts'
import type { Holdings } from './holdings.ts'
import { Parole } from './parole.ts'
import type { PeerSession } from './peer-session.ts'
import { BLOCK, type GatheringPiece } from './piece-tracker.ts'
import type { Probation } from './probation.ts'
import type { TorrentCore } from './torrent-core.ts'

/**
 * A peer of which so many are wanted at once brings several in one message within half a second. So long
 * nobody else may bring them.
 */
const LONG_QUEUE_BLOCKS = 32

/** With more unstarted pieces than this there is plenty for everybody. */
const FAIR_SHARE_PIECES_MAX = 200
const FAIR_SHARE_MIN = 4

export class Downloader {
  /**
   * Peers with room in their window were left without requests: for want of budget or
   * buffers, or on probation.
   */
  isStarved = false
  readonly parole: Parole
  /** Set before there is any session. */
  probation!: Probation
  readonly #core: TorrentCore
  readonly #endgame: Endgame
  readonly #holdings: Holdings
  readonly #budget: TokenBucket
  /** Microseconds. */
  readonly #requestTimeout: number
  /** Pieces whose owner left. Bounded by `unverifiedBytesMax`. */
  readonly #orphans = new Set<GatheringPiece>()
  readonly #blocksPerPiece: number
  /** The block of the piece that `#next` gave last. */
  #nextBlock = -1

  constructor(core: TorrentCore, holdings: Holdings, budget: TokenBucket, requestTimeoutSeconds: number) {
    this.#core = core
    this.parole = new Parole(core)
    this.#endgame = new Endgame(core, this.parole)
    this.#holdings = holdings
    this.#requestTimeout = seconds(requestTimeoutSeconds)
    this.#budget = budget
    this.#blocksPerPiece = Math.ceil(core.geometry.pieceLength / core.geometry.blockLength)
  }

  /** Requests blocks until the peer's window is full. Small gaps are left until they are worth a message. */
  fill(now: Instant, session: PeerSession): void {
    if (session.peerChoking || !session.amInterested || session.ending !== undefined) return
    if (session.isUntried && this.probation.holds(session)) return
    const depth = Math.min(session.window.depth, session.requestQueueLength, this.#fairShare())
    const { outstanding } = session
    const { geometry } = this.#core
    const wasIdle = outstanding.size === 0
    if (outstanding.size > depth - Math.max(1, depth >> 2)) return
    const { isAheadOfDisk } = this.#core.pieces
    const together = depth >= LONG_QUEUE_BLOCKS ? session.blocksPerMessage : 1
    /** What is asked for in the next message: blocks of a piece from one on. */
    let piece = -1
    let first = 0
    let count = 0
    let bytes = 0
    while (outstanding.size < depth) {
      if (isAheadOfDisk || this.#budget.readyAt(now) !== undefined) {
        this.isStarved = true
        break
      }
      const gathering = this.#next(session)
      if (gathering === undefined) break
      const block = this.#nextBlock
      const length = geometry.blockSize(gathering.piece, block)
      const isLast = session.isUntried && this.probation.asks(now, session, gathering)
      this.#budget.take(now, length)
      outstanding.add(gathering, block)
      if (gathering.piece !== piece || block !== first + count || count >= together) {
        this.#request(session, piece, first, bytes)
        piece = gathering.piece
        first = block
        count = bytes = 0
      }
      count++
      bytes += length
      if (isLast) break
    }
    this.#request(session, piece, first, bytes)
    if (wasIdle) session.lastBlockAt = now
  }

  /**
   * Gives the arriving blocks their place, if they were asked for and nobody brought or is bringing one of
   * them.
   */
  blockStarts(session: PeerSession, piece: number, begin: number, length: number): void {
    const count = this.#countOf(piece, begin, length)
    if (count === 0) return
    const { outstanding } = session
    const first = begin / this.#core.geometry.blockLength
    const at = outstanding.indexOf(piece, first)
    if (at < 0) return
    const gathering = outstanding.gatheringAt(at)
    for (let block = first; block < first + count; block++)
      if (gathering.blocks[block] !== BLOCK.requested || (count > 1 && outstanding.indexOf(piece, block) < 0))
        return
    if (!this.parole.mayBring(session, gathering)) return
    for (let block = first; block < first + count; block++) gathering.blocks[block] = BLOCK.arriving
    session.arriving = gathering
    session.arrivingBlock = first
    session.arrivingCount = count
    session.reader.target = this.#core.pieces.bufferOf(gathering)
    session.reader.targetAt = begin
  }

  blockEnds(now: Instant, session: PeerSession, piece: number, begin: number, length: number): void {
    const count = this.#countOf(piece, begin, length)
    if (count === 0) return
    const { arriving, arrivingBlock, outstanding } = session
    const { geometry } = this.#core
    const first = begin / geometry.blockLength
    let bytes = 0
    let blockCount = 0
    let isTrusted = true
    for (let block = first; block < first + count; block++) {
      const at = outstanding.indexOf(piece, block)
      if (at < 0) continue
      const gathering = outstanding.gatheringAt(at)
      outstanding.removeAt(at)
      bytes += geometry.blockSize(piece, block)
      blockCount++
      const isWanted = arriving === gathering && arrivingBlock === first
      if (!isWanted || !isTrusted) this.#withdraw(gathering, block, isWanted)
      else if (gathering.blockHashes !== undefined && !this.#isRight(session, gathering, block))
        isTrusted = false
      else this.brought(gathering, block, session.address)
    }
    session.arriving = undefined
    if (bytes === 0) return
    session.lastBlockAt = now
    session.downloaded.add(now, bytes)
    this.#core.downloaded.add(now, bytes)
    session.window.received(now, bytes, blockCount)
  }

  /** The block has arrived whole from this address. */
  brought(gathering: GatheringPiece, block: number, address: string): void {
    if (--gathering.askers[block]! > 0) this.#cancelElsewhere(gathering, block)
    if (this.#core.pieces.receive(gathering, block, address)) this.#complete(gathering)
  }

  /** A piece that somebody left behind becomes the owner's; undefined when there is none for it. */
  adoptOrphan(owner: number, has: (piece: number) => boolean): GatheringPiece | undefined {
    for (const gathering of this.#orphans) {
      if (gathering.freeCount === 0 || !has(gathering.piece)) continue
      this.#orphans.delete(gathering)
      gathering.owner = owner
      return gathering
    }
    return undefined
  }

  /** An owner without a session gives up what it did not finish: left for others if any of it is there. */
  leave(gathering: GatheringPiece, owner: number): void {
    const { picker, pieces } = this.#core
    const { piece } = gathering
    if (gathering.owner !== owner || pieces.gathering.get(piece) !== gathering) return
    gathering.owner = undefined
    if (gathering.freeCount < gathering.blocks.length) {
      this.#orphans.add(gathering)
      return
    }
    pieces.abandon(gathering)
    if (pieces.isOpen(piece)) picker.open(piece)
  }

  /** The peer choked us (without BEP 6 that drops every request), was snubbed, or is gone. */
  release(session: PeerSession): void {
    const { outstanding, arriving, arrivingBlock, arrivingCount } = session
    for (const { gathering, block } of outstanding) {
      const isArriving = block >= arrivingBlock && block < arrivingBlock + arrivingCount
      this.#withdraw(gathering, block, arriving === gathering && isArriving)
    }
    outstanding.clear()
    session.arriving = undefined
    session.reader.target = undefined
    this.disown(session)
  }

  /** Its pieces may be finished by others; what is still on its way is taken all the same. */
  disown(session: PeerSession): void {
    session.current = undefined
    for (const gathering of session.gathering) {
      this.#orphan(session, gathering)
    }
    session.gathering.clear()
  }

  /** A piece goes on with the blocks of it that are right. */
  reopened(gathering: GatheringPiece): void {
    this.#orphans.add(gathering)
  }

  /**
   * Frees the memory of orphans that no connected peer can finish now; true when there were
   * any. What is on its way still has its place (BEP 6: who chokes us may yet send what we
   * asked for), until it comes or is overdue.
   */
  abandonHopeless(): boolean {
    let hasAbandoned = false
    for (const gathering of this.#orphans) {
      if (this.#canBeFinished(gathering.piece) || gathering.askers.some((count) => count > 0)) continue
      this.#orphans.delete(gathering)
      this.#core.pieces.abandon(gathering)
      if (this.#core.pieces.isOpen(gathering.piece)) this.#core.picker.open(gathering.piece)
      hasAbandoned = true
    }
    return hasAbandoned
  }

  /** Gives back the memory of everything that is not complete: another torrent waits for all of it. */
  abandonAll(): void {
    const { geometry, picker, pieces, sessions } = this.#core
    for (const session of sessions.values()) {
      for (const { gathering, block } of session.outstanding) {
        const length = geometry.blockSize(gathering.piece, block)
        session.writer.block(MESSAGE.cancel, gathering.piece, block * geometry.blockLength, length)
      }
      this.release(session)
    }
    this.#orphans.clear()
    for (const gathering of [...pieces.gathering.values()]) {
      pieces.abandon(gathering)
      if (pieces.isOpen(gathering.piece)) picker.open(gathering.piece)
    }
    this.isStarved = true
  }

  /** True when the peer had promised to send the block. */
  rejected(session: PeerSession, range: BlockRange): boolean {
    const at = this.#placeOf(session, range.piece, range.begin, range.length)
    if (at < 0) return false
    const gathering = session.outstanding.gatheringAt(at)
    const block = session.outstanding.blockAt(at)
    session.outstanding.removeAt(at)
    this.#withdraw(gathering, block, false)
    if (session.gathering.delete(gathering)) this.#orphan(session, gathering)
    if (session.current === gathering) session.current = undefined
    return true
  }

  /** Snubs peers that owe blocks for too long; true when blocks became free. */
  checkTimeouts(now: Instant): boolean {
    let hasFreed = false
    for (const session of this.#core.sessions.values()) {
      if (session.outstanding.size === 0) continue
      if (now - session.lastBlockAt < this.#requestTimeout) continue
      session.window.snub()
      this.release(session)
      session.lastBlockAt = now
      hasFreed = true
    }
    return hasFreed
  }

  /** When a peer left hungry for want of download budget may ask again. */
  nextTimeout(now: Instant): Instant | undefined {
    if (!this.isStarved) return undefined
    return this.#budget.readyAt(now) ?? ((now + milliseconds(50)) as Instant)
  }

  /**
   * Do the digests fit what the metainfo says? Hybrid pieces must fit both ways; one that fits one way only
   * is as its sender should have it, and the torrent is at fault (S10).
   */
  judge(piece: number, digests: PieceDigests): 'right' | 'wrong' | 'inconsistent' {
    const { metainfo } = this.#core.options
    const sha1 = metainfo.pieceHashesV1?.subarray(20 * piece, 20 * piece + 20)
    const root = metainfo.infoHashV2 === null ? undefined : this.#core.geometry.merkleHash(piece)
    if (sha1 === undefined && root === undefined) return 'wrong'
    const isSha1Right = sha1 === undefined || (digests.sha1 !== undefined && equalBytes(sha1, digests.sha1))
    const isRootRight =
      root === undefined || (digests.merkleRoot !== undefined && equalBytes(root, digests.merkleRoot))
    if (isSha1Right && isRootRight) return 'right'
    if (sha1 === undefined || root === undefined || isSha1Right === isRootRight) return 'wrong'
    // Only SHA-1 covers padding, which the sender may have spoiled.
    const isPaddingInDoubt = isRootRight && this.#core.geometry.paddingLength(piece) > 0
    return isPaddingInDoubt ? 'wrong' : 'inconsistent'
  }

  /** The piece to ask the peer for next, and in `#nextBlock` the block of it, now marked as requested. */
  #next(session: PeerSession): GatheringPiece | undefined {
    const { current } = session
    if (current !== undefined && this.#hasNext(current)) return current
    const gathering = this.#ownedWithFreeBlocks(session) ?? this.#adopt(session) ?? this.#start(session)
    session.current = gathering
    if (gathering !== undefined && this.#hasNext(gathering)) return gathering
    return this.#core.picker.obtainableCount === 0 ? this.#join(session) : undefined
  }

  /**
   * Towards the end no peer may reserve more than its share of what nobody was asked for yet, or the last
   * blocks would wait in one queue while other peers run dry.
   */
  #fairShare(): number {
    const { openCount } = this.#core.picker
    if (openCount > FAIR_SHARE_PIECES_MAX) return Number.POSITIVE_INFINITY
    const blocks = openCount * this.#blocksPerPiece
    return Math.max(FAIR_SHARE_MIN, Math.ceil(blocks / Math.max(1, this.#holdings.usefulCount)))
  }

  #ownedWithFreeBlocks(session: PeerSession): GatheringPiece | undefined {
    if (!session.hasFreed) return undefined
    for (const gathering of session.gathering) if (gathering.freeCount > 0) return gathering
    session.hasFreed = false
    return undefined
  }

  #adopt(session: PeerSession): GatheringPiece | undefined {
    if (this.#orphans.size === 0 || !this.#mayBegin(session)) return undefined
    const mayAdopt = this.parole.mayAdopt(session)
    for (const gathering of this.#orphans) {
      if (gathering.freeCount === 0 || !session.have.has(gathering.piece)) continue
      if (!mayAdopt(gathering)) continue
      this.#orphans.delete(gathering)
      gathering.owner = session.id
      session.gathering.add(gathering)
      return gathering
    }
    return undefined
  }

  #start(session: PeerSession): GatheringPiece | undefined {
    const { options, picker, pieces } = this.#core
    if (!this.#mayBegin(session)) return undefined
    if (pieces.gathering.size >= options.gatheringPiecesMax) {
      this.isStarved = true
      return undefined
    }
    if (session.nothingAtOpenings === picker.openings) return undefined
    const piece = this.#pick(session)
    if (piece < 0) {
      session.nothingAtOpenings = picker.openings
      return undefined
    }
    const gathering = pieces.start(piece, session.id)
    session.waitingFor = gathering === undefined ? piece : -1
    if (gathering === undefined) {
      this.isStarved = true
      return undefined
    }
    picker.close(piece)
    session.gathering.add(gathering)
    return gathering
  }

  /**
   * While there is no room the choice stands: searching again for each byte that comes would cost too much.
   */
  #pick(session: PeerSession): number {
    const { picker, pieces } = this.#core
    const suspect = this.parole.firstChoice(session)
    if (suspect >= 0) return suspect
    const { have, waitingFor } = session
    if (waitingFor >= 0 && have.has(waitingFor) && pieces.isOpen(waitingFor)) return waitingFor
    return picker.pick(have)
  }

  /** Asks for blocks of a piece; for none of them when there are no bytes. */
  #request({ writer }: PeerSession, piece: number, first: number, bytes: number): void {
    if (bytes > 0) writer.block(MESSAGE.request, piece, first * this.#core.geometry.blockLength, bytes)
  }

  #hasNext(gathering: GatheringPiece): boolean {
    this.#nextBlock = this.#core.pieces.requestNext(gathering)
    return this.#nextBlock >= 0
  }

  #join(session: PeerSession): GatheringPiece | undefined {
    const isOnOnePiece =
      this.#core.options.piecesPerPeerMax === 1 || (session.isUntried && !this.probation.mayBegin(session))
    const gathering = this.#endgame.choose(session, isOnOnePiece)
    this.#nextBlock = this.#endgame.block
    return gathering
  }

  #mayBegin(session: PeerSession): boolean {
    if (session.gathering.size >= this.#core.options.piecesPerPeerMax) return false
    if (!session.isUntried || this.probation.mayBegin(session)) return true
    this.isStarved = true
    return false
  }

  /** A block of a piece whose block hashes are known. Who sent a wrong one is asked for no more. */
  #isRight(session: PeerSession, gathering: GatheringPiece, block: number): boolean {
    const isRight = this.probation.isRight(gathering, block)
    if (isRight && session.isUntried) this.probation.proved(session, 1)
    if (isRight) return true
    this.#withdraw(gathering, block, true)
    this.probation.caught(session, gathering.piece)
    return false
  }

  #orphan(session: PeerSession, gathering: GatheringPiece): void {
    gathering.owner = undefined
    this.#orphans.add(gathering)
    this.parole.orphaned(session, gathering)
  }

  #canBeFinished(piece: number): boolean {
    for (const session of this.#core.sessions.values())
      if (!session.peerChoking && session.have.has(piece)) return true
    return false
  }

  #cancelElsewhere(gathering: GatheringPiece, block: number): void {
    const { geometry, sessions } = this.#core
    const { askers, piece } = gathering
    for (const { outstanding, writer } of sessions.values()) {
      const at = outstanding.indexOf(piece, block)
      if (at < 0) continue
      outstanding.removeAt(at)
      writer.block(MESSAGE.cancel, piece, block * geometry.blockLength, geometry.blockSize(piece, block))
      if (--askers[block]! === 0) return
    }
  }

  #complete(gathering: GatheringPiece): void {
    const { geometry, options } = this.#core
    this.#orphans.delete(gathering)
    if (gathering.owner !== undefined) {
      const owner = this.#core.sessions.get(gathering.owner)
      owner?.gathering.delete(gathering)
      if (owner?.current === gathering) owner.current = undefined
    }
    this.#core.emit({
      kind: 'hash-piece',
      torrent: this.#core.id,
      piece: gathering.piece,
      bytes: this.#core.pieces.bufferOf(gathering),
      wantsSha1: options.metainfo.pieceHashesV1 !== null,
      merkle: options.metainfo.infoHashV2 === null ? undefined : geometry.merklePiece(gathering.piece),
    })
  }

  /** A block that may be asked of others again; its piece's owner must look at the piece once more. */
  #withdraw(gathering: GatheringPiece, block: number, wasArriving: boolean): void {
    this.#core.pieces.withdraw(gathering, block, wasArriving)
    if (gathering.freeCount === 0 || gathering.owner === undefined) return
    const owner = this.#core.sessions.get(gathering.owner)
    if (owner !== undefined) owner.hasFreed = true
  }

  /** How many whole blocks a range is; 0 when it is anything else. */
  #countOf(piece: number, begin: number, length: number): number {
    const { geometry } = this.#core
    return geometry.isBlocks(piece, begin, length) ? Math.ceil(length / geometry.blockLength) : 0
  }

  /** The place of a range among what the peer was asked for; -1 when it was not asked for exactly that. */
  #placeOf(session: PeerSession, piece: number, begin: number, length: number): number {
    const { geometry } = this.#core
    const block = begin / geometry.blockLength
    // Short junk, many messages a packet, is not worth a search.
    if (piece >= geometry.pieceCount || length !== geometry.blockSize(piece, block)) return -1
    return session.outstanding.indexOf(piece, block)
  }
}
