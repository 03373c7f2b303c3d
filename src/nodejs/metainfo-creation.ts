/**
 * Makes a `.torrent` out of files and folders: finds them, chooses format and piece length, hashes, writes.
 * Invariant: the infohash depends on the names, the bytes, who may execute them and the wishes given, so the
 * same tree made twice is the same torrent.
 */
import type { Fault, Result } from '../base/result.ts'
import type { BencodedBytes } from '../wire/bencode.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import {
  buildInfo,
  type ContentHashes,
  drawTree,
  encodeMetainfo,
  type FileTree,
  type InfoDictionary,
  listFiles,
  type PlacedFile,
} from '../wire/metainfo-writer.ts'
import { type FormatPlan, type FormatRequest, planFormat } from '../wire/piece-length.ts'
import { type ContentHash, ContentHashing } from './content-hashing.ts'
import { type FoundContent, findContent, type SkippedFile } from './folder-walk.ts'
import { FoundEntries } from './found-entries.ts'
import { HashPool } from './hash-pool.ts'
import { expectOnHeap } from './heap-growth.ts'
import { nodeCrypto } from './node-crypto.ts'
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
  // Threads take a while to start; meanwhile the files are found.
  poolOf(request).start(request.usesOwnThread)
  const stop = new AbortController()
  try {
    return await create(request, stop.signal)
  } finally {
    // What was begun before something else went wrong.
    stop.abort()
  }
}

async function create(request: CreationRequest, stopped: AbortSignal): Promise<CreatedMetainfo> {
  const early = earlyPlan(request)
  let hashing: Hashing | undefined
  let contentLength: number | undefined
  const begin = (plan: FormatPlan, { folders, files }: Pick<FoundContent, 'folders' | 'files'>): Hashing => {
    const { onProgress } = request
    return new Hashing(request, plan, folders, files, stopped, (bytes) => {
      if (contentLength !== undefined) onProgress?.(bytes, contentLength)
    })
  }
  const content = await findContent(request.paths, {
    ...request,
    onFiles: (found) => {
      expectOnHeap({ files: found.files.length })
      if (early === undefined) return
      hashing ??= begin(early, found)
      hashing.take()
    },
  })
  expectOnHeap({ files: content.files.length })
  request.onFound?.(content)
  contentLength = content.files.reduce((sum, file) => sum + file.length, 0)
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
  hashing ??= begin(plan, content)
  const { placed, pieceCount, fileList, fileTree, hashes } = await hashing.finish(content, contentLength)
  const info = unwrap(
    buildInfo(
      {
        format: plan.format,
        name: Buffer.from(content.name),
        isSingleFile: content.isSingleFile,
        pieceLength: plan.pieceLength,
        files: placed,
        hashes: writtenHashes(placed, hashes, plan.pieceLength),
        fileList,
        fileTree,
        ...(request.private === true && { private: true }),
      },
      nodeCrypto,
    ),
  )
  const bytes = encodeMetainfo(info, announcement(request))
  return created(bytes, info, plan, pieceCount, content, contentLength)
}

/** What does not depend on the files; undefined when it does, or cannot be made at all. */
function earlyPlan(request: CreationRequest): FormatPlan | undefined {
  const asked = formatRequest(request)
  if (asked.format === 'auto' || asked.pieceLength === undefined) return undefined
  const plan = planFormat([1], asked)
  return plan.ok ? plan.value : undefined
}

/** Files in their places and their hashes, begun with the first of them. */
class Hashing {
  readonly #entries: FoundEntries
  readonly #plan: FormatPlan
  readonly #hashing: ContentHashing

  constructor(
    request: CreationRequest,
    plan: FormatPlan,
    folders: readonly string[],
    files: FoundContent['files'],
    stopped: AbortSignal,
    onProgress: (bytes: number) => void,
  ) {
    this.#plan = plan
    this.#entries = new FoundEntries(files, plan)
    this.#hashing = new ContentHashing({
      folders,
      entries: this.#entries,
      pieceLength: plan.pieceLength,
      wantsV1: plan.format !== 'v2',
      wantsV2: plan.format !== 'v1',
      isCutAtFiles: plan.format === 'v2',
      signal: request.signal === undefined ? stopped : AbortSignal.any([request.signal, stopped]),
      onProgress,
      pool: poolOf(request),
      usesOwnThread: request.usesOwnThread,
    })
  }

  /** More files were found. */
  take(): void {
    this.#entries.take()
    this.#hashing.know(this.#entries.wholePieces)
  }

  /** No more files come. What of the metainfo needs no hash is written while other threads hash. */
  async finish(
    { isSingleFile }: FoundContent,
    contentLength: number,
  ): Promise<{
    placed: readonly PlacedFile[]
    pieceCount: number
    fileList: BencodedBytes | undefined
    fileTree: FileTree | undefined
    hashes: ContentHash
  }> {
    this.#entries.take()
    const { placed, pieceCount } = this.#entries
    const hashing = this.#hashing.finish(pieceCount, contentLength)
    // Whoever waits for it below hears of it.
    hashing.catch(() => {})
    const { format } = this.#plan
    const fileList = isSingleFile || format === 'v2' ? undefined : unwrap(listFiles(placed))
    const fileTree = format === 'v1' ? undefined : unwrap(drawTree(placed))
    return { placed, pieceCount, fileList, fileTree, hashes: await hashing }
  }
}

function poolOf({ pool }: CreationRequest): HashPool {
  return pool ?? HashPool.shared
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
