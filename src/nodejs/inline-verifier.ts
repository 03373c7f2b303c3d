/**
 * Hashes received pieces on the network thread, one per turn of the event loop, so that
 * sockets are served in between.
 */
import { hash } from 'node:crypto'
import { ok } from '../base/result.ts'
import type { PieceVerifier } from '../ports/piece-verifier.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, merkleRoot } from '../wire/merkle.ts'
import { nodeCrypto } from './node-crypto.ts'

export const inlineVerifier: PieceVerifier = {
  digest(bytes, wantsSha1, merkle, done) {
    setImmediate(() => {
      const sha1 = wantsSha1 ? hash('sha1', bytes, 'buffer') : undefined
      const root = merkle && pieceRoot(bytes.subarray(0, merkle.length), merkle.leafCount)
      done(ok({ sha1, merkleRoot: root }))
    })
  },
}

function pieceRoot(content: Uint8Array, leafCount: number): Uint8Array {
  const leaves = new Uint8Array(Math.ceil(content.length / MERKLE_BLOCK_LENGTH) * MERKLE_HASH_LENGTH)
  for (let at = 0, leaf = 0; at < content.length; at += MERKLE_BLOCK_LENGTH, leaf += MERKLE_HASH_LENGTH)
    leaves.set(hash('sha256', content.subarray(at, at + MERKLE_BLOCK_LENGTH), 'buffer'), leaf)
  return merkleRoot(leaves, nodeCrypto, 0, leafCount)
}
