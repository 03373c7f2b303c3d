/**
 * The file lists of an info dictionary as they stand there, v1 (`files`, `length`: BEP 3, 47) and v2
 * (`file tree`: BEP 52), before the files have places. Refuses what libtorrent 2.0 refuses;
 * attributes it does not know are ignored.
 * Invariant: every path has been through the name policy; a link has length 0 whatever is written.
 * Bounded by filesMax and pathDepthMax.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type BDict, type BList, type BNode, getBytes, getInteger, getList } from './bencode.ts'
import { END } from './bencode-scanner.ts'
import { safeComponent, safePath } from './file-names.ts'
import { PathReader, stringsOf } from './metainfo-paths.ts'
import type { PlacedEntry } from './metainfo-placing.ts'
import { PlainEntryReader } from './plain-entries.ts'

/** A file entry as it will be, but for its place (`offset`) and what links and hybrids make of it. */
export interface ListedFile extends PlacedEntry {
  /** Where a link claims to point: safe components, not yet looked up. */
  linkTarget?: readonly string[]
}

/**
 * Where a file stands that has no place yet. No small integer: V8 would lay out entries for those, and move
 * every one of them when a place beyond 2^31 comes.
 */
export const UNPLACED = Number.NaN

/** 16 TiB; libtorrent counts the blocks of a file in 31 bits, half of it for the inner nodes of the tree. */
export const FILE_LENGTH_MAX = 2 ** 44 - 2 ** 14

/** Padding is never written, so whatever it is called, this is its path. */
const PAD_PATH: readonly string[] = ['.pad']
const NO_NAMES: readonly Uint8Array[] = []

/** BitComet marks its padding by name only. */
export const BITCOMET_PADDING = '_____padding_file_'

const LINK = 0x6c
const EXECUTABLE = 0x78
const HIDDEN = 0x68
const PAD = 0x70

/** The single file of a v1 info dictionary, which has its name and length. */
export function readSingleFile(info: BDict, rawName: Uint8Array): Result<ListedFile[]> {
  const name = rawName.length === 0 ? undefined : safeComponent(rawName)
  if (name === undefined) return fail('metainfo/missing-name', 'the file has no name')
  const file = listedFile(info, [name], [rawName])
  return file.ok ? ok([file.value]) : file
}

/** The `files` of a v1 info dictionary. */
export function readFileList(list: BList): Result<ListedFile[]> {
  if (list.length > LIMITS.filesMax.value) return tooManyFiles()
  const files: ListedFile[] = []
  const paths = new PathReader()
  const plainEntries = new PlainEntryReader(list.source)
  for (let at = list.start + 1; list.source[at] !== END; ) {
    const plain = plainEntries.read(at)
    if (plain !== undefined) {
      files.push(plain)
      at = plainEntries.end
      continue
    }
    const node = list.memberAt(at)
    if (node.kind !== 'dict') return fail('metainfo/bad-file-list', 'a file entry is no dictionary')
    const file = readListEntry(node, paths)
    if (!file.ok) return file
    files.push(file.value)
    at = node.end
  }
  return ok(files)
}

/** The `file tree` of a v2 info dictionary, in its order. */
export function readFileTree(tree: BDict): Result<ListedFile[]> {
  const files: ListedFile[] = []
  const failure = walkTree(tree, [], [], files)
  return failure ?? ok(files)
}

type Failure = ReturnType<typeof fail>

/** Calls itself for each folder; the decoder allows no more levels than bencodeDepthMax. */
function walkTree(
  tree: BDict,
  path: readonly string[],
  rawPath: readonly Uint8Array[],
  files: ListedFile[],
): Failure | undefined {
  for (const [key, node] of tree.members()) {
    if (node.kind !== 'dict' || key.length === 0)
      return fail('metainfo/bad-file-tree', 'the file tree has an entry that is neither file nor folder')
    const component = safeComponent(key)
    // As long as they are: a literal with a spread leaves room for sixteen more, in each of 300,000.
    const entryPath = component === undefined ? path : path.concat([component])
    const entryRawPath = rawPath.concat([key])
    const leaf = leafOf(node)
    if (leaf === undefined) {
      const failure = walkTree(node, entryPath, entryRawPath, files)
      if (failure !== undefined) return failure
      continue
    }
    if (files.length >= LIMITS.filesMax.value) return tooManyFiles()
    const file = readTreeLeaf(leaf, entryPath.length === 0 ? safePath([]) : entryPath, entryRawPath)
    if (!file.ok) return file
    files.push(file.value)
  }
  return undefined
}

/** A file is a dictionary whose only key is empty. */
function leafOf(node: BDict): BNode | undefined {
  let leaf: BNode | undefined
  for (const [key, value] of node.members()) {
    if (leaf !== undefined || key.length !== 0) return undefined
    leaf = value
  }
  return leaf
}

function readTreeLeaf(
  leaf: BNode,
  path: readonly string[],
  rawPath: readonly Uint8Array[],
): Result<ListedFile> {
  if (leaf.kind !== 'dict') return fail('metainfo/bad-file-tree', 'a file of the file tree is no dictionary')
  const file = listedFile(leaf, path, rawPath)
  if (!file.ok) return file
  if (file.value.isPad)
    return fail('metainfo/bad-file-tree', 'the file tree has padding, which v2 does not know')
  if (file.value.length === 0) return file
  const piecesRoot = getBytes(leaf, 'pieces root')
  if (piecesRoot?.length !== 32 || piecesRoot.every((byte) => byte === 0))
    return fail('metainfo/missing-pieces-root', 'a file of the file tree has no pieces root')
  file.value.piecesRoot = piecesRoot
  return file
}

function readListEntry(entry: BDict, paths: PathReader): Result<ListedFile> {
  const list = getList(entry, 'path.utf-8') ?? getList(entry, 'path')
  const rawPath = list === undefined ? NO_NAMES : stringsOf(list)
  if (rawPath === undefined) return fail('metainfo/bad-path', 'a path holds something that is no name')
  if (rawPath.length > LIMITS.pathDepthMax.value)
    return fail('metainfo/path-too-deep', `a path has more than ${LIMITS.pathDepthMax.value} folders`)
  if (hasAttribute(getBytes(entry, 'attr'), PAD)) return listedFile(entry, PAD_PATH, NO_NAMES)
  if (rawPath.length === 0) return fail('metainfo/missing-name', 'a file has no name')
  const read = paths.read(rawPath)
  const file = listedFile(entry, read.path, read.rawPath)
  const isPad = read.path.some((component) => component.includes(BITCOMET_PADDING))
  return file.ok && isPad ? ok({ ...file.value, path: PAD_PATH, rawPath: NO_NAMES, isPad }) : file
}

function listedFile(
  entry: BDict,
  path: readonly string[],
  rawPath: readonly Uint8Array[],
): Result<ListedFile> {
  const attributes = getBytes(entry, 'attr')
  const isLink = hasAttribute(attributes, LINK)
  const length = isLink ? 0 : getInteger(entry, 'length')
  if (length === undefined || length < 0 || length > FILE_LENGTH_MAX)
    return fail('metainfo/bad-length', 'a file has no length, or an impossible one')
  const target = isLink ? getList(entry, 'symlink path') : undefined
  const rawTarget = target === undefined ? [] : stringsOf(target)
  if (rawTarget === undefined)
    return fail('metainfo/bad-path', 'the target of a link holds something that is no name')
  const sha1 = getBytes(entry, 'sha1')
  const file: ListedFile = {
    path,
    rawPath,
    length,
    offset: UNPLACED,
    isPad: hasAttribute(attributes, PAD),
    piecesRoot: null,
    pieceLayer: null,
  }
  if (rawTarget.length > 0) file.linkTarget = safePath(rawTarget)
  if (hasAttribute(attributes, EXECUTABLE)) file.isExecutable = true
  if (hasAttribute(attributes, HIDDEN)) file.isHidden = true
  if (sha1?.length === 20) file.sha1 = sha1
  return ok(file)
}

function hasAttribute(attributes: Uint8Array | undefined, attribute: number): boolean {
  return attributes?.includes(attribute) === true
}

function tooManyFiles(): Failure {
  return fail('metainfo/too-many-files', `the torrent has more than ${LIMITS.filesMax.value} files`)
}
