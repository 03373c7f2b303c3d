/**
 * Pieces of v2 and hybrid torrents whose hash does not fit, and the search for the blocks that are to blame
 * (S14). The hashes of the blocks are asked for (`block-hash-fetch.ts`) unless they are known. Then the
 * blocks themselves are hashed: what differs is wrong, and whoever sent it is convicted by that one block.
 * A piece keeps its bytes while it waits, so that nothing right is fetched twice. When nobody tells in time,
 * it is handled like one of v1 (`blame.ts`).
 * Invariants: at most `trialsMax` pieces of `trialBytesMax` bytes wait, or one that is longer. Verdicts come
 * from completions and the clock only, never while a message is being read, because they close sessions.
 */

import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Result } from '../base/result.ts'
import type { Instant } from '../base/time.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH } from '../wire/merkle.ts'
import type { BlockHashFetch } from './block-hash-fetch.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'

export interface TrialHost {
  /**
   * The end of a trial.
   * @param wrong blocks that are not what they should be; undefined when nobody could tell
   */
  judged(now: Instant, failed: GatheringPiece, wrong: ReadonlySet<number> | undefined): void
}

export class Trials {
  readonly #core: TorrentCore
  readonly #fetch: BlockHashFetch
  readonly #host: TrialHost
  /** By piece, while peers are asked. Bounded by `trialsMax`. */
  readonly #asking = new Map<number, GatheringPiece>()
  /** By piece, while its blocks are hashed. Bounded by `trialsMax`. */
  readonly #hashing = new Map<number, GatheringPiece>()
  #bytes = 0

  constructor(core: TorrentCore, fetch: BlockHashFetch, host: TrialHost) {
    this.#core = core
    this.#fetch = fetch
    this.#host = host
  }

  /** Pieces that wait. */
  get size(): number {
    return this.#asking.size + this.#hashing.size
  }

  /** False when there is no way to tell its blocks apart; else `judged` comes later. */
  begin(now: Instant, failed: GatheringPiece): boolean {
    const { geometry, pieces } = this.#core
    const size = geometry.pieceSize(failed.piece)
    const { leafCount } = geometry.merklePlace(failed.piece) ?? { leafCount: 0 }
    if (leafCount < 2 || geometry.blockLength !== MERKLE_BLOCK_LENGTH || !this.#hasRoom(size)) return false
    if (failed.blockHashes !== undefined) this.#compare(failed)
    else if (this.#fetch.begin(now, failed)) this.#asking.set(failed.piece, failed)
    else return false
    this.#bytes += size
    pieces.suspend(failed)
    return true
  }

  /** The hashes of the piece's blocks have come. */
  told({ piece }: GatheringPiece): void {
    const failed = this.#asking.get(piece)
    if (failed === undefined) return
    this.#asking.delete(piece)
    this.#compare(failed)
  }

  /** Nobody tells them. */
  untold(now: Instant, { piece }: GatheringPiece): void {
    const failed = this.#asking.get(piece)
    if (failed === undefined) return
    this.#asking.delete(piece)
    this.#judge(now, failed, undefined)
  }

  /** The answer to `hash-blocks`. */
  blocksHashed(now: Instant, piece: number, result: Result<Uint8Array>): void {
    const failed = this.#hashing.get(piece)
    if (failed === undefined) return
    this.#hashing.delete(piece)
    this.#judge(now, failed, result.ok ? this.#wrong(failed, result.value) : undefined)
  }

  #hasRoom(length: number): boolean {
    if (this.size >= LIMITS.trialsMax.value) return false
    return this.size === 0 || this.#bytes + length <= LIMITS.trialBytesMax.value
  }

  #compare(failed: GatheringPiece): void {
    const { geometry, id, pieces } = this.#core
    const { length } = geometry.merklePiece(failed.piece)
    this.#hashing.set(failed.piece, failed)
    const bytes = pieces.bufferOf(failed).subarray(0, length)
    this.#core.emit({ kind: 'hash-blocks', torrent: id, id: failed.piece, bytes })
  }

  #wrong(failed: GatheringPiece, found: Uint8Array): Set<number> {
    const wrong = new Set<number>()
    const right = failed.blockHashes!
    for (let at = 0; at < right.length; at += MERKLE_HASH_LENGTH) {
      const end = at + MERKLE_HASH_LENGTH
      if (!equalBytes(right.subarray(at, end), found.subarray(at, end))) wrong.add(at / MERKLE_HASH_LENGTH)
    }
    // In a hybrid the last block of a file goes on in padding, which no leaf covers and v1 wants to be zero.
    const { geometry, pieces } = this.#core
    const { length } = geometry.merklePiece(failed.piece)
    const blockEnd = Math.ceil(length / geometry.blockLength) * geometry.blockLength
    const padding = pieces.bufferOf(failed).subarray(length, blockEnd)
    if (padding.some((byte) => byte !== 0)) wrong.add(blockEnd / geometry.blockLength - 1)
    return wrong
  }

  #judge(now: Instant, failed: GatheringPiece, wrong: ReadonlySet<number> | undefined): void {
    this.#bytes -= this.#core.geometry.pieceSize(failed.piece)
    this.#host.judged(now, failed, wrong)
  }
}
