/**
 * What the hash pool and its workers say to one another. A job is a run of whole pieces, given as the slices
 * of files they are made of.
 */
import type { Fault } from '../base/result.ts'
import type { Slices } from './slices.ts'

/** What all jobs of one run have in common. */
export interface HashSettings {
  /** Absolute paths. */
  readonly folders: readonly string[]
  readonly pieceLength: number
  /** SHA-1 of each piece (BEP 3). */
  readonly v1: boolean
  /** SHA-256 merkle root of each piece (BEP 52). */
  readonly v2: boolean
  /** A piece ends where a file ends (v2 without padding). */
  readonly isCutAtFiles: boolean
  /** True: a missing, short or changed file is an error. False: it makes its pieces count as missing. */
  readonly isStrict: boolean
  /** What each slice's file looks like is answered too; for runs that are not strict. */
  readonly wantsLooks?: boolean
}

export interface HashJob {
  readonly id: number
  readonly settings: HashSettings
  readonly slices: Slices
  readonly pieceCount: number
  /** One Int32: not 0 means that nobody waits for the answer any more. */
  readonly cancelled: SharedArrayBuffer
}

export interface PieceHashes {
  /** 20 bytes for each piece of the job, or null when not asked for. */
  readonly v1: Uint8Array | null
  /** 32 bytes for each piece: the merkle root of its blocks. */
  readonly v2: Uint8Array | null
  /** 1 for each piece that could not be read whole; its hashes mean nothing. */
  readonly missing: Uint8Array
  /** Of each slice of the job, as `file-looks.ts` has them; where they were asked for. */
  readonly looks?: BigInt64Array
}

/** To a worker: work, or let go of the file that is kept open between jobs. */
export type ToWorker = HashJob | 'release'
/** From a worker: it is up and all it needs is loaded, or an answer. */
export type FromWorker = 'up' | HashAnswer
/** Undefined hashes without a fault: the job was cancelled. */
export interface HashAnswer {
  readonly id: number
  readonly hashes?: PieceHashes
  readonly fault?: Fault
}
