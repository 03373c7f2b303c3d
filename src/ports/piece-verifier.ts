/**
 * Hashing of whole pieces that came from peers, and of single blocks. `bytes` stays untouched until `done`,
 * which comes in a later turn.
 */
import type { Result } from '../base/result.ts'
import type { PieceDigests } from '../swarm/effects.ts'
import type { MerklePiece } from '../swarm/geometry.ts'

export interface PieceVerifier {
  digest(
    bytes: Uint8Array,
    wantsSha1: boolean,
    merkle: MerklePiece | undefined,
    done: (result: Result<PieceDigests>) => void,
  ): void
  /** SHA-256 of each 16 KiB of the bytes, one after the other; the last block may be short (BEP 52). */
  digestBlocks(bytes: Uint8Array, done: (result: Result<Uint8Array>) => void): void
}
