/**
 * Worker threads that read files and hash them, shared by torrent creation, `verify` and the engine's check
 * of what is there. Workers read for themselves, so content never passes through the calling thread.
 * That thread hashes too where a run says that nothing else needs it: a worker takes 40 ms to come up, and a
 * thread that waits is a core less. It stops helping when its jobs take so long that a Ctrl+C would be
 * noticed late, as on a slow disk; another worker does its part then.
 * Invariants: each worker has at most three jobs (one in hand, two waiting), or 32 of a long run that has the
 * calling thread to itself, whatever the size of the content; workers keep the process alive only while
 * they come up and while somebody waits for a hash; runs that are active at once take turns.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { LIMITS } from '../base/limits.ts'
import type { Fault } from '../base/result.ts'
import type { FromWorker, HashAnswer, HashJob, HashSettings, PieceHashes, ToWorker } from './hash-job.ts'
import { freeOptimizer, restrainOptimizer } from './optimizer.ts'
import { PieceHasher } from './piece-hasher.ts'
import { JOB_BYTES_MAX, JOB_BYTES_MIN, type PlannedJob } from './piece-plan.ts'
import { ShoalError } from './shoal-error.ts'

/** The calling thread may be busy for the length of a job of its own before it hands out the next. */
const JOBS_PER_WORKER = 3
/** For longer than that when a run has the thread to itself: the program may be loaded meanwhile. */
const JOBS_AHEAD = 8
/** A run with less than this left gives no jobs ahead, so that all threads end at once. */
const LONG_RUN_BYTES = 512 * 1024 * 1024
/** One job is so much of what is left of a run, within its limits. */
const JOB_SHARE = 1 / 16
/**
 * A job is 3 to 20 ms of hashing; one that takes longer than this, and than its bytes do from a disk, waits
 * for one, or for other programs, which passes.
 */
const OWN_JOB_MS_MAX = 50
const DISK_BYTES_PER_MS = 100 * 1024
const SLOW_OWN_JOBS_MAX = 3
/** Beside the source it is TypeScript, in the built package JavaScript. */
const WORKER = new URL(`./hash-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export interface HashWork {
  readonly settings: HashSettings
  /** Undefined where the next is not known yet: `more` is called when it is. */
  readonly jobs: Iterator<PlannedJob | undefined, void, number | undefined>
  /** Called in whatever order the jobs are done; what it throws ends the run. */
  readonly onJob: (job: PlannedJob, hashes: PieceHashes) => void
  /** Nothing else needs the calling thread while the run lasts: it hashes as well, 3 to 20 ms at a time. */
  readonly usesOwnThread?: boolean | undefined
  /** To be read; with few or none of them left, workers get few jobs at once. Infinity: not known yet. */
  readonly bytes?: number | undefined
}

interface Run extends HashWork {
  /** One Int32, seen by the workers: not 0 when nobody waits any more. */
  readonly cancelled: SharedArrayBuffer
  readonly settle: (error?: unknown) => void
  jobsInFlight: number
  /** Of all jobs, and of those given. */
  bytesInAll: number
  bytesGiven: number
  isPlanned: boolean
  /** The next job is not known yet. */
  isWaiting: boolean
  /** The calling thread does its jobs too. */
  isHelped: boolean
  isSettled: boolean
}

interface Slot {
  readonly worker: Worker
  /** Bounded by JOBS_PER_WORKER. */
  readonly jobs: Map<number, { readonly run: Run; readonly job: PlannedJob }>
  isUp: boolean
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
  /** Of the calling thread, while it helps. */
  #hasher: PieceHasher | undefined

  /** @param size threads, by default one for each core */
  constructor(size = Math.min(availableParallelism(), LIMITS.hashWorkersMax.value)) {
    this.#size = size
  }

  /** The one pool of this process. */
  static get shared(): HashPool {
    HashPool.#shared ??= new HashPool()
    return HashPool.#shared
  }

  /**
   * Starts the workers ahead of the first run, so that both can happen at once.
   * @param usesOwnThread as the run will say
   */
  start(usesOwnThread = false): void {
    const count = usesOwnThread ? this.#size - 1 : this.#size
    while (this.#slots.length < count) this.#slots.push(this.#startWorker())
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
          if (work.usesOwnThread) freeOptimizer()
          if (error === undefined) resolve()
          else reject(error)
        },
        jobsInFlight: 0,
        bytesInAll: work.bytes ?? 0,
        bytesGiven: 0,
        isPlanned: false,
        isWaiting: false,
        isHelped: false,
        isSettled: false,
      }
      signal?.addEventListener('abort', onAbort)
      this.#runs.add(run)
      this.#turns.push(run)
      this.start(work.usesOwnThread)
      this.#afterUp()
      this.#fill()
      if (work.usesOwnThread) this.#help(run)
    })
  }

  /**
   * Jobs of a run became known, or that there are no more.
   * @param bytes in all, when that is known
   */
  more(jobs: HashWork['jobs'], bytes?: number): void {
    for (const run of this.#runs) {
      if (run.jobs !== jobs) continue
      run.bytesInAll = bytes ?? run.bytesInAll
      if (!run.isWaiting) return
      run.isWaiting = false
      if (!this.#turns.includes(run)) this.#turns.push(run)
      this.#fill()
      if (run.usesOwnThread && !run.isHelped) this.#help(run)
      return
    }
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
    const slot: Slot = { worker: new Worker(WORKER, { execArgv: [] }), jobs: new Map(), isUp: false }
    slot.worker.on('message', (message: FromWorker) => this.#onMessage(slot, message))
    slot.worker.on('error', (error) => this.#onLost(slot, error))
    slot.worker.on('exit', () => this.#onLost(slot))
    return slot
  }

  /** What is not done while a thread comes up. */
  #afterUp(): void {
    if (this.#slots.some(({ isUp }) => !isUp)) return
    // A v2 hash is of 16 KiB: calls are frequent enough that it pays to compile them.
    for (const { usesOwnThread, settings } of this.#runs)
      if (usesOwnThread && !settings.v2) restrainOptimizer()
  }

  /** Gives every worker its share, a first job to each before anyone gets a second. */
  #fill(): void {
    for (let depth = 1; depth <= JOBS_PER_WORKER || (depth <= JOBS_AHEAD && this.#givesAhead); depth++) {
      for (const slot of this.#slots) if (slot.jobs.size < depth) this.#give(slot)
    }
  }

  /** The one run there is has long to go. */
  get #givesAhead(): boolean {
    const [run] = this.#turns
    if (this.#turns.length !== 1 || run!.usesOwnThread !== true) return false
    return run!.bytesInAll - run!.bytesGiven > LONG_RUN_BYTES
  }

  #give(slot: Slot): void {
    for (let run = this.#turns.shift(); run !== undefined; run = this.#turns.shift()) {
      const job = this.#next(run)
      if (job === undefined) continue
      this.#turns.push(run)
      if (slot.jobs.size === 0) slot.worker.ref()
      const message = this.#message(run, job)
      slot.jobs.set(message.id, { run, job })
      this.#post(slot, message)
      return
    }
  }

  /** A job of this run to be done now; undefined when there is none left, or none known yet. */
  #next(run: Run): PlannedJob | undefined {
    if (run.isSettled || run.isPlanned) return undefined
    const left = JOB_SHARE * (run.bytesInAll - run.bytesGiven)
    const next = run.jobs.next(Math.min(Math.max(left, JOB_BYTES_MIN), JOB_BYTES_MAX))
    if (!next.done) {
      run.isWaiting = next.value === undefined
      if (next.value === undefined) return undefined
      run.jobsInFlight++
      run.bytesGiven += next.value.contentBytes
      return next.value
    }
    run.isWaiting = false
    // The last of its jobs to come back settles it.
    run.isPlanned = true
    if (run.jobsInFlight === 0) run.settle()
    return undefined
  }

  #message(run: Run, { slices, pieceCount }: PlannedJob): HashJob {
    return { id: this.#nextId++, settings: run.settings, slices, pieceCount, cancelled: run.cancelled }
  }

  /** Does one job after the other on this thread; events are heard in between. */
  #help(run: Run, slowJobs = 0): void {
    run.isHelped = true
    setImmediate(() => {
      const startedAtMs = performance.now()
      const job = this.#next(run)
      this.#hasher ??= new PieceHasher()
      if (job === undefined) {
        run.isHelped = false
        return this.#hasher.release()
      }
      const { hashes, fault } = this.#hasher.answer(this.#message(run, job))
      this.#onDone(run, job, hashes, fault)
      const expectedMs = OWN_JOB_MS_MAX + job.contentBytes / DISK_BYTES_PER_MS
      const isSlow = performance.now() - startedAtMs > expectedMs
      if (!isSlow || slowJobs + 1 < SLOW_OWN_JOBS_MAX) return this.#help(run, isSlow ? slowJobs + 1 : 0)
      this.#hasher.release()
      if (run.isSettled) return
      this.start()
      this.#fill()
    })
  }

  #post(slot: Slot, message: ToWorker): void {
    slot.worker.postMessage(message)
  }

  #onMessage(slot: Slot, message: FromWorker): void {
    // What comes while it is being ended must not let the process end first.
    if (!this.#slots.includes(slot)) return
    if (message === 'up') {
      slot.isUp = true
      this.#afterUp()
      if (slot.jobs.size === 0) slot.worker.unref()
    } else this.#onAnswer(slot, message)
  }

  #onAnswer(slot: Slot, { id, hashes, fault }: HashAnswer): void {
    const { run, job } = slot.jobs.get(id)!
    slot.jobs.delete(id)
    this.#onDone(run, job, hashes, fault)
    this.#fill()
    if (slot.jobs.size === 0) {
      this.#post(slot, 'release')
      slot.worker.unref()
    }
  }

  #onDone(run: Run, job: PlannedJob, hashes: PieceHashes | undefined, fault: Fault | undefined): void {
    run.jobsInFlight--
    if (fault !== undefined) run.settle(ShoalError.from(fault))
    else if (hashes !== undefined) this.#deliver(run, job, hashes)
    if (run.isPlanned && run.jobsInFlight === 0) run.settle()
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
