/**
 * Finds again what a download of some files has of pieces that lie partly in others: bytes of the
 * others are in its side file, so that only the store knows where to read. At most two such pieces for each
 * run of selected files, so this thread hashes them, one in each turn.
 */
import { equalBytes } from '../base/bytes.ts'
import type { Fault } from '../base/result.ts'
import type { ContentStore } from '../ports/content-store.ts'
import type { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { digestPiece } from './piece-digests.ts'

export interface SideCheckOptions {
  readonly metainfo: Metainfo
  readonly geometry: Geometry
  readonly store: ContentStore
  readonly isSelected: (file: number) => boolean
  readonly signal: AbortSignal
}

/** Those of the pieces that are wanted and right. */
export async function checkSidePieces(
  options: SideCheckOptions,
  pieces: Iterable<number>,
): Promise<number[]> {
  const { metainfo, geometry, store, isSelected, signal } = options
  const right: number[] = []
  for (const piece of pieces) {
    if (signal.aborted) break
    const size = geometry.pieceSize(piece)
    const isWanted = ({ file }: { file: number }) => isSelected(file) && !metainfo.files[file]!.isPad
    if (!geometry.segments(piece, 0, size).some(isWanted)) continue
    const bytes = new Uint8Array(size)
    if ((await readPiece(store, piece, bytes)) === undefined && isRight(options, piece, bytes))
      right.push(piece)
  }
  return right
}

function readPiece(store: ContentStore, piece: number, bytes: Uint8Array): Promise<Fault | undefined> {
  return new Promise((resolve) => store.read(piece, 0, [bytes], resolve))
}

/** By every hash that the torrent has of it. */
function isRight({ metainfo, geometry }: SideCheckOptions, piece: number, bytes: Uint8Array): boolean {
  const sha1 = metainfo.pieceHashesV1?.subarray(20 * piece, 20 * piece + 20)
  const root = metainfo.infoHashV2 === null ? undefined : geometry.merkleHash(piece)
  const merkle = root === undefined ? undefined : geometry.merklePiece(piece)
  const digests = digestPiece(bytes, sha1 !== undefined, merkle)
  return (
    (sha1 !== undefined || root !== undefined) &&
    (sha1 === undefined || equalBytes(sha1, digests.sha1!)) &&
    (root === undefined || equalBytes(root, digests.merkleRoot!))
  )
}
