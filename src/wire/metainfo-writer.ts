/**
 * Builds the info dictionary and the `.torrent` file from files that have been hashed: v1
 * (BEP 3), v2 (BEP 52), hybrid.
 * Padding (BEP 47) fills the last piece of a file when another one with bytes follows;
 * nothing follows the last file.
 * Invariants: the info dictionary depends on content and names only, never on tool or time; same input, same
 * bytes; the infohash equals that of libtorrent's `create_torrent` with `canonical_files_no_tail_padding`.
 */
import { assert } from '../base/assert.ts'
import { compareBytes } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { encodeUtf8, toLatin1 } from '../base/text.ts'
import { BencodedBytes, BencodeWriter, encodeBencode } from './bencode.ts'
import { MERKLE_HASH_LENGTH, rootOfPieceLayer } from './merkle.ts'
import type { Format } from './metainfo.ts'
import { UNPLACED } from './metainfo-files.ts'

/** SHA-1. */
const PIECE_HASH_LENGTH = 20
const NO_ROOT = new Uint8Array(MERKLE_HASH_LENGTH)

/** Bytes as they will stand in the torrent; text stands for its UTF-8. */
export type RawName = Uint8Array | string

/** A file to be shared, before it is hashed. */
export interface ContentFile {
  /** Names below the torrent's folder; of a single-file torrent just the name. */
  readonly path: readonly RawName[]
  /** Bytes. */
  readonly length: number
  readonly isExecutable?: boolean
}

/** A file or a run of padding in its place. */
export interface PlacedFile extends ContentFile {
  /** First byte in piece space. */
  readonly offset: number
  readonly isPad: boolean
}

/** What hashing found. */
export interface ContentHashes {
  /** v1, hybrid: 20 bytes for each piece of the placed content, padding hashed as zeros. */
  readonly pieceHashesV1?: Uint8Array
  /**
   * v2, hybrid: for each entry of the placed files, its piece layer: 32 bytes for each piece of the file,
   * also when that is only one; null for padding and empty files.
   */
  readonly pieceLayers?: readonly (Uint8Array | null)[]
}

export interface InfoDescription {
  readonly format: Format
  /** Raw name of the file or folder. */
  readonly name: Uint8Array
  readonly isSingleFile: boolean
  readonly pieceLength: number
  /** As `placeFiles` gave them. */
  readonly files: readonly PlacedFile[]
  readonly hashes: ContentHashes
  readonly private?: boolean
  /** What `listFiles` and `drawTree` made of the files, when that was done already. */
  readonly fileList?: BencodedBytes | undefined
  readonly fileTree?: FileTree | undefined
}

/** The `file tree` of a v2 info dictionary (BEP 52) before the roots of its files are known. */
export interface FileTree {
  readonly bytes: Uint8Array
  /** Where the root of each placed file belongs; 0 for those that have none. */
  readonly rootPlaces: Uint32Array
}

export interface InfoDictionary {
  /** The exact bytes that the infohashes are over. */
  readonly infoBytes: Uint8Array
  readonly infoHashV1: Uint8Array | null
  readonly infoHashV2: Uint8Array | null
  /** Bencoded `piece layers` for the `.torrent` file; null in v1. */
  readonly pieceLayersBytes: Uint8Array | null
}

/** What stands around the info dictionary and never touches the infohash. */
export interface Announcement {
  readonly trackers?: readonly (readonly string[])[]
  readonly webSeeds?: readonly string[]
  readonly comment?: string
  readonly createdBy?: string
  /** Seconds since 1970. */
  readonly creationDate?: number
}

/**
 * Sorts by raw bytes per path component and gives every file its offset, with padding in between where
 * `aligned` (v2, hybrid and file-aligned v1).
 */
export function placeFiles(
  files: readonly ContentFile[],
  pieceLength: number,
  aligned: boolean,
): PlacedFile[] {
  const placing = new FilePlacing(pieceLength, aligned)
  for (const file of files.toSorted((a, b) => comparePaths(a.path, b.path))) placing.add(file)
  return placing.placed
}

/** The same for files that come in this order, one by one. */
export class FilePlacing {
  readonly placed: PlacedFile[] = []
  readonly #pieceLength: number
  readonly #isAligned: boolean
  /** Runs of one length share their path: a hybrid of 300,000 files has as many. Bounded by the files. */
  readonly #padPaths = new Map<number, readonly RawName[]>()
  /** Of piece space. */
  #length = 0

  constructor(pieceLength: number, isAligned: boolean) {
    this.#pieceLength = pieceLength
    this.#isAligned = isAligned
  }

  /** Pieces that no file to come has a part of. */
  get wholePieces(): number {
    return Math.floor(this.#length / this.#pieceLength)
  }

  get pieceCount(): number {
    return Math.ceil(this.#length / this.#pieceLength)
  }

  /** Not before those that were added already, in the order of raw names. */
  add({ path, length, isExecutable = false }: ContentFile): void {
    const tail = this.#length % this.#pieceLength
    if (this.#isAligned && tail !== 0 && length > 0) this.#addPadding(this.#pieceLength - tail)
    this.#place({ path, length, isExecutable, offset: UNPLACED, isPad: false })
  }

  #addPadding(length: number): void {
    const path = this.#padPaths.get(length) ?? padPath(length)
    this.#padPaths.set(length, path)
    this.#place({ path, length, isExecutable: false, offset: UNPLACED, isPad: true })
  }

  #place(file: { -readonly [Key in keyof PlacedFile]: PlacedFile[Key] }): void {
    file.offset = this.#length
    this.placed.push(file)
    this.#length += file.length
  }
}

/**
 * Fails with `metainfo/no-content` when there is no byte to share, with `metainfo/name-conflict` when a name
 * stands twice or is both file and folder.
 */
export function buildInfo(description: InfoDescription, crypto: Crypto): Result<InfoDictionary> {
  const { format, name, isSingleFile, pieceLength, files, hashes } = description
  if (!files.some((file) => file.length > 0))
    return fail('metainfo/no-content', 'there is no byte to share', 'Add a file that is not empty.')
  const roots = format === 'v1' ? [] : files.map((_, index) => rootOf(description, index, crypto))
  const drawn =
    format === 'v1' ? undefined : description.fileTree ? ok(description.fileTree) : drawTree(files)
  if (drawn?.ok === false) return drawn
  const isListed = format !== 'v2' && !isSingleFile
  const list = !isListed ? undefined : description.fileList ? ok(description.fileList) : listFiles(files)
  if (list?.ok === false) return list
  const single = isSingleFile ? files.find((file) => !file.isPad)! : undefined
  assert(!isSingleFile || files.every((file) => file.isPad || file === single), 'one file is one file')

  const hasV1 = format !== 'v2'
  const infoBytes = encodeBencode({
    ...(hasV1 &&
      (single === undefined
        ? { files: list!.value }
        : { attr: attributesOf(single), length: single.length })),
    'file tree': drawn && putRoots(drawn.value, roots),
    'meta version': format === 'v1' ? undefined : 2,
    name,
    'piece length': pieceLength,
    pieces: hasV1 ? checkedPieces(description) : undefined,
    private: description.private === true ? 1 : undefined,
  })
  return ok({
    infoBytes,
    infoHashV1: hasV1 ? crypto.sha1(infoBytes) : null,
    infoHashV2: format === 'v1' ? null : crypto.sha256(infoBytes),
    pieceLayersBytes: format === 'v1' ? null : pieceLayersBytes(hashes.pieceLayers ?? [], roots),
  })
}

/**
 * The `files` of a v1 info dictionary (BEP 3, 47), as `placeFiles` gave them. Fails with
 * `metainfo/name-conflict` as `buildInfo` does.
 */
export function listFiles(files: readonly PlacedFile[]): Result<BencodedBytes> {
  if (hasNameConflict(files)) return nameConflict()
  const writer = new BencodeWriter()
  writer.ascii('l')
  for (const file of files) {
    const attributes = attributesOf(file)
    writer.ascii(
      attributes === undefined ? 'd6:lengthi' : `d4:attr${attributes.length}:${attributes}6:lengthi`,
    )
    writer.ascii(`${file.length}e4:pathl`)
    for (const name of file.path) writer.value(name)
    writer.ascii('ee')
  }
  writer.ascii('e')
  return ok(new BencodedBytes(writer.finish()))
}

/**
 * Folders as dictionaries, each file under an empty key (BEP 52), of files as `placeFiles` gave them: in that
 * order they stand in the tree too. Fails with `metainfo/name-conflict` as `buildInfo` does.
 */
export function drawTree(files: readonly PlacedFile[]): Result<FileTree> {
  if (hasNameConflict(files)) return nameConflict()
  const writer = new BencodeWriter()
  const rootPlaces = new Uint32Array(files.length)
  let before: readonly RawName[] = []
  let depth = 0
  writer.ascii('d')
  for (const [index, file] of files.entries()) {
    if (file.isPad) continue
    const { path, length } = file
    const last = path.length - 1
    const shared = sharedDepth(path, before, Math.min(depth, last))
    writer.ascii('e'.repeat(depth - shared))
    for (depth = shared; depth < last; depth++) {
      writer.value(path[depth]!)
      writer.ascii('d')
    }
    writer.value(path[last]!)
    const attributes = attributesOf(file)
    writer.ascii(attributes === undefined ? 'd0:d' : `d0:d4:attr${attributes.length}:${attributes}`)
    writer.ascii(`6:lengthi${length}e`)
    if (length > 0) {
      writer.ascii('11:pieces root')
      writer.value(NO_ROOT)
      rootPlaces[index] = writer.length - NO_ROOT.length
    }
    writer.ascii('ee')
    before = path
  }
  writer.ascii('e'.repeat(depth + 1))
  return ok({ bytes: writer.finish(), rootPlaces })
}

/** The bytes of the `.torrent` file. A single tracker or web seed is written without a list around it. */
export function encodeMetainfo(info: InfoDictionary, announcement: Announcement): Uint8Array {
  const { trackers = [], webSeeds = [], comment, createdBy, creationDate } = announcement
  const tiers = trackers.filter((tier) => tier.length > 0)
  const isList = tiers.length > 1 || (tiers[0]?.length ?? 0) > 1
  return encodeBencode({
    announce: tiers[0]?.[0],
    'announce-list': isList ? tiers : undefined,
    comment,
    'created by': createdBy,
    'creation date': creationDate,
    info: new BencodedBytes(info.infoBytes),
    'piece layers': info.pieceLayersBytes === null ? undefined : new BencodedBytes(info.pieceLayersBytes),
    'url-list': webSeeds.length > 1 ? webSeeds : webSeeds[0],
  })
}

function comparePaths(a: readonly RawName[], b: readonly RawName[]): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    // Files of one folder may share its name.
    const difference = a[i] === b[i] ? 0 : compareBytes(bytesOf(a[i]!), bytesOf(b[i]!))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** How many of the first `most` names are the same. */
function sharedDepth(path: readonly RawName[], other: readonly RawName[], most: number): number {
  let depth = 0
  while (depth < most && isSameName(path[depth]!, other[depth])) depth++
  return depth
}

function isSameName(name: RawName, other: RawName | undefined): boolean {
  if (name === other || other === undefined) return name === other
  if (typeof name === 'string' && typeof other === 'string') return false
  return compareBytes(bytesOf(name), bytesOf(other)) === 0
}

function bytesOf(name: RawName): Uint8Array {
  return typeof name === 'string' ? encodeUtf8(name) : name
}

/** Where libtorrent puts padding; part of the infohash. */
function padPath(length: number): RawName[] {
  return ['.pad', String(length)]
}

/** BEP 47; the letters in libtorrent's order. */
function attributesOf(file: PlacedFile): string | undefined {
  if (file.isPad) return 'p'
  return file.isExecutable === true ? 'x' : undefined
}

function nameConflict(): ReturnType<typeof fail> {
  return fail('metainfo/name-conflict', 'two of the files have the same path', 'Rename one of them.')
}

/**
 * True when a path stands twice or is both file and folder. In the order of `placeFiles` such
 * paths are neighbours: whatever stands between a file and one below it is below it too.
 */
function hasNameConflict(files: readonly PlacedFile[]): boolean {
  let before: readonly RawName[] | undefined
  for (const { path, isPad } of files) {
    if (isPad) continue
    if (before !== undefined && isSameOrBelow(path, before)) return true
    before = path
  }
  return false
}

function isSameOrBelow(path: readonly RawName[], other: readonly RawName[]): boolean {
  // Neighbours mostly differ in the last name.
  for (let depth = other.length - 1; depth >= 0; depth--)
    if (!isSameName(other[depth]!, path[depth])) return false
  return true
}

/** In place: a tree is drawn for one torrent. */
function putRoots({ bytes, rootPlaces }: FileTree, roots: readonly (Uint8Array | null)[]): BencodedBytes {
  for (const [index, root] of roots.entries()) if (root !== null) bytes.set(root, rootPlaces[index])
  return new BencodedBytes(bytes)
}

function rootOf(description: InfoDescription, index: number, crypto: Crypto): Uint8Array | null {
  const { files, hashes, pieceLength } = description
  const file = files[index]!
  if (file.isPad || file.length === 0) return null
  const layer = hashes.pieceLayers?.[index]
  const pieceCount = Math.ceil(file.length / pieceLength)
  assert(layer?.length === pieceCount * MERKLE_HASH_LENGTH, 'every file has a hash for each of its pieces')
  return pieceCount === 1 ? layer : rootOfPieceLayer(layer, pieceLength, crypto)
}

/** Files of one piece need no entry, their root is the hash. */
function pieceLayersBytes(
  layers: readonly (Uint8Array | null)[],
  roots: readonly (Uint8Array | null)[],
): Uint8Array {
  const entries = new Map<string, Uint8Array>()
  for (const [index, root] of roots.entries()) {
    const layer = layers[index] ?? null
    if (root !== null && layer !== null && layer.length > MERKLE_HASH_LENGTH)
      entries.set(toLatin1(root), layer)
  }
  return encodeBencode(entries)
}

function checkedPieces(description: InfoDescription): Uint8Array {
  const { files, hashes, pieceLength } = description
  const last = files.at(-1)!
  const pieceCount = Math.ceil((last.offset + last.length) / pieceLength)
  assert(hashes.pieceHashesV1?.length === pieceCount * PIECE_HASH_LENGTH, 'every piece has a v1 hash')
  return hashes.pieceHashesV1
}
