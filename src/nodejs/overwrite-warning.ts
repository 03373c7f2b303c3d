/**
 * Which files a download is about to write over: they bear the name of a wanted file, and are not what the
 * torrent says. Judged by what the check of the folder found, without reading anything again.
 * A file is told to be another one by its length, or by a wrong piece that no missing file has a part in.
 */
import type { Bitfield } from '../base/bitfield.ts'
import type { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentStat } from './content-folder.ts'
import type { NodeEvent } from './node-events.ts'

const SHOWN_MAX = 3

export interface OverwriteQuestion {
  readonly metainfo: Metainfo
  readonly geometry: Geometry
  /** Pieces that are there and right. */
  readonly found: Bitfield
  isSelected(file: number): boolean
  /** Undefined when nothing has its name. */
  stat(file: number): ContentStat | undefined
}

/** Indexes of the files that will be written over although they are something else. */
export function filesOverwritten({
  metainfo,
  geometry,
  found,
  isSelected,
  stat,
}: OverwriteQuestion): number[] {
  if (found.isFull) return []
  const stats = metainfo.files.map((file, index) => (file.isPad ? undefined : stat(index)))
  const isWhole = (index: number): boolean =>
    metainfo.files[index]!.isPad || stats[index]?.size === metainfo.files[index]!.length
  return metainfo.files.flatMap((file, index) => {
    const { size = 0, isFile = false } = stats[index] ?? {}
    if (!isSelected(index) || !isFile || size === 0) return []
    if (size !== file.length) return [index]
    const { first, end } = geometry.filePieces(index)
    for (let piece = first; piece < end; piece++) {
      if (found.has(piece)) continue
      const segments = geometry.segments(piece, 0, geometry.pieceSize(piece))
      if (segments.every((segment) => isWhole(segment.file))) return [index]
    }
    return []
  })
}

/** @param files not empty */
export function overwriteWarning(metainfo: Metainfo, files: readonly number[]): NodeEvent {
  const names = files.slice(0, SHOWN_MAX).map((file) => metainfo.files[file]!.path.join('/'))
  const rest = files.length - names.length
  const list = names.join(', ') + (rest > 0 ? ` and ${rest} more` : '')
  const isOne = files.length === 1
  return {
    event: 'warning',
    code: 'transfer/overwrites',
    message: `${list} ${isOne ? 'is' : 'are'} there already with other content, and will be written over`,
    hint: 'Stop now to keep what is there, and download into another folder with --dir.',
  }
}
