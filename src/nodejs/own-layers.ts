/**
 * Piece layers of a v2 torrent, made from content that is there: a file whose pieces lead to its root proves
 * them (S12), so nobody has to be asked, and others can be given them.
 */
import { toHex } from '../base/bytes.ts'
import { Geometry } from '../swarm/geometry.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { checkPieces } from './piece-check.ts'

/** The torrent with the layers of all files that are whole and right in `dir`; those are read. */
export async function withOwnLayers(
  metainfo: Metainfo,
  dir: string,
  signal?: AbortSignal,
): Promise<Metainfo> {
  if (!lacksPieceLayers(metainfo)) return metainfo
  const geometry = new Geometry(metainfo, MERKLE_BLOCK_LENGTH)
  const pieces: number[] = []
  for (const [index, file] of metainfo.files.entries()) {
    if (file.pieceLayer !== null || file.length <= metainfo.pieceLength) continue
    const { first, end } = geometry.filePieces(index)
    for (let piece = first; piece < end; piece++) pieces.push(piece)
  }
  /** By root. Bounded by the files of the torrent. */
  const layers = new Map<string, Uint8Array>()
  const onLayer = (root: Uint8Array, layer: Uint8Array) => void layers.set(toHex(root), layer)
  try {
    await checkPieces(metainfo, dir, { pieces, signal, onLayer, usesOwnThread: true })
  } catch (error) {
    if (signal?.aborted) return metainfo
    throw error
  }
  const files = metainfo.files.map((file) => {
    const layer = file.piecesRoot === null ? undefined : layers.get(toHex(file.piecesRoot))
    return layer === undefined || file.pieceLayer !== null ? file : { ...file, pieceLayer: layer }
  })
  return { ...metainfo, files }
}
