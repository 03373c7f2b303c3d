/**
 * The file lists of an info dictionary as they stand there, v1 (`files`, `length`: BEP 3, 47) and v2
 * (`file tree`: BEP 52), before the files have places. Refuses what libtorrent 2.0 refuses;
 * attributes it does not know are ignored.
 * Invariant: every path has been through the name policy; a link has length 0 whatever is written.
 * Bounded by filesMax and pathDepthMax.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { fromLatin1 } from '../base/text.ts'
import { type BDict, type BList, type BNode, getBytes, getInteger, getList } from './bencode.ts'
import { END, ZERO } from './bencode-scanner.ts'
import { safeComponent, safePath } from './file-names.ts'
import { PathReader, stringsOf } from './metainfo-paths.ts'

export interface ListedFile {
  readonly path: readonly string[]
  readonly rawPath: readonly Uint8Array[]
  readonly length: number
  readonly isPad: boolean
  readonly isExecutable: boolean
  readonly isHidden: boolean
  /** Where a link claims to point: safe components, not yet looked up. */
  readonly linkTarget: readonly string[] | undefined
  readonly sha1: Uint8Array | undefined
  piecesRoot: Uint8Array | null
}

/** 16 TiB; libtorrent counts the blocks of a file in 31 bits, half of it for the inner nodes of the tree. */
export const FILE_LENGTH_MAX = 2 ** 44 - 2 ** 14

/** Padding is never written, so whatever it is called, this is its path. */
const PAD_PATH: readonly string[] = ['.pad']
const NO_NAMES: readonly Uint8Array[] = []

/** BitComet marks its padding by name only. */
const BITCOMET_PADDING = '_____padding_file_'

/** Of an entry with only a length and a path: before the length, and from there to the first name. */
const PLAIN_HEAD = fromLatin1('d6:lengthi')
const PLAIN_MIDDLE = fromLatin1('e4:pathl')
/** Beyond these it is for the general reader to judge. */
const PLAIN_DIGITS_MAX = 15

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
  for (const node of list.members()) {
    const file =
      node.kind === 'dict'
        ? readListEntry(node, paths)
        : fail('metainfo/bad-file-list', 'a file entry is no dictionary')
    if (!file.ok) return file
    files.push(file.value)
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
  const plain = readPlainEntry(entry, paths)
  if (plain !== undefined) return ok(plain)
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

/**
 * Nearly all entries of a long list have a length and a path and nothing else: they are read without a node
 * for each part. Undefined when it is any other entry, also one that is wrong.
 */
function readPlainEntry({ source, start, end }: BDict, paths: PathReader): ListedFile | undefined {
  const lengthAt = start + PLAIN_HEAD.length
  if (!standsAt(source, start, PLAIN_HEAD)) return undefined
  let at = lengthAt
  let length = 0
  for (; isDigit(source[at]!); at++) length = 10 * length + source[at]! - ZERO
  if (at === lengthAt || at > lengthAt + PLAIN_DIGITS_MAX || !standsAt(source, at, PLAIN_MIDDLE))
    return undefined
  if (length > FILE_LENGTH_MAX) return undefined
  at += PLAIN_MIDDLE.length
  const rawPath: Uint8Array[] = []
  while (source[at] !== END) {
    let nameLength = 0
    if (!isDigit(source[at]!)) return undefined
    for (; isDigit(source[at]!); at++) nameLength = 10 * nameLength + source[at]! - ZERO
    rawPath.push(source.subarray(at + 1, at + 1 + nameLength))
    at += 1 + nameLength
    if (at >= end || rawPath.length > LIMITS.pathDepthMax.value) return undefined
  }
  if (at + 2 !== end || rawPath.length === 0) return undefined
  const read = paths.read(rawPath)
  if (read.path.some((component) => component.includes(BITCOMET_PADDING))) return undefined
  return {
    path: read.path,
    rawPath: read.rawPath,
    length,
    isPad: false,
    isExecutable: false,
    isHidden: false,
    linkTarget: undefined,
    sha1: undefined,
    piecesRoot: null,
  }
}

function standsAt(source: Uint8Array, start: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (source[start + i] !== text[i]) return false
  return true
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9
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
  return ok({
    path,
    rawPath,
    length,
    isPad: hasAttribute(attributes, PAD),
    isExecutable: hasAttribute(attributes, EXECUTABLE),
    isHidden: hasAttribute(attributes, HIDDEN),
    linkTarget: rawTarget.length > 0 ? safePath(rawTarget) : undefined,
    sha1: sha1?.length === 20 ? sha1 : undefined,
    piecesRoot: null,
  })
}

function hasAttribute(attributes: Uint8Array | undefined, attribute: number): boolean {
  return attributes?.includes(attribute) === true
}

function tooManyFiles(): Failure {
  return fail('metainfo/too-many-files', `the torrent has more than ${LIMITS.filesMax.value} files`)
}
