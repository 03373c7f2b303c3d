/**
 * Hashes received pieces on a thread of its own, so that the network thread goes on reading. Pieces lie
 * in shared memory (`shared-memory.ts`), so only their description is passed. The thread has the next jobs
 * before it is done with those in hand; what comes up when it has enough goes over together. Its answers are
 * given a few at a time: each is a piece to write, and between them peers are read.
 * Small pieces, and whatever is not in shared memory, are hashed in place: a message
 * costs more than their hash.
 * A thread that cannot be had (too few open files, too little memory), or ends on its own, costs speed only:
 * from then on everything is hashed in place.
 * Invariants: the thread keeps the process alive only while somebody waits; every job is answered, unless
 * `close` comes first.
 */
import { Worker } from 'node:worker_threads'
import { ok, type Result } from '../base/result.ts'
import type { PieceVerifier } from '../ports/piece-verifier.ts'
import type { PieceDigests } from '../swarm/effects.ts'
import type { MerklePiece } from '../swarm/geometry.ts'
import { digestBlocks, digestPiece } from './piece-digests.ts'
import { type VerifyJob, type VerifyResult, verify } from './verify-job.ts'

/** Beside the source it is TypeScript, in the built package JavaScript. */
const WORKER = new URL(`./verify-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** A message there and back costs about 20 microseconds, the hash of this about 35. */
const THREAD_BYTES_MIN = 64 * 1024
/**
 * With so much in hand, a millisecond of work, the thread gets no more; what waits goes over in one message.
 */
const GIVEN_BYTES_MAX = 2 * 1024 * 1024
/** Answered in one turn of the loop: a millisecond of writing, in which no peer is read. */
const ANSWERED_BYTES_PER_TURN = 1024 * 1024

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
  /** From the thread, not given yet. As many as `#waiting` at most. */
  #answers: VerifyResult[] = []
  /** With the thread, not answered yet. */
  #givenBytes = 0
  /** The thread was lost; or all is over. */
  #isWithoutThread = false
  #isUp = false
  #lastId = 0
  readonly #onUp: () => void
  readonly #program: URL

  /**
   * @param onUp called when the thread has come up, if it ever does
   * @param program another one (for tests)
   */
  constructor(onUp: () => void = () => {}, program = WORKER) {
    this.#onUp = onUp
    this.#program = program
  }

  /** The thread has come up and is there. */
  get isUp(): boolean {
    return this.#isUp && !this.#isWithoutThread
  }

  /** Brings the thread up ahead of the first piece. */
  start(): void {
    if (this.#isWithoutThread) return
    this.#worker ??= this.#startWorker()
    if (this.#waiting.size === 0) this.#worker.unref()
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
    this.#answers = []
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
    if (this.#givenBytes >= GIVEN_BYTES_MAX || this.#queue.length === 0) return
    this.#worker ??= this.#startWorker()
    this.#worker.ref()
    for (const { bytes } of this.#queue) this.#givenBytes += bytes.length
    this.#worker.postMessage(this.#queue)
    this.#queue = []
  }

  #startWorker(): Worker {
    const worker = new Worker(this.#program)
    worker.once('online', () => {
      this.#isUp = true
      this.#onUp()
    })
    worker.on('message', (results: readonly VerifyResult[]) => {
      // What comes while it is being ended must not let the process end first.
      if (this.#isWithoutThread) return
      for (const { id } of results) this.#givenBytes -= this.#waiting.get(id)?.job.bytes.length ?? 0
      this.#post()
      if (this.#answers.length === 0) setImmediate(() => this.#giveAnswers())
      this.#answers.push(...results)
    })
    worker.on('error', () => this.#onLost())
    worker.on('exit', () => this.#onLost())
    return worker
  }

  #giveAnswers(): void {
    let count = 0
    for (let bytes = 0; bytes < ANSWERED_BYTES_PER_TURN && count < this.#answers.length; count++) {
      const { id, hashes } = this.#answers[count]!
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (waiting === undefined) continue
      bytes += waiting.job.bytes.length
      waiting.done(hashes)
    }
    this.#answers = this.#answers.slice(count)
    if (this.#answers.length > 0) setImmediate(() => this.#giveAnswers())
    if (this.#waiting.size === 0 && !this.#isWithoutThread) this.#worker!.unref()
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

function isForHere(bytes: Uint8Array): boolean {
  return bytes.length < THREAD_BYTES_MIN || !(bytes.buffer instanceof SharedArrayBuffer)
}
