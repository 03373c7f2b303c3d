/** What the two threads of a bare program share (`bare-program.ts`): they send no messages. */

export const SHA1 = 20
export const SHA256 = 32

/** Numbers of `Shared.state`. */
export const NEXT_PIECE = 0
/** Pieces before this one may be hashed. */
export const PIECES_KNOWN = 1
/** 1: there are no more. */
export const IS_ALL_KNOWN = 2
/** How often the two above changed. */
export const NEWS = 3
export const FILE_COUNT = 4
export const PIECE_LENGTH = 5
export const IS_WORKER_DONE = 6
/** A number of `FORMATS`. */
export const FORMAT = 7
/** 1: files are opened with a guard (`bare-files.ts`). */
export const IS_GUARDED = 8
const STATE_LENGTH = 9

export const FORMATS = ['v1', 'v2', 'hybrid']
export const V1 = 0
export const V2 = 1

export interface Shared {
  readonly state: Int32Array
  /** Where each file ends in the content, in bytes. */
  readonly ends: Float64Array
  /** All paths one after the other, in UTF-8, and where each ends. */
  readonly paths: Buffer
  readonly pathEnds: Uint32Array
  /** SHA-1 of each piece. */
  readonly hashes: Buffer
  /** The root of each piece's blocks (BEP 52). */
  readonly roots: Buffer
}

export type Memory = { readonly [Name in keyof Shared]: SharedArrayBuffer }

const FILES_MAX = 1 << 20
const PATH_BYTES_MAX = 1 << 26
const PIECES_MAX = 1 << 20

/** The system gives memory as it is written to; what these leave over costs nothing. */
export function sharedMemory(): Memory {
  return {
    state: new SharedArrayBuffer(4 * STATE_LENGTH),
    ends: new SharedArrayBuffer(8 * FILES_MAX),
    paths: new SharedArrayBuffer(PATH_BYTES_MAX),
    pathEnds: new SharedArrayBuffer(4 * FILES_MAX),
    hashes: new SharedArrayBuffer(SHA1 * PIECES_MAX),
    roots: new SharedArrayBuffer(SHA256 * PIECES_MAX),
  }
}

export function sharedIn({ state, ends, paths, pathEnds, hashes, roots }: Memory): Shared {
  return {
    state: new Int32Array(state),
    ends: new Float64Array(ends),
    paths: Buffer.from(paths),
    pathEnds: new Uint32Array(pathEnds),
    hashes: Buffer.from(hashes),
    roots: Buffer.from(roots),
  }
}

/** @param fileCount when all are known */
export function know({ state }: Shared, pieceLength: number, pieceCount: number, fileCount?: number): void {
  state[PIECE_LENGTH] = pieceLength
  state[FILE_COUNT] = fileCount ?? -1
  Atomics.store(state, PIECES_KNOWN, pieceCount)
  if (fileCount !== undefined) Atomics.store(state, IS_ALL_KNOWN, 1)
  Atomics.add(state, NEWS, 1)
  Atomics.notify(state, NEWS)
}
