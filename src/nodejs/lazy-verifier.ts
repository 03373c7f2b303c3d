/**
 * Hashes received pieces on the network thread while it has time for that, and on a thread of their own
 * (`thread-verifier.ts`) from when it has not. That thread is an engine of its own: it takes 50 ms of
 * processor time to come up, 10 MB, and two wake-ups for each piece. It gains something where one thread is
 * what a fast transfer waits for; behind a line, or among other busy processes, it does not.
 * Long pieces go to the thread from the beginning: a connection must not wait for milliseconds.
 * Invariants: a thread that was needed once stays; answers come in a later turn.
 */
import { ok, type Result } from '../base/result.ts'
import type { PieceVerifier } from '../ports/piece-verifier.ts'
import type { PieceDigests } from '../swarm/effects.ts'
import type { MerklePiece } from '../swarm/geometry.ts'
import { digestBlocks, digestPiece } from './piece-digests.ts'
import { ThreadLoad } from './thread-load.ts'
import { ThreadVerifier } from './thread-verifier.ts'

/** About two milliseconds of SHA-1. */
const IN_PLACE_BYTES_MAX = 4 * 1024 * 1024
/** Of a processor; with more, this thread has hardly time left. */
const LOAD_MAX = 0.6

export interface LazyVerifierOptions {
  /** Called once, when it has become clear whether there will be a thread, and if so when that is up. */
  readonly onSettled?: () => void
  /** Called once, if ever: from now on the thread hashes. */
  readonly onAside?: () => void
  /** The share of a processor that this thread uses; undefined for not known yet. */
  readonly load?: () => number | undefined
  /** Program of the thread (for tests). */
  readonly program?: URL
}

export class LazyVerifier implements PieceVerifier {
  readonly #thread: ThreadVerifier
  readonly #load: () => number | undefined
  #onSettled: () => void
  #isNeeded = false

  constructor({ onSettled = () => {}, onAside, load, program }: LazyVerifierOptions = {}) {
    const own = new ThreadLoad()
    this.#load = load ?? (() => own.measure())
    this.#onSettled = onSettled
    this.#thread = new ThreadVerifier(() => {
      this.#settled()
      onAside?.()
    }, program)
  }

  digest(
    bytes: Uint8Array,
    wantsSha1: boolean,
    merkle: MerklePiece | undefined,
    done: (result: Result<PieceDigests>) => void,
  ): void {
    if (this.#isForThread(bytes)) this.#thread.digest(bytes, wantsSha1, merkle, done)
    else setImmediate(() => done(ok(digestPiece(bytes, wantsSha1, merkle))))
  }

  digestBlocks(bytes: Uint8Array, done: (result: Result<Uint8Array>) => void): void {
    if (this.#isForThread(bytes)) this.#thread.digestBlocks(bytes, done)
    else setImmediate(() => done(ok(digestBlocks(bytes))))
  }

  /** Ends the thread; what it was asked for is never answered. */
  close(): Promise<void> {
    return this.#thread.close()
  }

  /** Until the thread is up, this one is faster. */
  #isForThread(bytes: Uint8Array): boolean {
    if (bytes.length > IN_PLACE_BYTES_MAX || this.#thread.isUp) return true
    if (this.#isNeeded) return false
    const load = this.#load()
    if (load === undefined) return false
    if (load > LOAD_MAX) {
      this.#isNeeded = true
      this.#thread.start()
    } else this.#settled()
    return false
  }

  #settled(): void {
    this.#onSettled()
    this.#onSettled = () => {}
  }
}
