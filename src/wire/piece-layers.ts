/**
 * The `piece layers` of a v2 or hybrid torrent (BEP 52): for every file of more than one
 * piece the hashes of its pieces.
 * They stand outside the info dictionary, so each is hashed up to the file's root before it counts (S12).
 * A layer may be missing; it can be had from peers. Bounded by the size of the torrent file.
 */

import { equalBytes } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { type Fault, fail, ok, type Result } from '../base/result.ts'
import { type BDict, getDict } from './bencode.ts'
import { MERKLE_HASH_LENGTH, rootOfPieceLayer } from './merkle.ts'
import type { PlacedEntry } from './metainfo-placing.ts'

/** Gives the files their layers, or says which is wrong: `metainfo/bad-piece-layer`. */
export function attachPieceLayers(
  root: BDict,
  content: { readonly files: readonly PlacedEntry[]; readonly pieceLength: number },
  crypto: Crypto,
  warnings: Fault[],
): Fault | undefined {
  const layers = readLayers(root)
  if (!layers.ok) return layers.error
  /** Layers that are known to lead to their root; equal files share one. */
  const verified = new Set<string>()
  let missingCount = 0
  for (const file of content.files) {
    if (file.piecesRoot === null || file.length <= content.pieceLength) continue
    const key = keyOf(file.piecesRoot)
    const pieceLayer = layers.value.get(key)
    if (pieceLayer === undefined) {
      missingCount++
      continue
    }
    if (pieceLayer.length !== Math.ceil(file.length / content.pieceLength) * MERKLE_HASH_LENGTH)
      return badLayer('a piece layer is not as long as its file').error
    if (!verified.has(key)) {
      if (!equalBytes(rootOfPieceLayer(pieceLayer, content.pieceLength, crypto), file.piecesRoot))
        return badLayer('a piece layer does not lead to the root of its file').error
      verified.add(key)
    }
    file.pieceLayer = pieceLayer
  }
  if (missingCount > 0)
    warnings.push({
      code: 'metainfo/missing-piece-layers',
      message: `the piece hashes of ${missingCount} files are missing and must come from peers`,
    })
  return undefined
}

function readLayers(root: BDict): Result<Map<string, Uint8Array>> {
  const layers = new Map<string, Uint8Array>()
  for (const [key, value] of getDict(root, 'piece layers')?.members() ?? []) {
    const isLayer = value.kind === 'string' && value.bytes.length % MERKLE_HASH_LENGTH === 0
    if (key.length !== MERKLE_HASH_LENGTH || !isLayer)
      return badLayer('the piece layers have an entry that is none')
    if (!layers.has(keyOf(key))) layers.set(keyOf(key), value.bytes)
  }
  return ok(layers)
}

/** A root as a key, one character per byte. */
function keyOf(root: Uint8Array): string {
  return String.fromCharCode.apply(null, root as unknown as number[])
}

function badLayer(message: string): ReturnType<typeof fail> {
  return fail('metainfo/bad-piece-layer', message)
}
