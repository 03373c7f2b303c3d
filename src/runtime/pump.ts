/**
 * Drives one machine: takes inputs in, drains outputs after each, keeps one wake-up for its next time-out.
 * Invariants: the machine is never re-entered (an input that comes while outputs are executed waits its
 * turn), and it is drained before the next input (the rule of `base/machine.ts`).
 */
import { assert } from '../base/assert.ts'
import { BoundedQueue } from '../base/bounded-queue.ts'
import type { Machine } from '../base/machine.ts'
import type { Instant } from '../base/time.ts'
import type { Clock } from '../ports/clock.ts'

/** Inputs raised while outputs are executed; a burst of synchronous completions is far below this. */
const WAITING_MAX = 100_000

export class Pump<Input, Output> {
  readonly #machine: Machine<Input, Output>
  readonly #clock: Clock
  readonly #tick: Input
  readonly #execute: (output: Output) => void
  readonly #waiting = new BoundedQueue<Input>(WAITING_MAX)
  #isBusy = false
  #wakeAt: Instant | undefined
  #cancelWake: (() => void) | undefined

  constructor(machine: Machine<Input, Output>, clock: Clock, tick: Input, execute: (output: Output) => void) {
    this.#machine = machine
    this.#clock = clock
    this.#tick = tick
    this.#execute = execute
  }

  push(input: Input): void {
    if (this.#isBusy) {
      assert(this.#waiting.push(input), 'inputs raised by outputs are few')
      return
    }
    this.#isBusy = true
    try {
      for (let next: Input | undefined = input; next !== undefined; next = this.#waiting.shift())
        this.#run(next)
    } finally {
      this.#isBusy = false
    }
    this.#schedule()
  }

  /** No wake-up comes after this. */
  stop(): void {
    this.#cancelWake?.()
    this.#cancelWake = undefined
    this.#wakeAt = undefined
  }

  #run(input: Input): void {
    this.#machine.handle(this.#clock.now(), input)
    for (let output = this.#machine.poll(); output !== undefined; output = this.#machine.poll())
      this.#execute(output)
  }

  #schedule(): void {
    const at = this.#machine.nextTimeout()
    if (at === this.#wakeAt) return
    this.stop()
    if (at === undefined) return
    this.#wakeAt = at
    this.#cancelWake = this.#clock.wakeAt(at, () => {
      this.#cancelWake = undefined
      this.#wakeAt = undefined
      this.push(this.#tick)
    })
  }
}
