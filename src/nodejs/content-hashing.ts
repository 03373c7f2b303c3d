/**
 * Hashes of content that is on disk, for a new torrent: all pieces of all files, in one
 * pass for both formats. It may begin while files are still being found.
 * Invariant: every file is as long and as old as it was found, from the first byte read
 * to the last, or hashing fails.
 */
import { HashPool, type HashWork } from './hash-pool.ts'
import {
  type ContentEntries,
  type PieceRange,
  type PlannedJob,
  piecesPerJob,
  planJobs,
} from './piece-plan.ts'

interface HashRequest {
  /** Absolute paths that the entries stand in; as the entries, there may be more later. */
  readonly folders: readonly string[]
  /** In piece space, with padding for v1; see `planJobs`. */
  readonly entries: ContentEntries
  readonly pieceLength: number
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

const SHA1 = 20
const SHA256 = 32

/** Fails with `storage/...` when a file cannot be read or changes, with the signal's reason when aborted. */
export function hashContent(request: HashRequest & { readonly pieceCount: number }): Promise<ContentHash> {
  return new ContentHashing(request, request.pieceCount).finish(request.pieceCount)
}

export class ContentHashing {
  readonly #pool: HashPool
  readonly #pieceLength: number
  readonly #jobs: Generator<PlannedJob | undefined>
  readonly #run: Promise<void>
  /** Pieces that lie in entries which are there. */
  #knownCount: number
  #isAllKnown: boolean
  #v1: Uint8Array | null
  #v2: Uint8Array | null
  #bytes = 0
  #failure: unknown

  /** @param pieceCount when it is known */
  constructor(request: HashRequest, pieceCount?: number) {
    const { folders, entries, pieceLength, wantsV1, wantsV2, isCutAtFiles, signal, onProgress } = request
    this.#pool = request.pool ?? HashPool.shared
    this.#pieceLength = pieceLength
    this.#knownCount = pieceCount ?? 0
    this.#isAllKnown = pieceCount !== undefined
    this.#v1 = wantsV1 ? new Uint8Array(SHA1 * this.#knownCount) : null
    this.#v2 = wantsV2 ? new Uint8Array(SHA256 * this.#knownCount) : null
    this.#jobs = planJobs(entries, pieceLength, this.#ranges())
    const work = {
      settings: { folders, pieceLength, v1: wantsV1, v2: wantsV2, isCutAtFiles, isStrict: true },
      jobs: this.#jobs,
      onJob: ({ firstPiece, contentBytes }, { v1, v2 }) => {
        if (v1 !== null) this.#v1 = put(this.#v1!, v1, SHA1 * firstPiece)
        if (v2 !== null) this.#v2 = put(this.#v2!, v2, SHA256 * firstPiece)
        onProgress?.((this.#bytes += contentBytes))
      },
      usesOwnThread: request.usesOwnThread,
      bytes: pieceCount === undefined ? Number.POSITIVE_INFINITY : pieceCount * pieceLength,
    } satisfies HashWork
    this.#run = this.#pool.run(work, signal)
    this.#run.catch((error: unknown) => (this.#failure = error))
  }

  /** The entries of all pieces before this one are there. Throws what made hashing fail meanwhile. */
  know(pieceCount: number): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#knownCount = pieceCount
    this.#pool.more(this.#jobs)
  }

  /**
   * There are no more entries.
   * @param bytes of files, which where files are padded are fewer than those of the pieces
   */
  async finish(pieceCount: number, bytes = pieceCount * this.#pieceLength): Promise<ContentHash> {
    if (!this.#isAllKnown) {
      this.#isAllKnown = true
      this.#knownCount = pieceCount
      this.#pool.more(this.#jobs, bytes)
    }
    await this.#run
    return {
      v1: this.#v1?.subarray(0, SHA1 * pieceCount) ?? null,
      v2: this.#v2?.subarray(0, SHA256 * pieceCount) ?? null,
    }
  }

  /** In whole jobs, but for the last. */
  *#ranges(): Generator<PieceRange | undefined> {
    const step = piecesPerJob(this.#pieceLength)
    for (let start = 0; !this.#isAllKnown || start < this.#knownCount; ) {
      const count = this.#knownCount - start
      const end = start + (this.#isAllKnown ? count : count - (count % step))
      yield end > start ? { start, end } : undefined
      start = end
    }
  }
}

/** The same, or a copy with room for more. */
function put(bytes: Uint8Array, part: Uint8Array, at: number): Uint8Array {
  let room = bytes
  if (at + part.length > bytes.length) {
    room = new Uint8Array(2 * (at + part.length))
    room.set(bytes)
  }
  room.set(part, at)
  return room
}
