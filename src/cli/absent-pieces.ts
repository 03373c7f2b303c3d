/**
 * Which pieces have bytes that no file on disk has: those are missing, any other piece that is not right is
 * damaged. Looks only at the lengths of files.
 */
import { Bitfield } from '../base/bitfield.ts'
import { ContentFolder, type ContentStat, type PathComponent } from '../nodejs/content-folder.ts'
import { locateFiles } from '../nodejs/content-location.ts'
import type { Metainfo } from '../wire/metainfo.ts'

/** @param dir the folder in which the torrent's name stands */
export function findAbsentPieces(metainfo: Metainfo, dir: string): Bitfield {
  const absent = new Bitfield(metainfo.pieceCount)
  const folder = new ContentFolder(dir)
  try {
    const paths = locateFiles(metainfo, folder)
    for (const [index, { length, offset, isPad, symlink }] of metainfo.files.entries()) {
      if (isPad || symlink !== undefined) continue
      const stat = statOf(folder, paths.at(index)!)
      const size = stat === 'unreadable' ? length : (stat?.size ?? 0)
      if (size >= length) continue
      const first = Math.floor((offset + size) / metainfo.pieceLength)
      const last = Math.floor((offset + length - 1) / metainfo.pieceLength)
      for (let piece = first; piece <= last; piece++) absent.set(piece)
    }
  } finally {
    folder.close()
  }
  return absent
}

/** Undefined where there is no regular file. */
export function statOf(
  folder: ContentFolder,
  path: readonly PathComponent[],
): ContentStat | 'unreadable' | undefined {
  try {
    const stat = folder.statSync(path)
    return stat?.isFile ? stat : undefined
  } catch (error) {
    return (error as { code?: string }).code === 'storage/unreadable' ? 'unreadable' : undefined
  }
}

/** `3 of 1186 pieces missing, 1 damaged`. */
export function absenceText(missing: number, damaged: number, total: number): string {
  const of = `of ${total} ${total === 1 ? 'piece' : 'pieces'}`
  if (missing === 0) return `${damaged} ${of} damaged`
  return `${missing} ${of} missing${damaged > 0 ? `, ${damaged} damaged` : ''}`
}
