/**
 * Peers that have not brought anything verified yet (S14). In v2 and hybrid torrents one block of such a peer
 * is asked for, and along with it the hashes of the blocks of its piece (BEP 52, layer 0). Once these are
 * there, each block of the piece is hashed as it comes, and the first that differs bans who sent it. Somebody
 * who spoils everything from the beginning lands one wrong block.
 * The peer itself is asked for the hashes first, as they come along the same way as its block and the work of
 * reading the piece falls on nobody else; when it refuses or is silent, others are. When nobody tells, the
 * blocks of the piece are taken as they come and its hash is looked at in the end, as everywhere else; the
 * peer then has only this one piece in work. That is tried once more when somebody comes who may know.
 * In v1, and where hashes of pieces are missing, a wrong block cannot be told from a right one: there a peer
 * has a few pieces in work until one of them was right.
 * A peer is tried, and treated like all others from then on, with `PROVEN_BLOCKS` right blocks or a right
 * piece that is mostly its own.
 * Invariants: an untried peer has at most one block, asked for or received, of pieces whose block hashes are
 * being asked for, and none but its first on its way in pieces whose are known; for tried peers nothing is
 * hashed here but blocks of pieces whose block hashes are known anyway.
 */

import { equalBytes } from '../base/bytes.ts'
import type { Instant } from '../base/time.ts'
import { parseEndpoint } from '../wire/endpoint.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH } from '../wire/merkle.ts'
import type { BlockHashFetch } from './block-hash-fetch.ts'
import type { PeerSession } from './peer-session.ts'
import { BLOCK, type GatheringPiece, mainContributor } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'

/** Enough for the request window to have opened: 256 KiB, 0.2 ms of hashing. */
const PROVEN_BLOCKS = 16
/** Pieces at risk with a peer that may be lying in each of them. */
const WHOLE_PIECES_MAX = 3
/** Blocks that came before the hashes did are hashed while a message is read, so not more than 1 MiB. */
const CHECKED_AT_ONCE_MAX = 64

export interface ProbationHost {
  /** It sent a block that is not what it should be. Must not close the session yet. */
  caught(address: string, piece: number): void
}

export class Probation {
  /** Some peers wait for hashes no longer, and may be asked for more. Cleared by who asks them. */
  hasReleased = false
  readonly #core: TorrentCore
  /** Blocks can be told apart in every piece. */
  readonly #isByBlock: boolean
  readonly #fetch: BlockHashFetch
  readonly #host: ProbationHost
  /** Pieces whose block hashes nobody told, by whether that may be tried once more. */
  readonly #untold = new WeakMap<GatheringPiece, boolean>()

  constructor(core: TorrentCore, fetch: BlockHashFetch, host: ProbationHost) {
    this.#core = core
    this.#fetch = fetch
    this.#host = host
    const { metainfo } = core.options
    const { pieceLength, blockLength, files } = core.geometry
    this.#isByBlock =
      metainfo.infoHashV2 !== null &&
      blockLength === MERKLE_BLOCK_LENGTH &&
      files.every(
        ({ isPad, length, piecesRoot, pieceLayer }) =>
          isPad || length === 0 || (piecesRoot !== null && (length <= pieceLength || pieceLayer !== null)),
      )
  }

  /** An untried peer may begin with one more piece. */
  mayBegin(session: PeerSession): boolean {
    let atRisk = 0
    for (const { blockHashes } of session.gathering) if (blockHashes === undefined) atRisk++
    for (const { blockHashes, contributors, isOnTrial } of this.#core.pieces.checking.values())
      if (blockHashes === undefined && !isOnTrial && contributors.has(session.address)) atRisk++
    return atRisk < (this.#isByBlock ? 1 : WHOLE_PIECES_MAX)
  }

  /**
   * An untried peer may not be asked for another block yet: the hashes for its first are on their
   * way, or they were there before it.
   */
  holds({ awaits, current, outstanding, provenBlocks }: PeerSession): boolean {
    if (awaits !== undefined) return true
    return provenBlocks === 0 && outstanding.size > 0 && current?.blockHashes !== undefined
  }

  /** An untried peer is about to be asked for a block. True when that has to be the last for now. */
  asks(now: Instant, session: PeerSession, gathering: GatheringPiece): boolean {
    if (!this.#isByBlock) return false
    if (gathering.blockHashes !== undefined) return session.provenBlocks === 0
    const { geometry } = this.#core
    const mayRetry = this.#untold.get(gathering)
    if (mayRetry === false || (mayRetry && !this.#fetch.hasHope(gathering.piece))) return false
    const place = geometry.merklePlace(gathering.piece)
    // The hash of the piece is that of its only block.
    if (place?.leafCount === 1) {
      gathering.blockHashes = geometry.merkleHash(gathering.piece)
      return session.provenBlocks === 0
    }
    if (this.#fetch.begin(now, gathering, session)) {
      // The first peer of a download has nobody beside it, and the next come a moment later.
      if (mayRetry) this.#untold.set(gathering, false)
      session.awaits = gathering
      return true
    } else this.#untold.set(gathering, true)
    return false
  }

  /** A block of a piece whose block hashes are known has come. */
  isRight(gathering: GatheringPiece, block: number): boolean {
    const { env, geometry, pieces } = this.#core
    const { piece, blockHashes } = gathering
    const begin = block * geometry.blockLength
    const end = begin + geometry.blockSize(piece, block)
    // What is padding in a hybrid no leaf covers, and v1 wants it to be zero.
    const covered = Math.max(begin, Math.min(end, geometry.merklePiece(piece).length))
    const bytes = pieces.bufferOf(gathering)
    if (bytes.subarray(covered, end).some((byte) => byte !== 0)) return false
    if (covered === begin) return true
    const at = block * MERKLE_HASH_LENGTH
    const hash = blockHashes!.subarray(at, at + MERKLE_HASH_LENGTH)
    return equalBytes(env.crypto.sha256(bytes.subarray(begin, covered)), hash)
  }

  /** A block that it sent is wrong, and thrown away already. */
  caught({ address }: PeerSession, piece: number): void {
    this.#host.caught(address, piece)
  }

  /** Blocks of the peer were right. */
  proved(session: PeerSession, blockCount: number): void {
    session.provenBlocks += blockCount
    if (session.provenBlocks >= PROVEN_BLOCKS) session.isUntried = false
  }

  /** The piece is right and on disk. */
  verified(written: GatheringPiece): void {
    const main = mainContributor(written)
    for (const session of this.#core.sessions.values()) {
      if (!session.isUntried) continue
      this.proved(session, written.contributors.get(session.address)?.blockCount ?? 0)
      if (session.address === main) session.isUntried = false
    }
  }

  /** The hashes of its blocks have come: what is there of it already is looked at. */
  told(gathering: GatheringPiece): void {
    if (this.#core.pieces.gathering.get(gathering.piece) === gathering) this.#check(gathering)
    this.#release(gathering)
  }

  untold(gathering: GatheringPiece): void {
    if (!this.#untold.has(gathering)) this.#untold.set(gathering, true)
    this.#release(gathering)
  }

  #release(gathering: GatheringPiece): void {
    for (const session of this.#core.sessions.values()) {
      if (session.awaits !== gathering) continue
      session.awaits = undefined
      this.hasReleased = true
    }
  }

  /** Blocks of untried peers, and of those who left: the others are looked at in the end. */
  #check(gathering: GatheringPiece): void {
    const { pieces, sessions } = this.#core
    const { blocks, piece, senders } = gathering
    const there = new Map([...sessions.values()].map((session) => [session.address, session]))
    const liars = new Set<string>()
    let checkedCount = 0
    for (let block = 0; block < blocks.length && checkedCount < CHECKED_AT_ONCE_MAX; block++) {
      const sender = senders[block]!
      const session = there.get(sender)
      if (blocks[block] !== BLOCK.received || session?.isUntried === false) continue
      if (parseEndpoint(sender) === undefined) continue
      checkedCount++
      if (this.isRight(gathering, block)) {
        if (session !== undefined) this.proved(session, 1)
        continue
      }
      liars.add(sender)
      pieces.takeBack(gathering, block)
    }
    for (const address of liars) this.#host.caught(address, piece)
  }
}
