/**
 * The SHA-256 trees of BEP 52, one for each file, over blocks of 16 KiB.
 * Layer 0 holds the block hashes; a leaf past the end is 32 zero bytes, so every node over nothing
 * but such leaves has a known hash, the pad hash of its layer. A tree is as high as its blocks need:
 * the next power of two of them.
 * Invariant: nothing a peer sends counts before it has been hashed up to a root that is trusted, at the layer
 * and place it was asked for (S12).
 */
import { assert } from '../base/assert.ts'
import { equalBytes } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { fail, ok, type Result } from '../base/result.ts'

/** SHA-256. */
export const MERKLE_HASH_LENGTH = 32

/** 16 KiB under each leaf. BEP 52. */
export const MERKLE_BLOCK_LENGTH = 16 * 1024

/** A run of hashes in one tree, as a hash request names it (BEP 52). */
export interface HashRange {
  /** 0 is the layer of block hashes. */
  readonly baseLayer: number
  /** First hash of the run in its layer; a multiple of `count`. */
  readonly index: number
  /** A power of two, at least 2. */
  readonly count: number
  /** How many layers above the base the uncles reach. */
  readonly proofLayers: number
}

/**
 * Pad hashes that were asked for, from layer 0 up: constants, at most one for each layer of the tallest tree.
 */
const PAD_HASHES = new WeakMap<Crypto, Uint8Array[]>()

/** Hash of a node over missing leaves only, `layer` levels above them. Shared: not to be written to. */
export function padHash(layer: number, crypto: Crypto): Uint8Array {
  let hashes = PAD_HASHES.get(crypto)
  if (hashes === undefined) PAD_HASHES.set(crypto, (hashes = [new Uint8Array(MERKLE_HASH_LENGTH)]))
  while (hashes.length <= layer) hashes.push(parentHash(hashes.at(-1)!, hashes.at(-1)!, crypto))
  return hashes[layer]!
}

/** The layer of hashes over whole pieces; a piece length of BEP 52 is a power of two from 16 KiB on. */
export function pieceLayerOf(pieceLength: number): number {
  return Math.log2(pieceLength / MERKLE_BLOCK_LENGTH)
}

/** How many layers lie between the leaves and the root of a file: 0 for one block. */
export function treeHeight(blockCount: number): number {
  return Math.ceil(Math.log2(Math.max(1, blockCount)))
}

/**
 * The root over hashes of one layer.
 * @param hashes 32 bytes each, at least one
 * @param layer the layer they stand in, which says what is missing beside them
 * @param width nodes of that layer under the root, a power of two; by default the next one from the count
 */
export function merkleRoot(
  hashes: Uint8Array,
  crypto: Crypto,
  layer = 0,
  width = 2 ** treeHeight(hashes.length / MERKLE_HASH_LENGTH),
): Uint8Array {
  assert(hashes.length > 0 && hashes.length % MERKLE_HASH_LENGTH === 0, 'a merkle tree has hashes')
  assert(width * MERKLE_HASH_LENGTH >= hashes.length, 'the tree is as wide as its hashes')
  let nodes = hashes
  for (let left = width, at = layer; left > 1; left /= 2, at++) nodes = parentLayer(nodes, at, crypto)
  return nodes.slice()
}

/** The root of a file from its piece layer: 32 bytes for each of its pieces, more than one. */
export function rootOfPieceLayer(pieceHashes: Uint8Array, pieceLength: number, crypto: Crypto): Uint8Array {
  return merkleRoot(pieceHashes, crypto, pieceLayerOf(pieceLength))
}

/**
 * Checks an answer to a hash request up to the root and gives the base hashes of it that are not padding.
 * To check block hashes against a known piece hash, let that be the root and the piece's blocks the tree.
 * Fails with `merkle/bad-range`, `merkle/wrong-length`, `merkle/bad-padding`, `merkle/wrong-hash`.
 * @param hashes the base hashes, then the uncles from the lowest up
 */
export function verifyHashes(
  root: Uint8Array,
  blockCount: number,
  range: HashRange,
  hashes: Uint8Array,
  crypto: Crypto,
): Result<Uint8Array> {
  if (!isHashRange(blockCount, range))
    return fail('merkle/bad-range', 'the hashes asked for are not in the tree')
  const subtreeLayer = range.baseLayer + Math.log2(range.count)
  const uncleCount = uncleCountOf(range)
  const height = treeHeight(blockCount)
  if (subtreeLayer + uncleCount < height)
    return fail('merkle/bad-range', 'the proof asked for does not reach the root')
  if (hashes.length !== (range.count + uncleCount) * MERKLE_HASH_LENGTH)
    return fail('merkle/wrong-length', 'the answer has more or fewer hashes than were asked for')

  const baseLength = range.count * MERKLE_HASH_LENGTH
  const knownCount = Math.min(range.count, Math.max(0, nodeCount(blockCount, range.baseLayer) - range.index))
  const known = hashes.subarray(0, knownCount * MERKLE_HASH_LENGTH)
  const pad = padHash(range.baseLayer, crypto)
  for (let at = known.length; at < baseLength; at += MERKLE_HASH_LENGTH)
    if (!equalBytes(hashes.subarray(at, at + MERKLE_HASH_LENGTH), pad))
      return fail('merkle/bad-padding', 'the answer has hashes past the end of the file')

  let node = merkleRoot(hashes.subarray(0, baseLength), crypto, range.baseLayer)
  let index = range.index / range.count
  for (let at = baseLength; at < hashes.length; at += MERKLE_HASH_LENGTH) {
    const uncle = hashes.subarray(at, at + MERKLE_HASH_LENGTH)
    node = index % 2 === 0 ? parentHash(node, uncle, crypto) : parentHash(uncle, node, crypto)
    index = Math.floor(index / 2)
  }
  return equalBytes(node, root) ? ok(known) : fail('merkle/wrong-hash', 'the hashes do not lead to the root')
}

/**
 * The answer to a hash request, from all hashes of its base layer; undefined when the
 * range is not in the tree.
 * @param layerHashes 32 bytes for every node of the base layer that is not padding
 */
export function answerHashRequest(
  layerHashes: Uint8Array,
  blockCount: number,
  range: HashRange,
  crypto: Crypto,
): Uint8Array | undefined {
  if (!isHashRange(blockCount, range)) return undefined
  return new HashTree(layerHashes, range.baseLayer, blockCount, crypto).answer(range)
}

/**
 * The tree over the blocks of one piece.
 * @param leaves as many as the piece may have, zero where there is no block: a power of two
 */
export function pieceTree(leaves: Uint8Array, crypto: Crypto): HashTree {
  return new HashTree(leaves, 0, leaves.length / MERKLE_HASH_LENGTH, crypto)
}

/** The tree of one file from some layer up, hashed once, to answer many requests. */
export class HashTree {
  readonly #crypto: Crypto
  readonly #blockCount: number
  readonly #lowest: number
  /** From the lowest up to the root: 32 bytes for every node that is not padding. */
  readonly #layers: Uint8Array[]

  /**
   * @param layerHashes 32 bytes for every node of the layer that is not padding
   * @param lowest the layer they stand in
   */
  constructor(layerHashes: Uint8Array, lowest: number, blockCount: number, crypto: Crypto) {
    assert(
      layerHashes.length === nodeCount(blockCount, lowest) * MERKLE_HASH_LENGTH,
      'the base layer is whole',
    )
    this.#crypto = crypto
    this.#blockCount = blockCount
    this.#lowest = lowest
    this.#layers = [layerHashes]
    for (let layer = lowest; layer < treeHeight(blockCount); layer++)
      this.#layers.push(parentLayer(this.#layers.at(-1)!, layer, crypto))
  }

  /** Bytes of all layers above the one it was made from. */
  get byteLength(): number {
    return this.#layers.slice(1).reduce((sum, layer) => sum + layer.length, 0)
  }

  get root(): Uint8Array {
    return this.#layers.at(-1)!
  }

  /** Undefined when the range is not in the tree, or below its lowest layer. */
  answer(range: HashRange): Uint8Array | undefined {
    if (!isHashRange(this.#blockCount, range) || range.baseLayer < this.#lowest) return undefined
    const uncleCount = uncleCountOf(range)
    const answer = new Uint8Array((range.count + uncleCount) * MERKLE_HASH_LENGTH)
    for (let i = 0; i < range.count; i++)
      answer.set(this.hashAt(range.baseLayer, range.index + i), i * MERKLE_HASH_LENGTH)
    let layer = range.baseLayer + Math.log2(range.count)
    let index = range.index / range.count
    for (let uncle = 0; uncle < uncleCount; uncle++, layer++, index = Math.floor(index / 2))
      answer.set(this.hashAt(layer, index ^ 1), (range.count + uncle) * MERKLE_HASH_LENGTH)
    return answer
  }

  /** One hash, the pad hash past the end. @param layer from the lowest up to the root */
  hashAt(layer: number, index: number): Uint8Array {
    return hashAt(this.#layers[layer - this.#lowest]!, index) ?? padHash(layer, this.#crypto)
  }
}

/** In the tree, aligned, and with uncles that end below the root (BEP 52). */
export function isHashRange(blockCount: number, range: HashRange): boolean {
  const { baseLayer, index, count, proofLayers } = range
  const height = treeHeight(blockCount)
  if (![baseLayer, index, count, proofLayers].every((field) => Number.isSafeInteger(field) && field >= 0))
    return false
  if (baseLayer >= height || proofLayers >= height - baseLayer) return false
  return (
    count >= 2 &&
    Number.isInteger(Math.log2(count)) &&
    index % count === 0 &&
    index + count <= 2 ** (height - baseLayer)
  )
}

/** The layers under the top of the base hashes' own subtree follow from them and are not sent. */
export function uncleCountOf(range: HashRange): number {
  return Math.max(0, range.proofLayers - Math.log2(range.count) + 1)
}

/** Nodes of a layer that are not padding. */
function nodeCount(blockCount: number, layer: number): number {
  return Math.ceil(blockCount / 2 ** layer)
}

function hashAt(nodes: Uint8Array, index: number): Uint8Array | undefined {
  const at = index * MERKLE_HASH_LENGTH
  return at < nodes.length ? nodes.subarray(at, at + MERKLE_HASH_LENGTH) : undefined
}

/** @param layer of the nodes */
function parentLayer(nodes: Uint8Array, layer: number, crypto: Crypto): Uint8Array {
  const parents = new Uint8Array(Math.ceil(nodes.length / (2 * MERKLE_HASH_LENGTH)) * MERKLE_HASH_LENGTH)
  for (let at = 0; at < nodes.length; at += 2 * MERKLE_HASH_LENGTH) {
    const isWhole = at + MERKLE_HASH_LENGTH < nodes.length
    const hash = isWhole
      ? crypto.sha256(nodes.subarray(at, at + 2 * MERKLE_HASH_LENGTH))
      : parentHash(nodes.subarray(at), padHash(layer, crypto), crypto)
    parents.set(hash, at / 2)
  }
  return parents
}

function parentHash(left: Uint8Array, right: Uint8Array, crypto: Crypto): Uint8Array {
  const pair = new Uint8Array(2 * MERKLE_HASH_LENGTH)
  pair.set(left)
  pair.set(right, MERKLE_HASH_LENGTH)
  return crypto.sha256(pair)
}
