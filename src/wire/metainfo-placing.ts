/**
 * Gives listed files their places in piece space, final names and link targets, and holds the two lists of a
 * hybrid against each other (BEP 52, "Upgrade Path"; S04, S05, S10).
 * Invariant: offsets ascend without overlap; in v2 they are multiples of the piece length.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { encodeUtf8 } from '../base/text.ts'
import { distinctPaths } from './file-names.ts'
import type { FileEntry } from './metainfo.ts'
import type { ListedFile } from './metainfo-files.ts'

/** 2^48 bytes, libtorrent's `max_file_offset`: beyond it no piece index fits. */
const CONTENT_LENGTH_MAX = 2 ** 48 - 1

/** A piece begins where a file does: v2, whose gaps belong to no file. */
export function placeAligned(files: readonly ListedFile[], pieceLength: number): number[] {
  let next = 0
  return files.map((file) => {
    const offset = next
    next += Math.ceil(file.length / pieceLength) * pieceLength
    return offset
  })
}

/** One file after the other: v1 and hybrid. */
export function placeContiguous(files: readonly ListedFile[]): number[] {
  let next = 0
  return files.map((file) => {
    const offset = next
    next += file.length
    return offset
  })
}

/** An entry that still lacks its piece layer, which stands outside the info dictionary. */
export type PlacedEntry = { -readonly [Key in keyof FileEntry]: FileEntry[Key] }

/**
 * The same entries with their places, but for those that get another name or are links.
 * Fails with `metainfo/bad-length` or `names/too-many-duplicates`.
 * @param roots of the files, where they are known from another list
 */
export function placedEntries(
  files: readonly ListedFile[],
  offsets: readonly number[],
  roots?: readonly (Uint8Array | null)[],
): Result<PlacedEntry[]> {
  if (spaceLength(files, offsets) > CONTENT_LENGTH_MAX)
    return fail('metainfo/bad-length', 'the files are longer than any torrent can be')
  const paths = distinctPaths(files.map((file) => (file.isPad ? undefined : file.path)))
  if (!paths.ok) return paths
  const links = files.some((file) => file.linkTarget !== undefined) ? new LinkResolver(files) : undefined
  const entries: PlacedEntry[] = []
  for (let index = 0; index < files.length; index++) {
    const file = files[index]!
    file.offset = offsets[index]!
    if (roots !== undefined) file.piecesRoot = roots[index]!
    const path = paths.value[index] ?? file.path
    const entry = path === file.path ? file : renamed(file, path)
    const { linkTarget } = file
    entries.push(linkTarget === undefined ? entry : linked(entry, links!.resolve(file.path, linkTarget)))
  }
  return ok(entries)
}

/** What stood there is not the name any more. */
function renamed(file: ListedFile, path: readonly string[]): ListedFile {
  return { ...file, path, rawPath: file.rawPath ?? file.path.map(encodeUtf8) }
}

function linked({ linkTarget: _, ...entry }: ListedFile, symlink: readonly string[]): PlacedEntry {
  return { ...entry, symlink }
}

/**
 * The roots that the v2 tree of a hybrid gives the entries of its v1 list, or undefined when the two do not
 * describe the same files: equal paths, lengths and places, every file at the start of a piece, as many
 * entries as the tree has files and padding. As in libtorrent the last padding may be missing, and padding
 * and empty files may have changed places; but empty files must agree by name.
 */
export function rootsOfHybrid(
  list: readonly ListedFile[],
  tree: readonly ListedFile[],
  pieceLength: number,
): (Uint8Array | null)[] | undefined {
  if (!haveSameEmptyFiles(list, tree)) return undefined
  const padded = withPadding(tree, pieceLength)
  if (padded.length === list.length + 1) dropTailPadding(padded)
  if (padded.length !== list.length) return undefined
  const roots: (Uint8Array | null)[] = []
  let listOffset = 0
  let treeOffset = 0
  for (const [index, inList] of list.entries()) {
    const inTree = padded[index]!
    const isFile = typeof inTree !== 'number' && inTree.length > 0
    if (isFile !== (inList.length > 0 && !inList.isPad)) return undefined
    if (
      isFile &&
      (listOffset !== treeOffset || inList.length !== inTree.length || !equalPaths(inList.path, inTree.path))
    )
      return undefined
    roots.push(isFile ? inTree.piecesRoot : null)
    listOffset += inList.length
    treeOffset += typeof inTree === 'number' ? inTree : inTree.length
  }
  return listOffset === treeOffset ? roots : undefined
}

/**
 * The tree as the v1 list of a hybrid shows it: after every file the length of the
 * padding that fills its last piece.
 */
function withPadding(tree: readonly ListedFile[], pieceLength: number): (ListedFile | number)[] {
  const padded: (ListedFile | number)[] = []
  for (const file of tree) {
    padded.push(file)
    const tail = file.length % pieceLength
    if (tail !== 0) padded.push(pieceLength - tail)
  }
  return padded
}

/** Empty files after the padding stay. */
function dropTailPadding(padded: (ListedFile | number)[]): void {
  const last = padded.findLastIndex((entry) => typeof entry === 'number' || entry.length > 0)
  if (typeof padded[last] === 'number') padded.splice(last, 1)
}

function haveSameEmptyFiles(list: readonly ListedFile[], tree: readonly ListedFile[]): boolean {
  const inTree = emptyPaths(tree)
  const inList = emptyPaths(list)
  return inList.size === inTree.size && [...inList].every((path) => inTree.has(path))
}

/** Names hold no slash any more. */
function emptyPaths(files: readonly ListedFile[]): Set<string> {
  return new Set(files.filter((file) => file.length === 0 && !file.isPad).map((file) => file.path.join('/')))
}

function equalPaths(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((component, depth) => component === b[depth])
}

function spaceLength(files: readonly ListedFile[], offsets: readonly number[]): number {
  return (offsets.at(-1) ?? 0) + (files.at(-1)?.length ?? 0)
}

/**
 * Where links lead: a file or folder of the same torrent, counted from its top or from the link's own folder,
 * else the link itself. Links through other links are not followed.
 */
class LinkResolver {
  /** Bounded by filesMax and pathDepthMax: every file and folder of the torrent. */
  readonly #known = new Set<string>()

  constructor(files: readonly ListedFile[]) {
    for (const file of files)
      for (let depth = file.isPad ? 0 : file.path.length; depth > 0; depth--) {
        const size = this.#known.size
        this.#known.add(file.path.slice(0, depth).join('/'))
        if (this.#known.size === size) break
      }
  }

  resolve(link: readonly string[], target: readonly string[]): readonly string[] {
    const relative = [...link.slice(0, -1), ...target]
    if (this.#known.has(target.join('/'))) return target
    return this.#known.has(relative.join('/')) ? relative : link
  }
}
