/** Bounded waits: every one ends with an error that names what it waited for. */
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 10

/** Asks again every 10 ms, until it is true. */
export async function until(
  what: string,
  timeoutMs: number,
  isTrue: () => boolean | Promise<boolean>,
): Promise<void> {
  const endsAt = performance.now() + timeoutMs
  while (!(await isTrue())) {
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${timeoutMs / 1000} s`)
    await sleep(POLL_MS)
  }
}
