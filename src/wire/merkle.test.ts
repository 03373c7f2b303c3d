import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import {
  answerHashRequest,
  type HashRange,
  MERKLE_HASH_LENGTH,
  merkleRoot,
  padHash,
  pieceLayerOf,
  rootOfPieceLayer,
  treeHeight,
  verifyHashes,
} from './merkle.ts'

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const crypto: Crypto = {
  sha1: () => {
    throw new Error('not needed')
  },
  sha256: (bytes) => sha256(bytes),
}

/** All layers of a tree over leaves 1, 2, 3 ..., padding included, straight from the definition. */
function layersOf(blockCount: number): Uint8Array[][] {
  let layer = Array.from({ length: 2 ** Math.ceil(Math.log2(blockCount)) }, (_, i) =>
    new Uint8Array(MERKLE_HASH_LENGTH).fill(i < blockCount ? (i % 255) + 1 : 0),
  )
  const layers = [layer]
  while (layer.length > 1) {
    layer = Array.from({ length: layer.length / 2 }, (_, i) => sha256(layer[2 * i]!, layer[2 * i + 1]!))
    layers.push(layer)
  }
  return layers
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(hashes))
}

/** The hashes of a layer that are over blocks. */
function realHashes(blockCount: number, layer: number): Uint8Array {
  return joined(layersOf(blockCount)[layer]!.slice(0, Math.ceil(blockCount / 2 ** layer)))
}

function rootOf(blockCount: number): Uint8Array {
  return layersOf(blockCount).at(-1)![0]!
}

const TREES = fc.integer({ min: 2, max: 70 }).chain((blockCount) => {
  const height = treeHeight(blockCount)
  return fc.integer({ min: 0, max: height - 1 }).chain((baseLayer) =>
    fc.integer({ min: 1, max: height - baseLayer }).chain((log) =>
      fc.record({
        blockCount: fc.constant(blockCount),
        baseLayer: fc.constant(baseLayer),
        count: fc.constant(2 ** log),
        index: fc.nat({ max: 2 ** (height - baseLayer - log) - 1 }).map((at) => at * 2 ** log),
        // Enough to reach the root: all layers between the base and it.
        proofLayers: fc.constant(height - baseLayer - 1),
      }),
    ),
  )
})

function fault(
  blockCount: number,
  range: HashRange,
  hashes: Uint8Array,
  root = rootOf(blockCount),
): string | undefined {
  const verified = verifyHashes(root, blockCount, range, hashes, crypto)
  return verified.ok ? undefined : verified.error.code
}

describe('roots', () => {
  test('pad hashes are those over missing leaves', () => {
    expect(toHex(padHash(0, crypto))).toBe('00'.repeat(32))
    // SHA-256 of 64 zero bytes.
    expect(toHex(padHash(1, crypto))).toBe('f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b')
    expect(padHash(2, crypto)).toEqual(sha256(padHash(1, crypto), padHash(1, crypto)))
  })

  test('a root is over the hashes and padding, as the definition says', () => {
    for (let blockCount = 1; blockCount <= 70; blockCount++) {
      const layers = layersOf(blockCount)
      for (let layer = 0; layer < layers.length; layer++) {
        const width = layers[layer]!.length
        expect(merkleRoot(realHashes(blockCount, layer), crypto, layer, width)).toEqual(rootOf(blockCount))
      }
    }
  })

  test('a wider tree has padding beside', () => {
    const leaf = new Uint8Array(MERKLE_HASH_LENGTH).fill(1)
    expect(merkleRoot(leaf, crypto)).toEqual(leaf)
    expect(merkleRoot(leaf, crypto, 0, 4)).toEqual(
      sha256(sha256(leaf, padHash(0, crypto)), padHash(1, crypto)),
    )
  })

  test('a file is as tall as its blocks need, a piece layer as high as its pieces', () => {
    expect([1, 2, 3, 4, 5, 2 ** 30 + 1].map(treeHeight)).toEqual([0, 1, 2, 2, 3, 31])
    expect([16 * 1024, 32 * 1024, 4 * 1024 * 1024].map(pieceLayerOf)).toEqual([0, 1, 8])
    expect(rootOfPieceLayer(realHashes(11, 2), 64 * 1024, crypto)).toEqual(rootOf(11))
  })
})

describe('proofs (S12)', () => {
  test('an honest answer is taken and gives the hashes that are not padding', () => {
    fc.assert(
      fc.property(TREES, ({ blockCount, ...range }) => {
        const hashes = realHashes(blockCount, range.baseLayer)
        const answer = answerHashRequest(hashes, blockCount, range, crypto)!
        const verified = verifyHashes(rootOf(blockCount), blockCount, range, answer, crypto)
        const from = range.index * MERKLE_HASH_LENGTH
        expect(verified.ok && verified.value).toEqual(
          hashes.subarray(from, from + range.count * MERKLE_HASH_LENGTH),
        )
      }),
    )
  })

  test('one changed bit anywhere is refused', () => {
    fc.assert(
      fc.property(TREES, fc.nat(), ({ blockCount, ...range }, bit) => {
        const answer = answerHashRequest(realHashes(blockCount, range.baseLayer), blockCount, range, crypto)!
        answer[(bit >> 3) % answer.length]! ^= 1 << (bit & 7)
        expect(fault(blockCount, range, answer)).toMatch(/^merkle\/(wrong-hash|bad-padding)$/)
      }),
    )
  })

  test('a true answer for another place or layer is refused', () => {
    fc.assert(
      fc.property(TREES, TREES, ({ blockCount, ...asked }, { blockCount: _, ...other }) => {
        const answer = answerHashRequest(realHashes(blockCount, asked.baseLayer), blockCount, asked, crypto)!
        const verified = verifyHashes(rootOf(blockCount), blockCount, other, answer, crypto)
        if (verified.ok)
          expect(
            answerHashRequest(realHashes(blockCount, other.baseLayer), blockCount, other, crypto),
          ).toEqual(answer)
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, HashRange]>([
    ['a layer above the root', { baseLayer: 3, index: 0, count: 2, proofLayers: 0 }],
    ['a negative layer', { baseLayer: -1, index: 0, count: 2, proofLayers: 0 }],
    ['a place past the end', { baseLayer: 0, index: 8, count: 2, proofLayers: 2 }],
    ['a place that is not aligned', { baseLayer: 0, index: 1, count: 2, proofLayers: 2 }],
    ['one hash', { baseLayer: 0, index: 0, count: 1, proofLayers: 2 }],
    ['no hash', { baseLayer: 0, index: 0, count: 0, proofLayers: 2 }],
    ['three hashes', { baseLayer: 0, index: 0, count: 3, proofLayers: 2 }],
    ['more than the layer', { baseLayer: 0, index: 0, count: 16, proofLayers: 0 }],
    ['a proof past the root', { baseLayer: 0, index: 0, count: 2, proofLayers: 3 }],
    ['a proof below the root', { baseLayer: 0, index: 0, count: 2, proofLayers: 1 }],
    ['half a hash', { baseLayer: 0, index: 0, count: 2.5, proofLayers: 2 }],
    ['nothing of a number', { baseLayer: 0, index: Number.NaN, count: 2, proofLayers: 2 }],
    ['a huge count', { baseLayer: 0, index: 0, count: 2 ** 52, proofLayers: 2 }],
  ])('asking for %s is refused', (_, range) => {
    expect(fault(5, range, new Uint8Array(128))).toBe('merkle/bad-range')
  })

  test('a request that ends inside the tree is answered, though it proves nothing alone', () => {
    const answer = answerHashRequest(
      realHashes(5, 0),
      5,
      { baseLayer: 0, index: 0, count: 2, proofLayers: 1 },
      crypto,
    )
    expect(answer).toEqual(joined([...layersOf(5)[0]!.slice(0, 2), layersOf(5)[1]![1]!]))
    expect(
      answerHashRequest(realHashes(5, 0), 5, { baseLayer: 0, index: 8, count: 2, proofLayers: 0 }, crypto),
    ).toBeUndefined()
  })

  test('more or fewer hashes than asked for are refused', () => {
    const range = { baseLayer: 0, index: 0, count: 2, proofLayers: 2 }
    const answer = answerHashRequest(realHashes(5, 0), 5, range, crypto)!
    expect(fault(5, range, answer.subarray(1))).toBe('merkle/wrong-length')
    expect(fault(5, range, joined([answer, padHash(0, crypto)]))).toBe('merkle/wrong-length')
  })

  test('hashes where the file has ended are refused, even when the root was made over them', () => {
    const leaves = layersOf(6)[0]!
    const forged = merkleRoot(joined(leaves), crypto)
    const range = { baseLayer: 0, index: 0, count: 8, proofLayers: 0 }
    expect(fault(6, range, joined(leaves), forged)).toBeUndefined()
    expect(fault(5, range, joined(leaves), forged)).toBe('merkle/bad-padding')
  })

  test('inner nodes do not pass for leaves', () => {
    const range = { baseLayer: 0, index: 0, count: 4, proofLayers: 0 }
    // A root of 8 blocks is also the root over its layer of 4; the size of the file decides which it is.
    expect(fault(8, range, joined(layersOf(8)[1]!))).not.toBeUndefined()
    expect(fault(8, { ...range, baseLayer: 1 }, joined(layersOf(8)[1]!))).toBeUndefined()
  })

  test('blocks of a piece are proven by the hash of the piece', () => {
    const layers = layersOf(11)
    const range = { baseLayer: 0, index: 0, count: 4, proofLayers: 0 }
    expect(fault(4, range, joined(layers[0]!.slice(4, 8)), layers[2]![1]!)).toBeUndefined()
    expect(fault(3, range, joined(layers[0]!.slice(8, 12)), layers[2]![2]!)).toBeUndefined()
    expect(fault(4, range, joined(layers[0]!.slice(0, 4)), layers[2]![1]!)).toBe('merkle/wrong-hash')
  })
})
