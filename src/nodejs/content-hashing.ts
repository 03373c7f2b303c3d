/**
 * Hashes of content that is on disk, for a new torrent: all pieces of all files, in one
 * pass for both formats.
 * Invariant: every file is as long and as old as it was found, from the first byte read
 * to the last, or hashing fails.
 */
import { HashPool, type HashWork } from './hash-pool.ts'
import { type ContentEntries, planJobs } from './piece-plan.ts'

export interface HashRequest {
  /** Absolute paths that the entries stand in. */
  readonly folders: readonly string[]
  /** In piece space, with padding for v1; see `planJobs`. */
  readonly entries: ContentEntries
  readonly pieceLength: number
  readonly pieceCount: number
  readonly wantsV1: boolean
  readonly wantsV2: boolean
  /** A piece ends where a file ends (v2 without padding). */
  readonly isCutAtFiles: boolean
  readonly signal?: AbortSignal | undefined
  /** Bytes of files hashed by now. */
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly pool?: HashPool | undefined
  /** See `HashWork`. */
  readonly usesOwnThread?: boolean | undefined
}

export interface ContentHash {
  /** 20 bytes for each piece; null when not wanted. */
  readonly v1: Uint8Array | null
  /** 32 bytes for each piece: the root over its blocks. */
  readonly v2: Uint8Array | null
}

/** Fails with `storage/...` when a file cannot be read or changes, with the signal's reason when aborted. */
export async function hashContent(request: HashRequest): Promise<ContentHash> {
  const { folders, entries, pieceLength, pieceCount, wantsV1, wantsV2, isCutAtFiles, signal, onProgress } =
    request
  const v1 = wantsV1 ? new Uint8Array(20 * pieceCount) : null
  const v2 = wantsV2 ? new Uint8Array(32 * pieceCount) : null
  let bytes = 0
  const work = {
    settings: { folders, pieceLength, v1: wantsV1, v2: wantsV2, isCutAtFiles, isStrict: true },
    jobs: planJobs(entries, pieceLength, [{ start: 0, end: pieceCount }]),
    onJob: (job, hashes) => {
      if (hashes.v1 !== null) v1!.set(hashes.v1, 20 * job.firstPiece)
      if (hashes.v2 !== null) v2!.set(hashes.v2, 32 * job.firstPiece)
      onProgress?.((bytes += job.contentBytes))
    },
    usesOwnThread: request.usesOwnThread,
    bytes: pieceCount * pieceLength,
  } satisfies HashWork
  await (request.pool ?? HashPool.shared).run(work, signal)
  return { v1, v2 }
}
