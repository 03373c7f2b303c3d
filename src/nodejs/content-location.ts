/**
 * Where the files of a torrent stand below the folder that its name stands in.
 * A file whose name had to be made safe may be on disk under its exact name, because it was shared from here:
 * that is tried first where it can be a file name at all. New files only ever get the safe name.
 */
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentFolder, PathComponent } from './content-folder.ts'

/** Components below `folder` for each entry of `metainfo.files`; those of padding lead nowhere. */
export function locateFiles(metainfo: Metainfo, folder: ContentFolder): (readonly PathComponent[])[] {
  const exactName = metainfo.rawName
  return metainfo.files.map((file) => {
    const safe = metainfo.isSingleFile ? [metainfo.name] : [metainfo.name, ...file.path]
    if (file.isPad) return safe
    const exact = metainfo.isSingleFile ? [exactName] : [exactName, ...file.rawPath]
    const isSame =
      exact.length === safe.length && exact.every((name, i) => Buffer.from(safe[i]!).equals(name))
    return !isSame && exact.every(isFileName) && isThere(folder, exact) ? exact : safe
  })
}

/** A link on the way is not followed; what is behind it is not there. */
function isThere(folder: ContentFolder, path: readonly PathComponent[]): boolean {
  try {
    return folder.statSync(path)?.isFile === true
  } catch {
    return false
  }
}

/** Names one thing in a folder. */
function isFileName(name: Uint8Array): boolean {
  const text = Buffer.from(name).toString('latin1')
  return text !== '' && text !== '.' && text !== '..' && !/[/\\\0]/.test(text)
}
