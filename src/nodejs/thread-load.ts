/** How much of its time the thread that asks has had a processor to itself. */

/** Long against a time slice, short against a transfer. */
const WINDOW_MS = 100

export class ThreadLoad {
  #atMs: number | undefined
  #usedMs = 0

  /**
   * The share of a processor that this thread has used since the last answer, 0 to 1; undefined while that is
   * too short a time to tell, and the first time.
   */
  measure(): number | undefined {
    const nowMs = performance.now()
    const elapsedMs = nowMs - (this.#atMs ?? nowMs)
    if (this.#atMs !== undefined && elapsedMs < WINDOW_MS) return undefined
    const before = this.#usedMs
    this.#usedMs = usedMs()
    this.#atMs = nowMs
    return elapsedMs > 0 ? (this.#usedMs - before) / elapsedMs : undefined
  }
}

function usedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
