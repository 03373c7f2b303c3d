/**
 * How a running program is told to stop: the first Ctrl+C, SIGTERM or closed terminal, or a console word,
 * begins the orderly stop; a second Ctrl+C or SIGTERM ends the process at once with exit status 130.
 * Invariant: `signal` is aborted at most once, and nothing here keeps the process alive.
 */
import { constants } from 'node:os'
import { setImmediate } from 'node:timers/promises'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Shutdown {
  readonly #controller = new AbortController()
  readonly #exit: (status: number) => void
  readonly #onSignal = (): void => this.interrupt()

  constructor(exit: (status: number) => void = (status) => process.exit(status)) {
    this.#exit = exit
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  listen(): void {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
  }

  /** The orderly stop. */
  begin(): void {
    this.#controller.abort()
  }

  /** As a signal does it: orderly the first time, at once the second. */
  interrupt(): void {
    if (this.signal.aborted) this.#exit(128 + constants.signals.SIGINT)
    else this.begin()
  }
}

/** Whoever kept this thread busy for long hears by this of signals that came meanwhile. */
export async function heardSignals(): Promise<void> {
  // The system is asked for them between two turns; the first may follow before that.
  await setImmediate()
  await setImmediate()
}

/** Resolves when the signal is aborted, at once if it already is. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
