/**
 * Bounded waiting. Every wait of the kit ends: with what it waited for, or with an error
 * that says what was missing.
 */
export const WAIT_MS = 15_000

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Polls `probe` until it returns something truthy. For things that give no notice, such as files. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = WAIT_MS,
  everyMs = 10,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`no ${what} within ${timeoutMs} ms`)
    await sleep(everyMs)
  }
}

/** Settles as `promise` does, or fails after `timeoutMs`. */
export async function within<T>(what: string, promise: Promise<T>, timeoutMs = WAIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * A list that can be awaited: `push` wakes everyone who waits for an item like it. Items that came before the
 * wait began count too, so a test never misses one.
 */
export class Recording<T> {
  readonly items: T[] = []
  readonly #waiting = new Set<() => void>()
  #ended: string | undefined

  push(item: T): void {
    this.items.push(item)
    for (const wake of this.#waiting) wake()
  }

  /** Nothing more will come: those who still wait fail at once, with this reason. */
  end(reason: string): void {
    this.#ended = reason
    for (const wake of this.#waiting) wake()
  }

  async first<S extends T>(
    what: string,
    matches: (item: T, index: number) => item is S,
    timeoutMs?: number,
    from?: number,
  ): Promise<S>
  async first(
    what: string,
    matches: (item: T, index: number) => boolean,
    timeoutMs?: number,
    from?: number,
  ): Promise<T>
  async first(what: string, matches: (item: T, index: number) => boolean, timeoutMs = WAIT_MS, from = 0) {
    let next = from
    let found: T | undefined
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => done(new Error(`no ${what} within ${timeoutMs} ms`)), timeoutMs)
      const done = (error?: Error) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        error ? reject(error) : resolve()
      }
      const look = () => {
        while (next < this.items.length) {
          const item = this.items[next] as T
          if (matches(item, next++)) {
            found = item
            return done()
          }
        }
        if (this.#ended !== undefined) done(new Error(`no ${what}: ${this.#ended}`))
      }
      this.#waiting.add(look)
      look()
    })
    return found as T
  }
}
