/**
 * Serves hashes of single blocks (BEP 52, layer 0), by which others find out who sent them a wrong one.
 * Nobody keeps them: the pieces are read from disk and hashed anew, as effects, one request at a time and 256
 * KiB at once. What does not lead to the hash of its piece is not told, whatever the disk says.
 * Bounds (S16): 48 bytes ask for megabytes of reading, so each peer has an allowance of `blockHashBytesMax`,
 * `blockHashJobsMax` requests wait, `JOBS_PER_PEER_MAX` of one peer, and there is one buffer.
 */
import { assert } from '../base/assert.ts'
import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Result } from '../base/result.ts'
import type { Instant } from '../base/time.ts'
import type { HashRequest } from '../wire/hash-messages.ts'
import {
  type HashTree,
  isHashRange,
  MERKLE_BLOCK_LENGTH,
  MERKLE_HASH_LENGTH,
  pieceTree,
  uncleCountOf,
} from '../wire/merkle.ts'
import type { FileEntry } from '../wire/metainfo.ts'
import { Allowances } from './allowance.ts'
import type { PeerSession } from './peer-session.ts'
import type { PieceMemory } from './piece-buffers.ts'
import type { TorrentCore } from './torrent-core.ts'

/** Read and hashed at once. */
const STEP_BYTES = 16 * MERKLE_BLOCK_LENGTH
const JOBS_PER_PEER_MAX = 4

export interface BlockHashServerHost {
  /** @param hashes undefined for a refusal */
  tell(session: PeerSession, request: HashRequest, hashes: Uint8Array | undefined): void
  /** The tree over the piece layer of a file that has one, which is more than one piece long. */
  treeOf(file: FileEntry): HashTree | undefined
}

interface Job {
  readonly session: PeerSession
  readonly request: HashRequest
  readonly file: FileEntry
  /** Leaves under the hash of a piece. */
  readonly leafCount: number
  /** Pieces of the torrent: the first, one past the last, and the one in hand. */
  readonly first: number
  readonly end: number
  piece: number
  /** Of the piece in hand. */
  begin: number
  /**
   * Whole pieces of leaves, zero where there is no block. Bounded as the request's count and one piece are.
   */
  readonly leaves: Uint8Array
}

export class BlockHashServer {
  readonly #core: TorrentCore
  readonly #memory: PieceMemory
  readonly #host: BlockHashServerHost
  readonly #allowances = new Allowances<PeerSession>(
    LIMITS.blockHashBytesMax.value,
    LIMITS.blockHashBytesMax.value / 64,
  )
  /** The first is being worked on. Bounded by `blockHashJobsMax`. */
  readonly #jobs: Job[] = []
  /** There while there are jobs. */
  #buffer: Uint8Array | undefined
  /** Of the read or the hashing under way, counted down: numbers from 0 up are others'. */
  #id = 0

  constructor(core: TorrentCore, memory: PieceMemory, host: BlockHashServerHost) {
    this.#core = core
    this.#memory = memory
    this.#host = host
  }

  /** Requests under way. */
  get size(): number {
    return this.#jobs.length
  }

  /** @param file whose root the request names */
  asked(now: Instant, session: PeerSession, request: HashRequest, file: FileEntry): void {
    const job = this.#job(session, request, file)
    if (job === undefined || !this.#hasRoom(session) || !this.#allowances.take(now, session, cost(job))) {
      this.#host.tell(session, request, undefined)
      return
    }
    this.#jobs.push(job)
    if (this.#jobs.length === 1) this.#step()
  }

  /** Gives the piece that was read from. */
  readDone(_now: Instant, id: number, isRead: boolean): number | undefined {
    const job = this.#jobs[0]
    if (id !== this.#id || job === undefined) return undefined
    const { piece } = job
    if (!isRead) this.#end(undefined)
    else {
      const bytes = this.#buffer!.subarray(0, this.#stepLength(job))
      this.#core.emit({ kind: 'hash-blocks', torrent: this.#core.id, id: --this.#id, bytes })
    }
    return piece
  }

  blocksHashed(id: number, result: Result<Uint8Array>): void {
    const job = this.#jobs[0]
    if (id !== this.#id || job === undefined) return
    if (!result.ok) return this.#end(undefined)
    const leaf = (job.piece - job.first) * job.leafCount + job.begin / MERKLE_BLOCK_LENGTH
    job.leaves.set(result.value, leaf * MERKLE_HASH_LENGTH)
    job.begin += this.#stepLength(job)
    if (job.begin < this.#core.geometry.merklePiece(job.piece).length) return this.#step()
    if (!this.#isAsKnown(job)) return this.#end(undefined)
    job.begin = 0
    job.piece++
    if (job.piece < job.end) this.#step()
    else this.#end(this.#answer(job))
  }

  #hasRoom(session: PeerSession): boolean {
    if (this.#jobs.length >= LIMITS.blockHashJobsMax.value) return false
    return this.#jobs.filter((job) => job.session === session).length < JOBS_PER_PEER_MAX
  }

  /** Undefined for what is not in the tree, or needs pieces that we do not have. */
  #job(session: PeerSession, request: HashRequest, file: FileEntry): Job | undefined {
    const { geometry, pieces } = this.#core
    const blockCount = Math.ceil(file.length / MERKLE_BLOCK_LENGTH)
    if (geometry.blockLength !== MERKLE_BLOCK_LENGTH || request.baseLayer !== 0) return undefined
    if (request.count > LIMITS.hashesPerRequestMax.value || !isHashRange(blockCount, request))
      return undefined
    const start = file.offset / geometry.pieceLength
    const { leafCount } = geometry.merklePiece(start)
    const first = start + Math.floor(request.index / leafCount)
    const last = Math.ceil((request.index + request.count) / leafCount)
    const end = start + Math.min(last, Math.ceil(blockCount / leafCount))
    if (first >= end) return undefined
    for (let piece = first; piece < end; piece++) if (!pieces.have.has(piece)) return undefined
    const leaves = new Uint8Array((end - first) * leafCount * MERKLE_HASH_LENGTH)
    return { session, request, file, leafCount, first, end, piece: first, begin: 0, leaves }
  }

  #stepLength({ piece, begin }: Job): number {
    return Math.min(STEP_BYTES, this.#core.geometry.merklePiece(piece).length - begin)
  }

  #step(): void {
    const job = this.#jobs[0]!
    const { id: torrent, pieces, sessions } = this.#core
    const isThere = sessions.get(job.session.id) === job.session
    if (!isThere || !pieces.have.has(job.piece)) return this.#end(undefined)
    this.#buffer ??= this.#memory.allocate(STEP_BYTES)
    const views = [this.#buffer.subarray(0, this.#stepLength(job))]
    const { piece, begin } = job
    this.#core.emit({ kind: 'read-blocks', torrent, read: --this.#id, piece, begin, views })
  }

  #end(hashes: Uint8Array | undefined): void {
    const job = this.#jobs.shift()
    assert(job !== undefined, 'there is a job to end')
    if (this.#core.sessions.get(job.session.id) === job.session)
      this.#host.tell(job.session, job.request, hashes)
    if (this.#jobs.length > 0) this.#step()
    else this.#buffer = undefined
  }

  #isAsKnown(job: Job): boolean {
    const pieceHash = this.#core.geometry.merkleHash(job.piece)
    const tree = pieceTree(this.#leavesOf(job, job.piece), this.#core.env.crypto)
    return pieceHash !== undefined && equalBytes(tree.root, pieceHash)
  }

  #leavesOf({ leaves, leafCount, first }: Job, piece: number): Uint8Array {
    const length = leafCount * MERKLE_HASH_LENGTH
    return leaves.subarray((piece - first) * length, (piece - first + 1) * length)
  }

  /**
   * The leaves asked for, then uncles: below the hash of the piece from its leaves, above from the layers.
   */
  #answer(job: Job): Uint8Array | undefined {
    const { request, file, leafCount, first, leaves } = job
    const { index, count } = request
    const uncleCount = uncleCountOf(request)
    const answer = new Uint8Array((count + uncleCount) * MERKLE_HASH_LENGTH)
    const start = file.offset / this.#core.geometry.pieceLength
    const from = (index - (first - start) * leafCount) * MERKLE_HASH_LENGTH
    answer.set(leaves.subarray(from, from + count * MERKLE_HASH_LENGTH))
    const inner = pieceTree(this.#leavesOf(job, first), this.#core.env.crypto)
    const outer = this.#host.treeOf(file)
    const pieceLayer = Math.log2(leafCount)
    for (let uncle = 0; uncle < uncleCount; uncle++) {
      const layer = Math.log2(count) + uncle
      const sibling = Math.floor(index / count / 2 ** uncle) ^ 1
      const before = ((first - start) * leafCount) / 2 ** layer
      const hash = layer < pieceLayer ? inner.hashAt(layer, sibling - before) : outer?.hashAt(layer, sibling)
      if (hash === undefined) return undefined
      answer.set(hash, (count + uncle) * MERKLE_HASH_LENGTH)
    }
    return answer
  }
}

/** Bytes to read. */
function cost({ leaves }: Job): number {
  return (leaves.length / MERKLE_HASH_LENGTH) * MERKLE_BLOCK_LENGTH
}
