/**
 * The hashes of one whole piece in memory, as the swarm machine compares them: SHA-1 (BEP 3) and the root of
 * its subtree of 16 KiB blocks (BEP 52). Used on the network thread and in the verifier's worker alike.
 */
import { hash } from 'node:crypto'
import type { PieceDigests } from '../swarm/effects.ts'
import type { MerklePiece } from '../swarm/geometry.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, merkleRoot } from '../wire/merkle.ts'
import { nodeCrypto } from './node-crypto.ts'

export function digestPiece(
  bytes: Uint8Array,
  wantsSha1: boolean,
  merkle: MerklePiece | undefined,
): PieceDigests {
  return {
    sha1: wantsSha1 ? hash('sha1', bytes, 'buffer') : undefined,
    merkleRoot: merkle && pieceRoot(bytes.subarray(0, merkle.length), merkle.leafCount),
  }
}

function pieceRoot(content: Uint8Array, leafCount: number): Uint8Array {
  return merkleRoot(digestBlocks(content), nodeCrypto, 0, leafCount)
}

/** 32 bytes for each block of 16 KiB. */
export function digestBlocks(content: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(Math.ceil(content.length / MERKLE_BLOCK_LENGTH) * MERKLE_HASH_LENGTH)
  for (let at = 0, leaf = 0; at < content.length; at += MERKLE_BLOCK_LENGTH, leaf += MERKLE_HASH_LENGTH)
    leaves.set(hash('sha256', content.subarray(at, at + MERKLE_BLOCK_LENGTH), 'buffer'), leaf)
  return leaves
}
