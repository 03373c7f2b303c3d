/**
 * Cuts content into jobs for the hash pool: runs of whole pieces of some MiB, as slices of files.
 * Invariant: every piece of the ranges is in exactly one job, jobs come in piece order, and a job is made
 * only when a worker is about to take it, so planning costs the same memory for any amount of content.
 */
import type { PathComponent } from './content-folder.ts'
import { SliceList, type Slices } from './slices.ts'

/** One file, or run of padding, in the linear piece space. */
export interface ContentEntry {
  /** Index into the folders of the run, and components below that one; no components mean padding. */
  readonly folder: number
  readonly path: readonly PathComponent[]
  readonly length: number
  /** First byte in piece space. */
  readonly offset: number
  readonly mtimeMs?: number
}

/** An array, or what makes its entries when asked for them. */
export interface ContentEntries {
  readonly length: number
  at(index: number): ContentEntry | undefined
}

/** Pieces `start` up to, but not with, `end`. */
export interface PieceRange {
  readonly start: number
  readonly end: number
}

export interface PlannedJob {
  readonly firstPiece: number
  readonly pieceCount: number
  readonly slices: Slices
  /** Each slice is of an entry, one after the other from this one on. */
  readonly firstEntry: number
  /** Bytes of files in the slices, without padding. */
  readonly contentBytes: number
}

/** About 2 ms of hashing, so that the last jobs of a run end at once. */
export const JOB_BYTES_MIN = 4 * 1024 * 1024
/** A job costs 200 us besides its hashes: less than 2 % of one of this size. */
export const JOB_BYTES_MAX = 16 * 1024 * 1024
const JOB_SLICES_MAX = 512

/** Of a job of the least size, where no file is cut short by the end of its content. */
export function piecesPerJob(pieceLength: number): number {
  return Math.ceil(JOB_BYTES_MIN / pieceLength)
}

/**
 * Each job is as long as `next` says, the first one short.
 * @param entries ascending by offset, not overlapping, none of length 0; those of pieces that were not asked
 * for yet may still be missing
 * @param ranges ascending, not overlapping; undefined where the next is not known yet, and then no job is
 */
export function planJobs(
  entries: ContentEntries,
  pieceLength: number,
  ranges: Iterable<PieceRange>,
): Generator<PlannedJob, void, number | undefined>
export function planJobs(
  entries: ContentEntries,
  pieceLength: number,
  ranges: Iterable<PieceRange | undefined>,
): Generator<PlannedJob | undefined, void, number | undefined>
export function* planJobs(
  entries: ContentEntries,
  pieceLength: number,
  ranges: Iterable<PieceRange | undefined>,
): Generator<PlannedJob | undefined, void, number | undefined> {
  let cursor = 0
  let jobBytes = JOB_BYTES_MIN
  for (const range of ranges) {
    if (range === undefined) {
      yield undefined
      continue
    }
    for (let piece = range.start; piece < range.end; ) {
      const firstPiece = piece
      const slices = new SliceList()
      let bytes = 0
      let contentBytes = 0
      let firstEntry: number | undefined
      for (; piece < range.end && bytes < jobBytes && slices.length < JOB_SLICES_MAX; piece++) {
        const start = piece * pieceLength
        const end = start + pieceLength
        let entry = entries.at(cursor)
        while (entry !== undefined && entry.offset + entry.length <= start) entry = entries.at(++cursor)
        firstEntry ??= cursor
        for (let i = cursor; entry !== undefined && entry.offset < end; entry = entries.at(++i)) {
          const { path } = entry
          const length = addSlice(slices, entry, path, start, end)
          bytes += length
          if (path.length > 0) contentBytes += length
          // The next piece begins with it, or after it.
          cursor = i
        }
      }
      jobBytes =
        (yield {
          firstPiece,
          pieceCount: piece - firstPiece,
          slices: slices.finish(),
          firstEntry: firstEntry ?? cursor,
          contentBytes,
        }) ?? JOB_BYTES_MIN
    }
  }
}

/** Adds what lies in both the entry and the span of piece space, to the slice before if it goes on there. */
function addSlice(
  slices: SliceList,
  entry: ContentEntry,
  path: ContentEntry['path'],
  start: number,
  end: number,
): number {
  const offset = Math.max(start - entry.offset, 0)
  const length = Math.min(end - entry.offset, entry.length) - offset
  if (offset > 0 && slices.length > 0) slices.lengthen(length)
  else slices.add(entry.folder, path, offset, length, entry.length, entry.mtimeMs)
  return length
}
