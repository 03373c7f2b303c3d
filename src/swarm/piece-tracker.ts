/**
 * What we have of each piece. Every piece is in exactly one of four states, and these are
 * the only ways between them:
 *
 *   missing --start--> gathering --last block--> checking --confirm--> have
 *      ^                   |                        |                    |
 *      +------abandon------+---------refute---------+-------lose---------+
 *
 * and one back: a checked piece of which some blocks are known to be wrong is gathered again without them.
 *
 * A gathering piece owns room in the pool and a state per block; one peer at a time owns the
 * piece, others may join only in the endgame. A block streams in from one peer at a time, so a late
 * copy never overwrites a received one.
 * Invariants: `have` holds exactly the pieces whose bytes were verified and written; the counts and bytes are
 * those of `wanted` and of `wanted` without `have`, kept up to date because they are asked for all the time.
 */
import { assert } from '../base/assert.ts'
import { Bitfield } from '../base/bitfield.ts'
import type { Geometry } from './geometry.ts'
import type { PieceBuffers } from './piece-buffers.ts'

/** So many short ones that wait cost more than their bytes: small files of v2. */
const CHECKING_PIECES_MAX = 4096

export const BLOCK = { free: 0, requested: 1, arriving: 2, received: 3 } as const

/** What one peer brought of a piece. */
interface Contribution {
  readonly address: string
  blockCount: number
}

/** A piece between its first request and its verdict. */
export interface GatheringPiece {
  readonly piece: number
  /** Drawn when the first byte comes. */
  buffer: Uint8Array | undefined
  /** One `BLOCK` state per block. */
  readonly blocks: Uint8Array
  /** How many peers each block is requested from at this moment; more than one only in the endgame. */
  readonly askers: Uint8Array
  freeCount: number
  receivedCount: number
  /** No block before this one is free. */
  firstFree: number
  /** The peer that may request its free blocks; undefined when that peer left and any may adopt it. */
  owner: number | undefined
  /** Blocks delivered, by the peer's address. Bounded by the blocks of the piece. */
  readonly contributors: Map<string, Contribution>
  /**
   * Whose block came last, so that the next one of the same peer needs no search; undefined when not known.
   */
  latest: Contribution | undefined
  /** By block: the address it came from; '' while it is not there, and for padding. */
  readonly senders: string[]
  /**
   * v2: what the blocks must hash to, 32 bytes each, once that had to be found out
   * (`probation.ts`, `trials.ts`).
   */
  blockHashes: Uint8Array | undefined
  /** Its hash did not fit and it waits for those. */
  isOnTrial: boolean
}

export class PieceTracker {
  readonly have: Bitfield
  /** Selected for download. */
  readonly wanted: Bitfield
  /** Bounded by `unverifiedBytesMax`: each entry holds room in the pool. */
  readonly gathering = new Map<number, GatheringPiece>()
  /** Being hashed or written. Bounded the same way. */
  readonly checking = new Map<number, GatheringPiece>()
  readonly #geometry: Geometry
  readonly #buffers: PieceBuffers
  #missingWantedCount: number
  #wantedBytes = 0
  #leftBytes: number
  #checkingBytes = 0

  constructor(geometry: Geometry, buffers: PieceBuffers) {
    this.#geometry = geometry
    this.#buffers = buffers
    this.have = new Bitfield(geometry.pieceCount)
    this.wanted = new Bitfield(geometry.pieceCount)
    this.wanted.fill()
    this.#missingWantedCount = geometry.pieceCount
    for (let piece = 0; piece < geometry.pieceCount; piece++) this.#wantedBytes += geometry.contentSize(piece)
    this.#leftBytes = this.#wantedBytes
  }

  /** Bytes of wanted pieces, there or not, without padding. */
  get wantedBytes(): number {
    return this.#wantedBytes
  }

  /** Bytes of wanted pieces that are not there yet, without padding. */
  get leftBytes(): number {
    return this.#leftBytes
  }

  /** Every wanted piece is verified and written. */
  get isComplete(): boolean {
    return this.#missingWantedCount === 0
  }

  /** Complete, and waiting for hash and disk. */
  get checkingBytes(): number {
    return this.#checkingBytes
  }

  /** Nothing is asked for until some of what waits is written. */
  get isAheadOfDisk(): boolean {
    const bytesMax = Math.max(this.#buffers.checkingBytesMax, this.#geometry.pieceLength)
    return this.#checkingBytes > bytesMax || this.checking.size > CHECKING_PIECES_MAX
  }

  isMissing(piece: number): boolean {
    return !this.have.has(piece) && !this.gathering.has(piece) && !this.checking.has(piece)
  }

  isOpen(piece: number): boolean {
    return this.wanted.has(piece) && this.isMissing(piece)
  }

  select(piece: number, isWanted: boolean): void {
    const changed = isWanted ? this.wanted.set(piece) : this.wanted.clear(piece)
    if (!changed) return
    const sign = isWanted ? 1 : -1
    this.#wantedBytes += sign * this.#geometry.contentSize(piece)
    if (!this.have.has(piece)) this.#misses(piece, sign)
  }

  /** Wants the pieces of these files and no others. */
  selectFiles(files: ReadonlySet<number>): void {
    for (let piece = 0; piece < this.#geometry.pieceCount; piece++) this.select(piece, false)
    for (const file of files) {
      const { first, end } = this.#geometry.filePieces(file)
      for (let piece = first; piece < end; piece++) this.select(piece, true)
    }
  }

  /** Missing -> gathering; undefined while the pool has no room. */
  start(piece: number, owner: number): GatheringPiece | undefined {
    assert(this.isMissing(piece), 'only a missing piece is started')
    const size = this.#geometry.pieceSize(piece)
    if (!this.#buffers.reserve(size, this)) return undefined
    const blockCount = this.#geometry.blockCount(piece)
    const gathering: GatheringPiece = {
      piece,
      buffer: undefined,
      blocks: new Uint8Array(blockCount),
      askers: new Uint8Array(blockCount),
      freeCount: blockCount,
      receivedCount: 0,
      firstFree: 0,
      owner,
      contributors: new Map(),
      latest: undefined,
      senders: new Array<string>(blockCount).fill(''),
      blockHashes: undefined,
      isOnTrial: false,
    }
    this.#skipPadding(gathering, size)
    this.gathering.set(piece, gathering)
    return gathering
  }

  /** Where the piece's bytes go, padding filled in. */
  bufferOf(gathering: GatheringPiece): Uint8Array {
    if (gathering.buffer !== undefined) return gathering.buffer
    const size = this.#geometry.pieceSize(gathering.piece)
    gathering.buffer = this.#buffers.draw(size)
    const padding = this.#geometry.paddingLength(gathering.piece)
    if (padding > 0) gathering.buffer.fill(0, size - padding)
    return gathering.buffer
  }

  /** Blocks that are all padding are known to be zero and never asked for (BEP 47). */
  #skipPadding(gathering: GatheringPiece, size: number): void {
    const padding = this.#geometry.paddingLength(gathering.piece)
    if (padding === 0) return
    // One block is always asked for: a piece completes when a block of it arrives.
    const firstBlock = Math.max(1, Math.ceil((size - padding) / this.#geometry.blockLength))
    for (let block = firstBlock; block < gathering.blocks.length; block++) {
      gathering.blocks[block] = BLOCK.received
      gathering.freeCount--
      gathering.receivedCount++
    }
  }

  /** The next block nobody was asked for, now marked as requested; -1 when there is none. */
  requestNext(gathering: GatheringPiece): number {
    if (gathering.freeCount === 0) return -1
    let block = gathering.firstFree
    while (gathering.blocks[block] !== BLOCK.free) block++
    gathering.blocks[block] = BLOCK.requested
    gathering.askers[block] = 1
    gathering.firstFree = block + 1
    gathering.freeCount--
    return block
  }

  /**
   * The block is arriving from somebody who was not asked for it by itself (a web seed sends whole ranges);
   * false when it is there, or arriving from elsewhere.
   */
  claim(gathering: GatheringPiece, block: number): boolean {
    const state = gathering.blocks[block]!
    if (state >= BLOCK.arriving) return false
    if (state === BLOCK.free) gathering.freeCount--
    gathering.askers[block]!++
    gathering.blocks[block] = BLOCK.arriving
    return true
  }

  /** Endgame: a block that another peer was asked for already. */
  requestAgain(gathering: GatheringPiece, block: number): void {
    assert(gathering.blocks[block] === BLOCK.requested, 'only a requested block is requested again')
    gathering.askers[block]!++
  }

  /** One peer will not bring the block; it is free again when no other was asked. */
  withdraw(gathering: GatheringPiece, block: number, wasArriving: boolean): void {
    const askers = --gathering.askers[block]!
    const state = gathering.blocks[block]
    if (state === BLOCK.received || (state === BLOCK.arriving && !wasArriving)) return
    if (askers > 0) {
      gathering.blocks[block] = BLOCK.requested
      return
    }
    gathering.blocks[block] = BLOCK.free
    gathering.freeCount++
    if (block < gathering.firstFree) gathering.firstFree = block
  }

  /** True when the piece is complete; it is then in state checking. */
  receive(gathering: GatheringPiece, block: number, address: string): boolean {
    assert(gathering.blocks[block] === BLOCK.arriving, 'only an arriving block is received')
    gathering.blocks[block] = BLOCK.received
    gathering.receivedCount++
    gathering.senders[block] = address
    if (gathering.latest?.address !== address) gathering.latest = contribution(gathering, address)
    gathering.latest.blockCount++
    if (gathering.receivedCount < gathering.blocks.length) return false
    this.gathering.delete(gathering.piece)
    this.checking.set(gathering.piece, gathering)
    this.#checkingBytes += this.#geometry.pieceSize(gathering.piece)
    return true
  }

  /** A checked piece waits for hashes of its blocks, which must not keep others from being asked for. */
  suspend(checked: GatheringPiece): void {
    checked.isOnTrial = true
    this.#checkingBytes -= this.#geometry.pieceSize(checked.piece)
  }

  /** Checking -> gathering, for a suspended piece: these blocks are wrong and free again, all others stay. */
  reopen(checked: GatheringPiece, wrong: ReadonlySet<number>): void {
    assert(checked.isOnTrial && this.checking.delete(checked.piece), 'only a suspended piece is reopened')
    checked.isOnTrial = false
    checked.owner = undefined
    for (const block of wrong) this.takeBack(checked, block)
    this.gathering.set(checked.piece, checked)
  }

  /** A received block is wrong and free again. */
  takeBack(gathering: GatheringPiece, block: number): void {
    const sender = gathering.senders[block]!
    const sent = gathering.contributors.get(sender)
    if (sent !== undefined && --sent.blockCount === 0) this.#forget(gathering, sender)
    gathering.senders[block] = ''
    gathering.blocks[block] = BLOCK.free
    gathering.receivedCount--
    gathering.freeCount++
    gathering.firstFree = Math.min(gathering.firstFree, block)
  }

  /** Blocks from these peers do not count any more and are free again; gives how many. */
  discard(gathering: GatheringPiece, isDistrusted: (address: string) => boolean): number {
    const distrusted = [...gathering.contributors.keys()].filter(isDistrusted)
    let discardedCount = 0
    for (let block = 0; distrusted.length > 0 && block < gathering.blocks.length; block++) {
      if (gathering.blocks[block] !== BLOCK.received || !distrusted.includes(gathering.senders[block]!))
        continue
      gathering.senders[block] = ''
      gathering.blocks[block] = BLOCK.free
      gathering.receivedCount--
      gathering.freeCount++
      if (block < gathering.firstFree) gathering.firstFree = block
      discardedCount++
    }
    for (const address of distrusted) this.#forget(gathering, address)
    return discardedCount
  }

  /** Gathering -> missing. Nobody may still be asked for a block of it: what came would land nowhere. */
  abandon(gathering: GatheringPiece): void {
    if (this.gathering.delete(gathering.piece)) this.#release(gathering)
  }

  /** Checking -> have. */
  confirm(piece: number): void {
    this.#leaveChecking(piece)
    this.markHave(piece)
  }

  /** Checking -> missing: the hash did not fit or the disk refused. */
  refute(piece: number): void {
    this.#leaveChecking(piece)
  }

  /** Found on disk and verified there. */
  markHave(piece: number): void {
    if (this.have.set(piece) && this.wanted.has(piece)) this.#misses(piece, -1)
  }

  /** Have -> missing: found to be wrong on disk later. */
  lose(piece: number): void {
    if (this.have.clear(piece) && this.wanted.has(piece)) this.#misses(piece, 1)
  }

  /** One wanted piece more, or less, is not there. */
  #misses(piece: number, sign: 1 | -1): void {
    this.#missingWantedCount += sign
    this.#leftBytes += sign * this.#geometry.contentSize(piece)
  }

  #forget(gathering: GatheringPiece, address: string): void {
    gathering.contributors.delete(address)
    gathering.latest = undefined
  }

  #leaveChecking(piece: number): void {
    const gathering = this.checking.get(piece)
    assert(gathering !== undefined, 'the piece is being checked')
    this.checking.delete(piece)
    if (!gathering.isOnTrial) this.#checkingBytes -= this.#geometry.pieceSize(piece)
    this.#release(gathering)
  }

  #release(gathering: GatheringPiece): void {
    this.#buffers.release(this.#geometry.pieceSize(gathering.piece), gathering.buffer)
    gathering.buffer = undefined
  }
}

function contribution({ contributors }: GatheringPiece, address: string): Contribution {
  const known = contributors.get(address)
  if (known !== undefined) return known
  const begun = { address, blockCount: 0 }
  contributors.set(address, begun)
  return begun
}

/** The address that brought most blocks of a piece. */
export function mainContributor(piece: GatheringPiece): string {
  let best = ''
  let most = 0
  for (const { address, blockCount } of piece.contributors.values()) {
    if (blockCount <= most) continue
    best = address
    most = blockCount
  }
  return best
}
