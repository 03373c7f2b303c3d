/** What the verifier and its thread say to one another. */
import type { PieceDigests } from '../swarm/effects.ts'
import type { MerklePiece } from '../swarm/geometry.ts'
import { digestBlocks, digestPiece } from './piece-digests.ts'

export interface VerifyJob {
  readonly id: number
  readonly bytes: Uint8Array
  readonly of: WholePiece | 'blocks'
}

interface WholePiece {
  readonly wantsSha1: boolean
  readonly merkle: MerklePiece | undefined
}

export interface VerifyResult {
  readonly id: number
  /** As the job says, of the piece or of its blocks. */
  readonly hashes: PieceDigests | Uint8Array
}

export function verify({ bytes, of }: VerifyJob): VerifyResult['hashes'] {
  return of === 'blocks' ? digestBlocks(bytes) : digestPiece(bytes, of.wantsSha1, of.merkle)
}
