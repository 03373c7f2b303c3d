/**
 * Cuts content into jobs for the hash pool: runs of whole pieces of a few MiB, as slices of files.
 * Invariant: every piece of the ranges is in exactly one job, jobs come in piece order, and a job is made
 * only when a worker is about to take it, so planning costs the same memory for any amount of content.
 */
import type { PathComponent } from './content-folder.ts'
import type { Slice } from './hash-job.ts'

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
  readonly slices: readonly Slice[]
  /** Each slice is of an entry, one after the other from this one on. */
  readonly firstEntry: number
  /** Bytes of files in the slices, without padding. */
  readonly contentBytes: number
}

/** About 2 ms of hashing: long beside the 50 microseconds of a message, short for the last job of a run. */
const JOB_BYTES = 4 * 1024 * 1024
const JOB_SLICES_MAX = 512

/**
 * @param entries ascending by offset, not overlapping, none of length 0 @param ranges
 * ascending, not overlapping
 */
export function* planJobs(
  entries: ContentEntries,
  pieceLength: number,
  ranges: Iterable<PieceRange>,
): Generator<PlannedJob> {
  let cursor = 0
  for (const range of ranges) {
    for (let piece = range.start; piece < range.end; ) {
      const firstPiece = piece
      const slices: Slice[] = []
      let bytes = 0
      let contentBytes = 0
      let firstEntry: number | undefined
      for (; piece < range.end && bytes < JOB_BYTES && slices.length < JOB_SLICES_MAX; piece++) {
        const start = piece * pieceLength
        const end = start + pieceLength
        let entry = entries.at(cursor)
        while (entry !== undefined && entry.offset + entry.length <= start) entry = entries.at(++cursor)
        firstEntry ??= cursor
        for (let i = cursor; entry !== undefined && entry.offset < end; entry = entries.at(++i)) {
          const length = addSlice(slices, entry, start, end)
          bytes += length
          if (slices.at(-1)!.path.length > 0) contentBytes += length
        }
      }
      yield {
        firstPiece,
        pieceCount: piece - firstPiece,
        slices,
        firstEntry: firstEntry ?? cursor,
        contentBytes,
      }
    }
  }
}

/** Adds what lies in both the entry and the span of piece space, to the slice before if it goes on there. */
function addSlice(slices: Slice[], entry: ContentEntry, start: number, end: number): number {
  const offset = Math.max(start - entry.offset, 0)
  const length = Math.min(end - entry.offset, entry.length) - offset
  const last = slices.at(-1)
  const isContinued = offset > 0 && last !== undefined
  const slice: Slice = {
    folder: entry.folder,
    path: entry.path,
    offset: isContinued ? last.offset : offset,
    length: isContinued ? last.length + length : length,
    fileLength: entry.length,
    ...(entry.mtimeMs === undefined ? {} : { mtimeMs: entry.mtimeMs }),
  }
  if (isContinued) slices[slices.length - 1] = slice
  else slices.push(slice)
  return length
}
