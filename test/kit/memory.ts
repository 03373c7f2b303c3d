/** How much memory of its own a process has had at most: `RssAnon` of Linux, looked at again and again. */
import { readFileSync } from 'node:fs'
import { onCleanUp } from './clean-up.ts'

export class MemoryWatch {
  /** Megabytes. */
  peak = 0
  readonly #timer: NodeJS.Timeout

  constructor(pid: number, everyMs = 25) {
    const look = () => {
      this.peak = Math.max(this.peak, anonymousMegabytes(pid))
    }
    look()
    this.#timer = setInterval(look, everyMs)
    onCleanUp(() => void this.stop())
  }

  stop(): number {
    clearInterval(this.#timer)
    return Math.round(this.peak)
  }
}

/** 0 for a process that has ended. */
function anonymousMegabytes(pid: number): number {
  try {
    const match = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
    return match === null ? 0 : (Number(match[1]) * 1024) / 1e6
  } catch {
    return 0
  }
}
