/**
 * A child process with its cost: processor time of all its threads, peak anonymous and resident memory, from
 * `/proc`. What it prints goes to `onLine`; only the end of it is kept, for error messages.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { guardPid, releasePid } from './clean-up.ts'
import { TICKS_PER_SECOND } from './machine.ts'
import { until } from './waiting.ts'

const SAMPLE_EVERY_MS = 150
const KEPT_OUTPUT_LENGTH = 600
/** After this an orderly stop is over. */
const STOP_MS = 5000
const KIB = 1024

export interface ProcessStart {
  readonly command: readonly string[]
  readonly folder: string
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly onLine?: (line: string) => void
}

export class MeasuredProcess {
  readonly name: string
  readonly startedAt = performance.now()
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>
  peakAnonymousBytes = 0
  peakResidentBytes = 0
  readonly #child: ChildProcess
  readonly #sampler: NodeJS.Timeout
  #output = ''
  #cpuSeconds = 0

  constructor(name: string, { command, folder, environment, onLine }: ProcessStart) {
    this.name = name
    const [program, ...args] = command
    this.#child = spawn(program!, args, {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr, pid } = this.#child
    if (pid !== undefined) guardPid(pid)
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#output += error.message
        resolve()
      })
      this.#child.on('exit', () => {
        this.#forget()
        resolve()
      })
    })
    let rest = ''
    stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#keep(text)
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      if (onLine) for (const line of lines) onLine(line)
    })
    stderr!.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    this.#sampler = setInterval(() => this.sample(), SAMPLE_EVERY_MS)
    this.#sampler.unref()
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Throws, with what it printed last, when it has ended. */
  requireRunning(): void {
    if (this.isRunning) return
    const how = this.#child.signalCode ?? this.#child.exitCode ?? 'before it began'
    throw new Error(`${this.name} ended (${how}): ${this.#output.trim() || 'no output'}`)
  }

  /** User and system time of all its threads, and of its children that have ended. */
  get cpuSeconds(): number {
    const stat = this.#read('stat')
    if (stat !== undefined) {
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
      this.#cpuSeconds = Math.max(this.#cpuSeconds, ticks / TICKS_PER_SECOND)
    }
    return this.#cpuSeconds
  }

  /** Takes note of its memory now. @returns bytes */
  sample(): { anonymous: number; resident: number } {
    const status = this.#read('status') ?? ''
    const anonymous = kibibytes(status, 'RssAnon') * KIB
    this.peakAnonymousBytes = Math.max(this.peakAnonymousBytes, anonymous)
    this.peakResidentBytes = Math.max(this.peakResidentBytes, kibibytes(status, 'VmHWM') * KIB)
    return { anonymous, resident: kibibytes(status, 'VmRSS') * KIB }
  }

  /** In good order if it can; killed if that takes too long. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    clearInterval(this.#sampler)
    if (!this.isRunning) return
    this.#child.kill(signal)
    try {
      await until(`end of ${this.name}`, STOP_MS, () => !this.isRunning)
    } catch {
      this.#child.kill('SIGKILL')
      await until(`end of ${this.name}`, STOP_MS, () => !this.isRunning)
    }
  }

  #read(file: 'stat' | 'status'): string | undefined {
    try {
      return readFileSync(`/proc/${this.#child.pid}/${file}`, 'utf8')
    } catch {
      return undefined
    }
  }

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-KEPT_OUTPUT_LENGTH)
  }

  #forget(): void {
    clearInterval(this.#sampler)
    if (this.#child.pid !== undefined) releasePid(this.#child.pid)
  }
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
}
