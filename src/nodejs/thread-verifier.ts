/**
 * Hashes received pieces on a thread of its own, so that the network thread goes on reading. Pieces lie
 * in shared memory (`shared-memory.ts`), so only their description is passed. Jobs that come up while the
 * thread is busy go over together.
 * Small pieces, and whatever is not in shared memory, are hashed in place: a message
 * costs more than their hash.
 * A thread that cannot be had (too few open files, too little memory), or ends on its own, costs speed only:
 * from then on everything is hashed in place.
 * Invariants: one batch is with the thread at a time; it keeps the process alive only while somebody waits;
 * every job is answered, unless `close` comes first.
 */
import { Worker } from 'node:worker_threads'
import { ok, type Result } from '../base/result.ts'
import type { PieceVerifier } from '../ports/piece-verifier.ts'
import type { PieceDigests } from '../swarm/effects.ts'
import type { MerklePiece } from '../swarm/geometry.ts'
import { digestBlocks, digestPiece } from './piece-digests.ts'

/** Beside the source it is TypeScript, in the built package JavaScript. */
const WORKER = new URL(`./verify-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** A message there and back costs about 20 microseconds, the hash of this about 35. */
const THREAD_BYTES_MIN = 64 * 1024

export interface VerifyJob {
  readonly id: number
  readonly bytes: Uint8Array
  readonly of: WholePiece | 'blocks'
}

interface WholePiece {
  readonly wantsSha1: boolean
  readonly merkle: MerklePiece | undefined
}

export interface VerifyResult {
  readonly id: number
  /** As the job says, of the piece or of its blocks. */
  readonly hashes: PieceDigests | Uint8Array
}

interface Waiting {
  readonly job: VerifyJob
  readonly done: (hashes: VerifyResult['hashes']) => void
}

type Done<Hashes> = (result: Result<Hashes>) => void

export class ThreadVerifier implements PieceVerifier {
  #worker: Worker | undefined
  /** Bounded by `unverifiedBytesMax`: each job holds a buffer of the pool, or the one of its torrent. */
  readonly #waiting = new Map<number, Waiting>()
  #queue: VerifyJob[] = []
  #isBusy = false
  /** The thread was lost; or all is over. */
  #isWithoutThread = false
  #lastId = 0
  readonly #program: URL

  /** @param program another one (for tests) */
  constructor(program = WORKER) {
    this.#program = program
  }

  /** Brings the thread up ahead of the first piece. */
  start(): void {
    if (this.#isWithoutThread) return
    this.#worker ??= this.#startWorker()
    if (!this.#isBusy) this.#worker.unref()
  }

  digest(
    bytes: Uint8Array,
    wantsSha1: boolean,
    merkle: MerklePiece | undefined,
    done: Done<PieceDigests>,
  ): void {
    if (isForHere(bytes)) {
      setImmediate(() => done(ok(digestPiece(bytes, wantsSha1, merkle))))
      return
    }
    this.#enqueue(bytes, { wantsSha1, merkle }, (hashes) => done(ok(hashes as PieceDigests)))
  }

  digestBlocks(bytes: Uint8Array, done: Done<Uint8Array>): void {
    if (isForHere(bytes)) setImmediate(() => done(ok(digestBlocks(bytes))))
    else this.#enqueue(bytes, 'blocks', (hashes) => done(ok(hashes as Uint8Array)))
  }

  /** Ends the thread; what it was asked for is never answered. */
  async close(): Promise<void> {
    this.#isWithoutThread = true
    this.#waiting.clear()
    this.#queue = []
    await this.#worker?.terminate()
  }

  #enqueue(bytes: Uint8Array, of: VerifyJob['of'], done: (hashes: PieceDigests | Uint8Array) => void): void {
    const job = { id: ++this.#lastId, bytes, of }
    this.#waiting.set(job.id, { job, done })
    if (this.#isWithoutThread) return this.#answerHere(job.id)
    this.#queue.push(job)
    this.#post()
  }

  #post(): void {
    if (this.#isBusy || this.#queue.length === 0) return
    this.#worker ??= this.#startWorker()
    this.#worker.ref()
    this.#isBusy = true
    this.#worker.postMessage(this.#queue)
    this.#queue = []
  }

  #startWorker(): Worker {
    const worker = new Worker(this.#program)
    worker.on('message', (results: readonly VerifyResult[]) => {
      this.#isBusy = false
      this.#post()
      if (!this.#isBusy) worker.unref()
      for (const { id, hashes } of results) {
        const waiting = this.#waiting.get(id)
        this.#waiting.delete(id)
        waiting?.done(hashes)
      }
    })
    worker.on('error', () => this.#onLost())
    worker.on('exit', () => this.#onLost())
    return worker
  }

  #onLost(): void {
    if (this.#isWithoutThread) return
    this.#isWithoutThread = true
    this.#queue = []
    for (const id of this.#waiting.keys()) this.#answerHere(id)
  }

  #answerHere(id: number): void {
    setImmediate(() => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      waiting?.done(verify(waiting.job))
    })
  }
}

export function verify({ bytes, of }: VerifyJob): VerifyResult['hashes'] {
  return of === 'blocks' ? digestBlocks(bytes) : digestPiece(bytes, of.wantsSha1, of.merkle)
}

function isForHere(bytes: Uint8Array): boolean {
  return bytes.length < THREAD_BYTES_MIN || !(bytes.buffer instanceof SharedArrayBuffer)
}
