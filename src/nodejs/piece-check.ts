/**
 * Compares what is on disk with a torrent, piece by piece: for `verify`, and for what a
 * peer has when it starts.
 * A piece is right when every hash the torrent has for it is: SHA-1 (v1), merkle root (v2), both (hybrid). A
 * v2 file whose piece layer is missing is checked as a whole: all its pieces are right or none.
 * Invariant: each asked piece is reported exactly once; missing, short and unreadable
 * files only make pieces wrong.
 */
import { setImmediate } from 'node:timers/promises'
import { Bitfield } from '../base/bitfield.ts'
import { equalBytes } from '../base/bytes.ts'
import { Geometry } from '../swarm/geometry.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, rootOfPieceLayer } from '../wire/merkle.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import { locateFiles } from './content-location.ts'
import type { PieceHashes } from './hash-job.ts'
import { HashPool, type HashWork } from './hash-pool.ts'
import { nodeCrypto } from './node-crypto.ts'
import { type ContentEntry, type PieceRange, type PlannedJob, planJobs } from './piece-plan.ts'

export interface PieceCheckOptions {
  /** Indices, in any order; all pieces by default. */
  readonly pieces?: Iterable<number> | undefined
  /** Where each entry of `metainfo.files` stands below `dir`; by default as `locateFiles` says. */
  readonly paths?: readonly (readonly PathComponent[])[] | undefined
  readonly signal?: AbortSignal | undefined
  readonly onPiece?: ((index: number, isRight: boolean) => void) | undefined
  /** Bytes of files read by now. Missing ones are not counted. */
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly pool?: HashPool | undefined
}

const SHA1_LENGTH = 20
/** Files looked for in one go: about 5 ms. */
const FILES_PER_TURN = 1000

/**
 * Resolves to the pieces that are there and right.
 * @param dir the folder in which the torrent's name stands
 * Rejects with the signal's reason when aborted, and with `storage/too-many-files`.
 */
export async function checkPieces(
  metainfo: Metainfo,
  dir: string,
  options: PieceCheckOptions = {},
): Promise<Bitfield> {
  const { pieceLength } = metainfo
  const pool = options.pool ?? HashPool.shared
  const folder = new ContentFolder(dir)
  const entries = contentEntries(metainfo, options.paths ?? locateFiles(metainfo, folder))
  // Threads take a while to come up; looking for the files takes as long.
  const [first] = entries
  if (first !== undefined && folder.statSync(first.path.slice(0, 1)) !== undefined) pool.start()
  const absent = await findAbsent(metainfo, folder, entries, options.signal)
  folder.close()

  const judge = new Judge(metainfo, options.onPiece)
  const wanted = new Bitfield(metainfo.pieceCount)
  if (options.pieces === undefined) wanted.fill()
  else for (const piece of options.pieces) wanted.set(piece)
  for (const piece of absent.ones()) if (wanted.clear(piece)) judge.reject(piece)
  if (wanted.count === 0) return judge.conclude()
  let bytes = 0
  const work = {
    settings: {
      folders: [folder.root],
      pieceLength,
      v1: metainfo.pieceHashesV1 !== null,
      v2: metainfo.infoHashV2 !== null,
      isCutAtFiles: metainfo.format === 'v2',
      isStrict: false,
    },
    jobs: planJobs(entries, pieceLength, rangesOf(wanted)),
    onJob: (job, hashes) => {
      judge.judge(job, hashes)
      options.onProgress?.((bytes += job.contentBytes))
    },
  } satisfies HashWork
  await pool.run(work, options.signal)
  return judge.conclude()
}

function contentEntries(metainfo: Metainfo, paths: readonly (readonly PathComponent[])[]): ContentEntry[] {
  const entries: ContentEntry[] = []
  for (const [index, { length, offset, isPad }] of metainfo.files.entries()) {
    if (length > 0) entries.push({ folder: 0, path: isPad ? [] : paths[index]!, length, offset })
  }
  return entries
}

/** Pieces with bytes that no file has: they need not be read. */
async function findAbsent(
  metainfo: Metainfo,
  folder: ContentFolder,
  entries: readonly ContentEntry[],
  signal: AbortSignal | undefined,
): Promise<Bitfield> {
  const absent = new Bitfield(metainfo.pieceCount)
  const tops = new Map<PathComponent, boolean>()
  for (const [index, { path, length, offset }] of entries.entries()) {
    if (path.length === 0) continue
    if (index % FILES_PER_TURN === 0) await setImmediate()
    signal?.throwIfAborted()
    const [top] = path
    if (!tops.has(top!)) tops.set(top!, folder.statSync([top!]) !== undefined)
    const size = tops.get(top!) ? sizeOf(folder, path) : 0
    if (size >= length) continue
    const first = Math.floor((offset + size) / metainfo.pieceLength)
    const last = Math.floor((offset + length - 1) / metainfo.pieceLength)
    for (let piece = first; piece <= last; piece++) absent.set(piece)
  }
  return absent
}

/** What stands there as a file; something in its place that is none counts as nothing. */
function sizeOf(folder: ContentFolder, path: readonly PathComponent[]): number {
  try {
    const stat = folder.statSync(path)
    return stat?.isFile ? stat.size : 0
  } catch {
    return 0
  }
}

function* rangesOf(pieces: Bitfield): Generator<PieceRange> {
  let start = -1
  let end = -1
  for (const piece of pieces.ones()) {
    if (piece === end) end++
    else {
      if (start >= 0) yield { start, end }
      start = piece
      end = piece + 1
    }
  }
  if (start >= 0) yield { start, end }
}

/** A v2 file of several pieces whose piece layer nobody gave us. */
interface UnprovenFile {
  readonly root: Uint8Array
  readonly firstPiece: number
  /** 32 bytes for each of its pieces, as they come in. */
  readonly layer: Uint8Array
  readonly seen: Bitfield
}

class Judge {
  readonly #metainfo: Metainfo
  readonly #geometry: Geometry
  readonly #onPiece: PieceCheckOptions['onPiece']
  readonly #right: Bitfield
  /** By piece. Bounded by piecesMax: the pieces of one torrent. */
  readonly #unproven = new Map<number, UnprovenFile>()

  constructor(metainfo: Metainfo, onPiece: PieceCheckOptions['onPiece']) {
    this.#metainfo = metainfo
    this.#geometry = new Geometry(metainfo, MERKLE_BLOCK_LENGTH)
    this.#onPiece = onPiece
    this.#right = new Bitfield(metainfo.pieceCount)
    if (metainfo.pieceHashesV1 === null) this.#findUnproven()
  }

  judge(job: PlannedJob, hashes: PieceHashes): void {
    for (let i = 0; i < job.pieceCount; i++) {
      const piece = job.firstPiece + i
      const file = this.#unproven.get(piece)
      if (hashes.missing[i] === 1) this.reject(piece)
      else if (file === undefined) this.#report(piece, this.#isRight(piece, i, hashes))
      else {
        const at = piece - file.firstPiece
        file.layer.set(hashAt(hashes.v2!, i, MERKLE_HASH_LENGTH), MERKLE_HASH_LENGTH * at)
        file.seen.set(at)
        if (file.seen.isFull) this.#judgeFile(file)
      }
    }
  }

  reject(piece: number): void {
    this.#report(piece, false)
  }

  /** Files of which not every piece could be read prove nothing. */
  conclude(): Bitfield {
    for (const file of new Set(this.#unproven.values())) {
      if (!file.seen.isFull) for (const at of file.seen.ones()) this.reject(file.firstPiece + at)
    }
    return this.#right
  }

  #isRight(piece: number, index: number, hashes: PieceHashes): boolean {
    const expectedV1 = this.#metainfo.pieceHashesV1
    const isRightV1 =
      !expectedV1 ||
      equalBytes(hashAt(hashes.v1!, index, SHA1_LENGTH), hashAt(expectedV1, piece, SHA1_LENGTH))
    const expectedV2 = hashes.v2 === null ? undefined : this.#geometry.merkleHash(piece)
    return isRightV1 && (!expectedV2 || equalBytes(hashAt(hashes.v2!, index, MERKLE_HASH_LENGTH), expectedV2))
  }

  #judgeFile(file: UnprovenFile): void {
    const isRight = equalBytes(
      rootOfPieceLayer(file.layer, this.#metainfo.pieceLength, nodeCrypto),
      file.root,
    )
    for (let at = 0; at < file.seen.length; at++) this.#report(file.firstPiece + at, isRight)
  }

  #report(piece: number, isRight: boolean): void {
    if (isRight) this.#right.set(piece)
    this.#onPiece?.(piece, isRight)
  }

  #findUnproven(): void {
    for (const [index, entry] of this.#metainfo.files.entries()) {
      if (
        entry.piecesRoot === null ||
        entry.pieceLayer !== null ||
        entry.length <= this.#metainfo.pieceLength
      )
        continue
      const { first, end } = this.#geometry.filePieces(index)
      const layer = new Uint8Array(MERKLE_HASH_LENGTH * (end - first))
      const file = { root: entry.piecesRoot, firstPiece: first, layer, seen: new Bitfield(end - first) }
      for (let piece = first; piece < end; piece++) this.#unproven.set(piece, file)
    }
  }
}

function hashAt(hashes: Uint8Array, index: number, length: number): Uint8Array {
  return hashes.subarray(length * index, length * (index + 1))
}
