/**
 * Worker threads that read files and hash them, shared by torrent creation, `verify` and the engine's check
 * of what is there. Workers read for themselves, so content never passes through the main thread.
 * Invariants: each worker has at most two jobs (one in hand, one waiting), whatever the size of
 * the content; workers keep the process alive only while somebody waits for a hash; runs that
 * are active at once take turns.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { LIMITS } from '../base/limits.ts'
import type { FromWorker, HashSettings, PieceHashes, ToWorker } from './hash-job.ts'
import type { PlannedJob } from './piece-plan.ts'
import { ShoalError } from './shoal-error.ts'

const JOBS_PER_WORKER = 2
/** Beside the source it is TypeScript, in the built package JavaScript. */
const WORKER = new URL(`./hash-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export interface HashWork {
  readonly settings: HashSettings
  readonly jobs: Iterator<PlannedJob>
  /** Called in whatever order the jobs are done; what it throws ends the run. */
  readonly onJob: (job: PlannedJob, hashes: PieceHashes) => void
}

interface Run extends HashWork {
  /** One Int32, seen by the workers: not 0 when nobody waits any more. */
  readonly cancelled: SharedArrayBuffer
  readonly settle: (error?: unknown) => void
  jobsInFlight: number
  isPlanned: boolean
  isSettled: boolean
}

interface Slot {
  readonly worker: Worker
  /** Bounded by JOBS_PER_WORKER. */
  readonly jobs: Map<number, { readonly run: Run; readonly job: PlannedJob }>
}

export class HashPool {
  static #shared: HashPool | undefined
  readonly #size: number
  #slots: Slot[] = []
  /** Everything that is not settled. Callers bound it: one run for each torrent that is being hashed. */
  readonly #runs = new Set<Run>()
  /** Those with jobs left to give, the next one to be served first. */
  #turns: Run[] = []
  #nextId = 0

  /** @param size threads, by default one for each core */
  constructor(size = Math.min(availableParallelism(), LIMITS.hashWorkersMax.value)) {
    this.#size = size
  }

  /** The one pool of this process. */
  static get shared(): HashPool {
    HashPool.#shared ??= new HashPool()
    return HashPool.#shared
  }

  /** Starts the workers ahead of the first run, so that both can happen at once. */
  start(): void {
    while (this.#slots.length < this.#size) this.#slots.push(this.#startWorker())
  }

  /**
   * Resolves when all jobs are done; rejects with ShoalError, or at once with the reason
   * of an aborted signal.
   */
  run(work: HashWork, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const onAbort = () => run.settle(signal!.reason)
      const run: Run = {
        ...work,
        cancelled: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
        settle: (error) => {
          if (run.isSettled) return
          run.isSettled = true
          Atomics.store(new Int32Array(run.cancelled), 0, 1)
          this.#runs.delete(run)
          this.#turns = this.#turns.filter((other) => other !== run)
          signal?.removeEventListener('abort', onAbort)
          if (error === undefined) resolve()
          else reject(error)
        },
        jobsInFlight: 0,
        isPlanned: false,
        isSettled: false,
      }
      signal?.addEventListener('abort', onAbort)
      this.#runs.add(run)
      this.#turns.push(run)
      this.start()
      this.#fill()
    })
  }

  /** Ends the workers; runs that are not done reject with `hash/closed`. The next run starts new workers. */
  async close(): Promise<void> {
    const slots = this.#slots
    this.#slots = []
    for (const run of [...this.#runs])
      run.settle(new ShoalError('hash/closed', 'Hashing was stopped before it was done.'))
    await Promise.all(slots.map((slot) => slot.worker.terminate()))
  }

  #startWorker(): Slot {
    const slot: Slot = { worker: new Worker(WORKER, { execArgv: [] }), jobs: new Map() }
    slot.worker.on('message', (message: FromWorker) => this.#onMessage(slot, message))
    slot.worker.on('error', (error) => this.#onLost(slot, error))
    slot.worker.on('exit', () => this.#onLost(slot))
    // After the listeners: adding one counts as waiting again.
    slot.worker.unref()
    return slot
  }

  /** Gives every worker its share, a first job to each before anyone gets a second. */
  #fill(): void {
    for (let depth = 1; depth <= JOBS_PER_WORKER; depth++) {
      for (const slot of this.#slots) if (slot.jobs.size < depth) this.#give(slot)
    }
  }

  #give(slot: Slot): void {
    for (let run = this.#turns.shift(); run !== undefined; run = this.#turns.shift()) {
      const next = run.jobs.next()
      if (next.done) {
        // The last of its jobs to come back settles it.
        run.isPlanned = true
        if (run.jobsInFlight === 0) run.settle()
        continue
      }
      this.#turns.push(run)
      run.jobsInFlight++
      if (slot.jobs.size === 0) slot.worker.ref()
      const id = this.#nextId++
      slot.jobs.set(id, { run, job: next.value })
      const { slices, pieceCount } = next.value
      this.#post(slot, { id, settings: run.settings, slices, pieceCount, cancelled: run.cancelled })
      return
    }
  }

  #post(slot: Slot, message: ToWorker): void {
    slot.worker.postMessage(message)
  }

  #onMessage(slot: Slot, { id, hashes, fault }: FromWorker): void {
    const { run, job } = slot.jobs.get(id)!
    slot.jobs.delete(id)
    run.jobsInFlight--
    if (fault !== undefined) run.settle(ShoalError.from(fault))
    else if (hashes !== undefined) this.#deliver(run, job, hashes)
    if (run.isPlanned && run.jobsInFlight === 0) run.settle()
    this.#fill()
    if (slot.jobs.size === 0) {
      this.#post(slot, 'release')
      slot.worker.unref()
    }
  }

  #deliver(run: Run, job: PlannedJob, hashes: PieceHashes): void {
    if (run.isSettled) return
    try {
      run.onJob(job, hashes)
    } catch (error) {
      run.settle(error)
    }
  }

  /** A worker that ends on its own takes its runs with it; the next run starts another. */
  #onLost(slot: Slot, cause?: unknown): void {
    this.#slots = this.#slots.filter((other) => other !== slot)
    const error = new ShoalError(
      'hash/worker-lost',
      'A hashing thread ended unexpectedly.',
      'Try again; please report it if it repeats.',
      { cause },
    )
    const lost = this.#slots.length > 0 ? [...slot.jobs.values()].map(({ run }) => run) : [...this.#runs]
    for (const run of lost) run.settle(error)
    slot.jobs.clear()
  }
}
