/**
 * Where the files of a torrent stand below the folder that its name stands in.
 * A file whose name had to be made safe may be on disk under its exact name, because it was shared from here:
 * that is tried first where it can be a file name at all. New files only ever get the safe name.
 * Invariants: no two files are at one place, and nothing is in the folder that Shoal keeps
 * its notes in, whatever the torrent says.
 */
import { safeComponent, safeTorrentName } from '../wire/file-names.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentFolder, PathComponent } from './content-folder.ts'

type ContentPath = readonly PathComponent[]

/** Where each file of a metainfo stands. Made when asked for: paths of 300,000 files would be 100 MB. */
export interface ContentPaths {
  readonly length: number
  at(file: number): ContentPath | undefined
}

/** Components below `folder` for each entry of `metainfo.files`; those of padding lead nowhere. */
export function locateFiles(metainfo: Metainfo, folder: ContentFolder): ContentPaths {
  const { files, isSingleFile, name } = metainfo
  const safePath = (file: number) => (isSingleFile ? [name] : [name, ...files[file]!.path])
  const exact = exactlyNamed(metainfo, folder, safePath)
  return { length: files.length, at: (file) => exact.get(file) ?? safePath(file) }
}

/** Files that are there under another name than the safe one, with that path; bounded by filesMax. */
function exactlyNamed(
  metainfo: Metainfo,
  folder: ContentFolder,
  safePath: (file: number) => ContentPath,
): ReadonlyMap<number, ContentPath> {
  const { files, isSingleFile, name, rawName } = metainfo
  const located = new Map<number, ContentPath>()
  if (isReserved(rawName)) return located
  /** By `keyOf`. */
  const exactPaths = new Map<string, { readonly index: number; readonly path: ContentPath }>()
  const isNamedSafely = isSameName(rawName, name)
  for (let index = 0; index < files.length; index++) {
    const file = files[index]!
    const rawPath = file.rawPath ?? file.path
    if (file.isPad || (isNamedSafely && (isSingleFile || isSame(rawPath, file.path)))) continue
    const path = isSingleFile ? [rawName] : [rawName, ...rawPath.map((part) => Buffer.from(part))]
    if (isSame(path, safePath(index)) || !path.every(isFileName)) continue
    const key = keyOf(path)
    if (!exactPaths.has(key) && isThere(folder, path)) exactPaths.set(key, { index, path })
  }
  if (exactPaths.size === 0) return located
  keepApart(metainfo, safePath, exactPaths)
  for (const { index, path } of exactPaths.values()) located.set(index, path)
  return located
}

/**
 * Drops exact names that are safe names of other files which stand there: in a folder downloaded to,
 * `backslash` is what is called `back\slash` in the torrent, and not the torrent's own `backslash`.
 */
function keepApart(
  { files }: Metainfo,
  safePath: (file: number) => ContentPath,
  exactPaths: Map<string, { readonly index: number }>,
): void {
  const exactIndexes = new Set([...exactPaths.values()].map(({ index }) => index))
  const atSafePath = [...files.keys()].filter((index) => !files[index]!.isPad && !exactIndexes.has(index))
  for (const index of atSafePath) {
    const key = keyOf(safePath(index))
    const rival = exactPaths.get(key)
    if (rival === undefined) continue
    exactPaths.delete(key)
    // It is at its own safe path now, which another may have claimed; the loop comes to it.
    atSafePath.push(rival.index)
  }
}

/** The name is safe, or was made safe, by being told from the folder of our notes. */
function isReserved(rawName: Uint8Array): boolean {
  const rules = { windows: true }
  return safeTorrentName(rawName, rules) !== safeComponent(rawName, rules)
}

function isSame(a: ContentPath, b: ContentPath): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let depth = 0; depth < a.length; depth++) if (!isSameName(a[depth]!, b[depth]!)) return false
  return true
}

/** Nearly all names are ASCII; those are compared without a copy. */
function isSameName(name: PathComponent, other: PathComponent): boolean {
  if (typeof name === 'string' || typeof other !== 'string')
    return Buffer.from(other).equals(Buffer.from(name))
  let index = 0
  for (; index < name.length; index++)
    if (name[index]! > 0x7f || name[index] !== other.charCodeAt(index)) break
  return index === name.length ? index === other.length : Buffer.from(other).equals(name)
}

/** A link on the way is not followed; what is behind it is not there. */
function isThere(folder: ContentFolder, path: ContentPath): boolean {
  try {
    return folder.statSync(path)?.isFile === true
  } catch {
    return false
  }
}

/**
 * Names one thing in a folder. What else the system cannot have in a name is for `ContentFolder` to refuse.
 */
function isFileName(name: Uint8Array): boolean {
  const text = Buffer.from(name).toString('latin1')
  return text !== '' && text !== '.' && text !== '..' && !/[/\0]/.test(text)
}

/** Equal for paths of the same bytes; no name holds a slash. */
function keyOf(path: ContentPath): string {
  return path.map((name) => Buffer.from(name).toString('latin1')).join('/')
}
