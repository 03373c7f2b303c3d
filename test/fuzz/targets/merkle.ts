/**
 * Answers to hash requests (BEP 52): the first bytes are the request and the size of the
 * file, the rest the answer.
 * Whatever passes must be exactly the hashes of the true tree.
 */
import { equalBytes } from '../../../src/base/bytes.ts'
import { nodeCrypto } from '../../../src/nodejs/node-crypto.ts'
import {
  answerHashRequest,
  type HashRange,
  MERKLE_HASH_LENGTH,
  merkleRoot,
  verifyHashes,
} from '../../../src/wire/merkle.ts'

const HEADER_LENGTH = 5

export default {
  name: 'merkle',

  seeds: (): Uint8Array[] => [
    message(5, { baseLayer: 0, index: 0, count: 4, proofLayers: 2 }),
    message(5, { baseLayer: 0, index: 4, count: 2, proofLayers: 2 }),
    message(16, { baseLayer: 1, index: 2, count: 2, proofLayers: 2 }),
    message(9, { baseLayer: 0, index: 0, count: 16, proofLayers: 0 }),
  ],

  run(bytes: Uint8Array): void {
    const [blockCount = 0, baseLayer = 0, index = 0, count = 0, proofLayers = 0] = bytes
    if (blockCount === 0) return
    const range = { baseLayer, index, count, proofLayers }
    const root = merkleRoot(leaves(blockCount), nodeCrypto)
    const verified = verifyHashes(root, blockCount, range, bytes.subarray(HEADER_LENGTH), nodeCrypto)
    if (!verified.ok) return
    const answer = answerHashRequest(layer(blockCount, baseLayer), blockCount, range, nodeCrypto)
    if (answer === undefined) throw new Error('proven, but not in the tree')
    if (!equalBytes(answer, bytes.subarray(HEADER_LENGTH))) throw new Error('proven, but not the true hashes')
    if (!equalBytes(verified.value, answer.subarray(0, verified.value.length)))
      throw new Error('other hashes than sent')
  },
}

function leaves(blockCount: number): Uint8Array {
  return Uint8Array.from({ length: blockCount * MERKLE_HASH_LENGTH }, (_, i) => (i >> 5) + 1)
}

/** All hashes of a layer that are not padding. */
function layer(blockCount: number, height: number): Uint8Array {
  const width = 2 ** height
  const parts: Uint8Array[] = []
  for (let block = 0; block < blockCount; block += width) {
    const under = leaves(blockCount).subarray(
      block * MERKLE_HASH_LENGTH,
      (block + width) * MERKLE_HASH_LENGTH,
    )
    parts.push(merkleRoot(under, nodeCrypto, 0, width))
  }
  return new Uint8Array(Buffer.concat(parts))
}

function message(blockCount: number, range: HashRange): Uint8Array {
  const hashes = answerHashRequest(layer(blockCount, range.baseLayer), blockCount, range, nodeCrypto)!
  return Uint8Array.of(blockCount, range.baseLayer, range.index, range.count, range.proofLayers, ...hashes)
}
