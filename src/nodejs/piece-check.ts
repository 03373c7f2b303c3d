/**
 * Compares what is on disk with a torrent, piece by piece: for `verify`, and for what a
 * peer has when it starts.
 * A piece is right when every hash the torrent has for it is: SHA-1 (v1), merkle root (v2), both (hybrid). A
 * v2 file whose piece layer is missing is checked as a whole: all its pieces are right or none.
 * Invariant: each asked piece is reported exactly once; missing, short and unreadable
 * files only make pieces wrong.
 */
import { Bitfield } from '../base/bitfield.ts'
import { equalBytes } from '../base/bytes.ts'
import { Geometry } from '../swarm/geometry.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, rootOfPieceLayer } from '../wire/merkle.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import { type ContentPaths, locateFiles } from './content-location.ts'
import { hollowPieces, type ZeroPiece, zeroPiece } from './file-holes.ts'
import type { FileLooks } from './file-looks.ts'
import type { PieceHashes } from './hash-job.ts'
import { HashPool, type HashWork } from './hash-pool.ts'
import { nodeCrypto } from './node-crypto.ts'
import {
  type ContentEntries,
  type ContentEntry,
  type PieceRange,
  type PlannedJob,
  planJobs,
} from './piece-plan.ts'

export interface PieceCheckOptions {
  /** Indices, in any order; all pieces by default. */
  readonly pieces?: Iterable<number> | undefined
  /** Where each entry of `metainfo.files` stands below `dir`; by default as `locateFiles` says. */
  readonly paths?: ContentPaths | undefined
  readonly signal?: AbortSignal | undefined
  readonly onPiece?: ((index: number, isRight: boolean) => void) | undefined
  /** The piece layer of a file that had none, found to lead to its root. */
  readonly onLayer?: ((root: Uint8Array, layer: Uint8Array) => void) | undefined
  /** Bytes of files read by now. Missing ones are not counted. */
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly pool?: HashPool | undefined
  /** Told of every file that is read, by its index in `metainfo.files`. */
  readonly looks?: FileLooks | undefined
  /** Nothing else needs the calling thread meanwhile: it hashes as well, a few ms at a time. */
  readonly usesOwnThread?: boolean | undefined
}

const SHA1_LENGTH = 20
/** Pieces told to the planner at once; the others can still be left out when their file turns out short. */
const RANGE_PIECES_MAX = 256

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
  const { signal, usesOwnThread, looks } = options
  signal?.throwIfAborted()
  const pool = options.pool ?? HashPool.shared
  const folder = new ContentFolder(dir)
  const entries = new CheckedEntries(metainfo, options.paths ?? locateFiles(metainfo, folder))
  const judge = new Judge(metainfo, options)
  const wanted = new Bitfield(metainfo.pieceCount)
  if (options.pieces === undefined) wanted.fill()
  else for (const piece of options.pieces) wanted.set(piece)
  if (!isAnythingThere(folder, entries)) for (const piece of wanted.copy().ones()) reject(piece)
  let zeros: ZeroPiece | undefined
  for (const [first, end] of hollowPieces(entries, pieceLength, folder)) {
    zeros ??= zeroPiece(pieceLength)
    for (let piece = first; piece < end; piece++)
      if (wanted.has(piece) && judge.judgeZeros(piece, zeros)) wanted.clear(piece)
  }
  if (wanted.count === 0) {
    folder.close()
    return judge.conclude()
  }
  const ranges = new PieceRanges(wanted)
  const absence = new Absence(pieceLength, entries, folder)
  let bytes = 0
  const work = {
    settings: {
      folders: [folder.root],
      pieceLength,
      v1: metainfo.pieceHashesV1 !== null,
      v2: metainfo.infoHashV2 !== null,
      isCutAtFiles: metainfo.format === 'v2',
      isStrict: false,
      wantsLooks: looks !== undefined,
    },
    jobs: planJobs(entries, pieceLength, ranges),
    onJob: (job, hashes) => {
      judge.judge(job, hashes)
      looks?.addAll(hashes.looks!, job.slices.names.length, (i) => entries.fileOf(job.firstEntry + i))
      bytes += job.contentBytes
      for (let i = 0; i < job.pieceCount; i++) {
        if (hashes.missing[i] !== 1) continue
        const piece = job.firstPiece + i
        bytes -= absence.contentLength(piece)
        for (const absent of absence.piecesFrom(piece, ranges.givenEnd)) reject(absent)
      }
      options.onProgress?.(bytes)
    },
    usesOwnThread,
    // Without padding, which is most of a v2 torrent of small files.
    bytes: Math.min(wanted.count * pieceLength, metainfo.contentLength),
  } satisfies HashWork
  try {
    await pool.run(work, signal)
  } finally {
    folder.close()
  }
  return judge.conclude()

  function reject(piece: number): void {
    if (wanted.clear(piece)) judge.reject(piece)
  }
}

const NOWHERE: readonly PathComponent[] = []

/** What has bytes of a torrent, as entries that are made when asked for: 300,000 of them would be 70 MB. */
class CheckedEntries implements ContentEntries {
  readonly length: number
  readonly #files: Metainfo['files']
  readonly #paths: ContentPaths
  /** Which file each entry is. */
  readonly #indices: Uint32Array

  constructor({ files }: Metainfo, paths: ContentPaths) {
    this.#files = files
    this.#paths = paths
    this.#indices = new Uint32Array(files.length)
    let length = 0
    for (let file = 0; file < files.length; file++)
      if (files[file]!.length > 0) this.#indices[length++] = file
    this.length = length
  }

  fileOf(index: number): number {
    return this.#indices[index]!
  }

  at(index: number): ContentEntry | undefined {
    if (index >= this.length) return undefined
    const file = this.fileOf(index)
    return new CheckedEntry(this.#files[file]!, file, this.#paths)
  }
}

class CheckedEntry implements ContentEntry {
  readonly folder = 0
  readonly length: number
  readonly offset: number
  readonly #isPad: boolean
  readonly #file: number
  readonly #paths: ContentPaths

  constructor({ length, offset, isPad }: FileEntry, file: number, paths: ContentPaths) {
    this.length = length
    this.offset = offset
    this.#isPad = isPad
    this.#file = file
    this.#paths = paths
  }

  get path(): readonly PathComponent[] {
    return this.#isPad ? NOWHERE : this.#paths.at(this.#file)!
  }
}

/** Whether the torrent's name stands there at all; where it does not, no thread need be started. */
function isAnythingThere(folder: ContentFolder, entries: ContentEntries): boolean {
  const tops = new Set<PathComponent>()
  for (let i = 0; i < entries.length; i++) {
    const [top] = entries.at(i)!.path
    if (top === undefined || tops.has(top)) continue
    tops.add(top)
    if (folder.statSync([top]) !== undefined) return true
  }
  return false
}

/** The wanted pieces in order, a few at a time; those not given yet may be cleared meanwhile. */
class PieceRanges implements Iterable<PieceRange> {
  readonly #wanted: Bitfield
  #givenEnd = 0

  constructor(wanted: Bitfield) {
    this.#wanted = wanted
  }

  /** All pieces from here on are still to be given. */
  get givenEnd(): number {
    return this.#givenEnd
  }

  *[Symbol.iterator](): Generator<PieceRange> {
    let start = -1
    for (const piece of this.#wanted.ones()) {
      const end = this.#givenEnd
      this.#givenEnd = piece + 1
      if (start >= 0 && (piece !== end || end - start >= RANGE_PIECES_MAX)) {
        yield { start, end }
        start = -1
      }
      if (start < 0) start = piece
    }
    if (start >= 0) yield { start, end: this.#givenEnd }
  }
}

/**
 * Pieces that need not be read, because their file ends before them. Files are looked at only when a
 * piece of theirs could not be read: where everything is there, looking for 20,000 of them takes a tenth of
 * the time that reading does.
 */
class Absence {
  readonly #pieceLength: number
  readonly #entries: ContentEntries
  readonly #folder: ContentFolder
  /** Entries that were looked at. Bounded by filesMax. */
  readonly #seen = new Set<number>()

  constructor(pieceLength: number, entries: ContentEntries, folder: ContentFolder) {
    this.#pieceLength = pieceLength
    this.#entries = entries
    this.#folder = folder
  }

  /** Bytes of files in this piece. */
  contentLength(piece: number): number {
    const start = piece * this.#pieceLength
    const end = start + this.#pieceLength
    let bytes = 0
    for (const index of this.#entriesOf(piece)) {
      const { path, offset, length } = this.#entries.at(index)!
      if (path.length > 0) bytes += Math.min(end, offset + length) - Math.max(start, offset)
    }
    return bytes
  }

  /** Those of the files of an unreadable piece that begin past what is there, from `first` on. */
  *piecesFrom(piece: number, first: number): Generator<number> {
    for (const index of this.#entriesOf(piece)) {
      const { path, offset, length } = this.#entries.at(index)!
      const last = Math.floor((offset + length - 1) / this.#pieceLength)
      if (path.length === 0 || last < first || this.#seen.has(index)) continue
      this.#seen.add(index)
      const size = sizeOf(this.#folder, path)
      if (size >= length) continue
      const missing = Math.floor((offset + size) / this.#pieceLength)
      for (let absent = Math.max(first, missing); absent <= last; absent++) yield absent
    }
  }

  *#entriesOf(piece: number): Generator<number> {
    const start = piece * this.#pieceLength
    let low = 0
    for (let high = this.#entries.length; low < high; ) {
      const middle = (low + high) >> 1
      const { offset, length } = this.#entries.at(middle)!
      if (offset + length > start) high = middle
      else low = middle + 1
    }
    const end = start + this.#pieceLength
    for (; low < this.#entries.length && this.#entries.at(low)!.offset < end; low++) yield low
  }
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
  readonly #onLayer: PieceCheckOptions['onLayer']
  readonly #right: Bitfield
  /** By piece. Bounded by piecesMax: the pieces of one torrent. */
  readonly #unproven = new Map<number, UnprovenFile>()

  constructor(metainfo: Metainfo, { onPiece, onLayer }: PieceCheckOptions) {
    this.#metainfo = metainfo
    this.#geometry = new Geometry(metainfo, MERKLE_BLOCK_LENGTH)
    this.#onPiece = onPiece
    this.#onLayer = onLayer
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

  /** False when zeros prove nothing yet. */
  judgeZeros(piece: number, zeros: ZeroPiece): boolean {
    if (this.#unproven.has(piece)) return false
    const { pieceHashesV1, infoHashV2 } = this.#metainfo
    const isRightV1 =
      pieceHashesV1 === null || equalBytes(zeros.sha1, hashAt(pieceHashesV1, piece, SHA1_LENGTH))
    const expectedV2 = infoHashV2 === null ? undefined : this.#geometry.merkleHash(piece)
    this.#report(piece, isRightV1 && (!expectedV2 || equalBytes(zeros.merkleRoot, expectedV2)))
    return true
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
    if (isRight) this.#onLayer?.(file.root, file.layer)
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
