/**
 * Makes a `.torrent` out of files and folders: finds them, chooses format and piece length, hashes, writes.
 * Invariant: the infohash depends on the names, the bytes, who may execute them and the wishes given, so the
 * same tree made twice is the same torrent.
 */
import { assert } from '../base/assert.ts'
import type { Fault, Result } from '../base/result.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import {
  buildInfo,
  type ContentFile,
  type ContentHashes,
  encodeMetainfo,
  type InfoDictionary,
  type PlacedFile,
  placeFiles,
} from '../wire/metainfo-writer.ts'
import { type FormatPlan, type FormatRequest, planFormat } from '../wire/piece-length.ts'
import type { PathComponent } from './content-folder.ts'
import { type ContentHash, hashContent } from './content-hashing.ts'
import { type FoundContent, findContent, type SkippedFile } from './folder-walk.ts'
import { HashPool } from './hash-pool.ts'
import { expectOnHeap } from './heap-growth.ts'
import { nodeCrypto } from './node-crypto.ts'
import type { ContentEntries, ContentEntry } from './piece-plan.ts'
import { ShoalError } from './shoal-error.ts'

export interface CreationRequest {
  /** Files and folders. Several are shared side by side under one name. */
  readonly paths: readonly string[]
  /** By default the name of the one path, or of the folder that all are in. */
  readonly name?: string | undefined
  /** Announce addresses, each a tier of its own (BEP 12). */
  readonly trackers?: readonly string[] | undefined
  readonly format?: FormatRequest['format'] | undefined
  /** Bytes; automatic by default. */
  readonly pieceLength?: number | undefined
  /** Begin every file of a v1 torrent at a piece. */
  readonly align?: boolean | undefined
  readonly private?: boolean | undefined
  readonly comment?: string | undefined
  readonly webSeeds?: readonly string[] | undefined
  /** See `file-glob.ts`. */
  readonly excludes?: readonly string[] | undefined
  /** Where a torrent of that name will be written: not content, even if it lies among it. */
  readonly outputFile?: ((name: string) => string) | undefined
  /** Called once the files are known, before they are hashed; what it throws ends the creation. */
  readonly onFound?: ((content: FoundContent) => void) | undefined
  readonly createdBy?: string | undefined
  /** Seconds since 1970. */
  readonly creationDate?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Bytes of files hashed, and how many there are. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined
  readonly pool?: HashPool | undefined
  /** Nothing else needs the calling thread until it is made: it hashes as well, a few ms at a time. */
  readonly usesOwnThread?: boolean | undefined
}

export interface CreatedMetainfo {
  /** The `.torrent` file. */
  readonly bytes: Uint8Array
  /** 20 bytes. */
  readonly infoHashV1: Uint8Array | null
  /** 32 bytes. */
  readonly infoHashV2: Uint8Array | null
  readonly name: string
  readonly format: FormatPlan['format']
  readonly pieceLength: number
  readonly pieceCount: number
  readonly fileCount: number
  /** Bytes of files, without padding. */
  readonly contentLength: number
  readonly skipped: readonly SkippedFile[]
  /** Why this format and piece length, for people. */
  readonly reason: string
  readonly warnings: readonly Fault[]
  /**
   * Folder in which the content stands under the torrent's name; undefined when it cannot
   * be seeded where it is.
   */
  readonly contentFolder: string | undefined
  /** The file read back; parsed when first asked for. */
  readonly metainfo: Metainfo
}

/**
 * Rejects with `create/...` or `metainfo/...` when this cannot be made a torrent, with `storage/...` when a
 * file cannot be read or changes meanwhile, with the signal's reason when aborted.
 */
export async function createMetainfo(request: CreationRequest): Promise<CreatedMetainfo> {
  const pool = request.pool ?? HashPool.shared
  // Threads take a while to start; meanwhile the files are found.
  pool.start(request.usesOwnThread)
  const content = await findContent(request.paths, request)
  expectOnHeap({ files: content.files.length })
  request.onFound?.(content)
  const contentLength = content.files.reduce((sum, file) => sum + file.length, 0)
  if (contentLength === 0) {
    const message = content.files.length === 0 ? 'There are no files to share.' : 'All files are empty.'
    throw new ShoalError('create/no-content', message, 'A torrent needs at least one byte of content.')
  }
  const plan = unwrap(
    planFormat(
      content.files.map((file) => file.length),
      formatRequest(request),
    ),
  )
  const placed = placeFiles(contentFiles(content), plan.pieceLength, plan.isAligned)
  const pieceCount = countPieces(placed, plan.pieceLength)
  const hashes = await hashContent({
    folders: content.folders,
    entries: new PlacedEntries(placed, content, plan.format === 'v2'),
    pieceLength: plan.pieceLength,
    pieceCount,
    wantsV1: plan.format !== 'v2',
    wantsV2: plan.format !== 'v1',
    isCutAtFiles: plan.format === 'v2',
    signal: request.signal,
    onProgress: request.onProgress && ((bytes) => request.onProgress!(bytes, contentLength)),
    pool,
    usesOwnThread: request.usesOwnThread,
  })
  const info = unwrap(
    buildInfo(
      {
        format: plan.format,
        name: Buffer.from(content.name),
        isSingleFile: content.isSingleFile,
        pieceLength: plan.pieceLength,
        files: placed,
        hashes: writtenHashes(placed, hashes, plan.pieceLength),
        ...(request.private === true && { private: true }),
      },
      nodeCrypto,
    ),
  )
  const bytes = encodeMetainfo(info, announcement(request))
  return created(bytes, info, plan, pieceCount, content, contentLength)
}

function created(
  bytes: Uint8Array,
  info: InfoDictionary,
  plan: FormatPlan,
  pieceCount: number,
  content: FoundContent,
  contentLength: number,
): CreatedMetainfo {
  let parsed: Metainfo | undefined
  return {
    bytes,
    infoHashV1: info.infoHashV1,
    infoHashV2: info.infoHashV2,
    name: content.name,
    format: plan.format,
    pieceLength: plan.pieceLength,
    pieceCount,
    fileCount: content.files.length,
    contentLength,
    skipped: content.skipped,
    reason: plan.reason,
    warnings: plan.warnings,
    contentFolder: content.contentFolder,
    get metainfo() {
      parsed ??= unwrap(parseMetainfo(bytes, nodeCrypto))
      return parsed
    },
  }
}

function formatRequest({ format = 'auto', pieceLength, align }: CreationRequest): FormatRequest {
  return { format, ...(pieceLength !== undefined && { pieceLength }), ...(align !== undefined && { align }) }
}

function announcement(request: CreationRequest): Parameters<typeof encodeMetainfo>[1] {
  const { trackers = [], webSeeds = [], comment, createdBy, creationDate } = request
  return {
    trackers: trackers.map((url) => [url]),
    webSeeds,
    ...(comment !== undefined && { comment }),
    ...(createdBy !== undefined && { createdBy }),
    ...(creationDate !== undefined && { creationDate }),
  }
}

/** Files of one folder share the bytes of its name. */
function contentFiles({ files }: FoundContent): ContentFile[] {
  let names: readonly PathComponent[] = []
  let path: readonly Uint8Array[] = []
  return files.map(({ torrentPath, length, isExecutable }) => {
    path = torrentPath.map((name, depth) => (name === names[depth] ? path[depth]! : bytesOf(name)))
    names = torrentPath
    return { path, length, isExecutable }
  })
}

function bytesOf(name: PathComponent): Uint8Array {
  return typeof name === 'string' ? Buffer.from(name) : name
}

function countPieces(placed: readonly PlacedFile[], pieceLength: number): number {
  const last = placed.findLast((file) => file.length > 0)
  return last === undefined ? 0 : Math.ceil((last.offset + last.length) / pieceLength)
}

/**
 * Placed files that have bytes, each with where it is found, as entries that are made when asked for. Both
 * lists are in the order of raw names.
 */
class PlacedEntries implements ContentEntries {
  readonly length: number
  readonly #placed: readonly PlacedFile[]
  readonly #files: FoundContent['files']
  /** Of each entry, among the placed, and among those found: for padding the next one. */
  readonly #places: Uint32Array
  readonly #found: Uint32Array

  constructor(placed: readonly PlacedFile[], { files }: FoundContent, isV2: boolean) {
    this.#placed = placed
    this.#files = files
    this.#places = new Uint32Array(placed.length)
    this.#found = new Uint32Array(placed.length)
    let next = 0
    let count = 0
    for (const [index, { length, isPad }] of placed.entries()) {
      assert(isPad || files[next]?.length === length, 'files are placed in the order they were found')
      // In v2 padding is only a gap.
      if (isPad ? !isV2 : length > 0) {
        this.#places[count] = index
        this.#found[count++] = next
      }
      if (!isPad) next++
    }
    this.length = count
  }

  at(index: number): ContentEntry | undefined {
    if (index >= this.length) return undefined
    const { length, offset, isPad } = this.#placed[this.#places[index]!]!
    if (isPad) return { folder: 0, path: NOWHERE, length, offset }
    const { folder, path, mtimeMs } = this.#files[this.#found[index]!]!
    return { folder, path, length, offset, mtimeMs }
  }
}

const NOWHERE: readonly PathComponent[] = []

function writtenHashes(
  placed: readonly PlacedFile[],
  hashes: ContentHash,
  pieceLength: number,
): ContentHashes {
  const { v1, v2 } = hashes
  const layerOf = ({ offset, length }: PlacedFile) =>
    v2!.subarray((32 * offset) / pieceLength, 32 * Math.ceil((offset + length) / pieceLength))
  return {
    ...(v1 !== null && { pieceHashesV1: v1 }),
    ...(v2 !== null && {
      pieceLayers: placed.map((file) => (file.isPad || file.length === 0 ? null : layerOf(file))),
    }),
  }
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw ShoalError.from(result.error)
  return result.value
}
