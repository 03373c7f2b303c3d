/** Swarms in this process: the machine, its clock, and its answers to those who asked. */
import { Pump } from '../runtime/pump.ts'
import type { AnnounceQuestion, TakeAnswer } from '../tracker/announce-desk.ts'
import type { TrackerOptions } from '../tracker/announce-policy.ts'
import { Tracker, type TrackerInput, type TrackerOutput } from '../tracker/tracker.ts'
import { nodeClock } from './node-clock.ts'
import { freshEnv } from './node-crypto.ts'
import type { TrackerBackend } from './tracker-backend.ts'

export class LocalTracker implements TrackerBackend {
  readonly #tracker: Tracker
  readonly #pump: Pump<TrackerInput, TrackerOutput>
  /** Who waits, by id; nobody for longer than the machine takes, which answers at once. */
  readonly #waiting = new Map<number, TakeAnswer>()
  #lastId = 0

  constructor(options: TrackerOptions) {
    this.#tracker = new Tracker(freshEnv(), options)
    this.#pump = new Pump<TrackerInput, TrackerOutput>(
      this.#tracker,
      nodeClock,
      { kind: 'tick' },
      (output) => {
        const answer = this.#waiting.get(output.id)
        this.#waiting.delete(output.id)
        answer?.(output)
      },
    )
  }

  ask(question: AnnounceQuestion, answer: TakeAnswer): void {
    const id = ++this.#lastId
    this.#waiting.set(id, answer)
    this.#pump.push({ ...question, id })
  }

  counts(infoHash: Uint8Array) {
    return this.#tracker.counts(infoHash)
  }

  stats() {
    return this.#tracker.stats()
  }

  close(): void {
    this.#pump.stop()
  }
}
