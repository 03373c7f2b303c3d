/**
 * `shoal log`: shows the end of a log file (`--log-file`), one line for each event, and with `--tail` what is
 * added to it from then on.
 * Invariant: however long the file is, at most `TAIL_BYTES_MAX` of it are read at once.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { CommandContext } from './command-context.ts'
import type { Output } from './output.ts'
import { aborted } from './shutdown.ts'

interface LogOptions {
  readonly tail?: boolean
  readonly lines?: number
  readonly type?: readonly string[]
}

const TAIL_BYTES_MAX = 4 * 1024 * 1024
const LINES_DEFAULT = 100
/** Files tell nobody reliably that they have grown. */
const LOOK_MS = 200

export async function run({ args, options, settings, output, signal }: CommandContext): Promise<number> {
  const { tail = false, lines: linesMax = LINES_DEFAULT, type: types } = options as LogOptions
  const path = args[0] ?? (settings.logFile === 'off' ? undefined : settings.logFile)
  if (path === undefined)
    throw new ShoalError('usage/missing-argument', 'which log file?', 'shoal log FILE, or --log-file FILE')
  const log = new LogReader(path)
  const wanted = log.read().filter((line) => isWanted(line, types))
  for (const line of wanted.slice(-linesMax)) show(line, output)
  if (tail) {
    const timer = setInterval(() => {
      for (const line of log.read()) if (isWanted(line, types)) show(line, output)
    }, LOOK_MS)
    await aborted(signal)
    clearInterval(timer)
  }
  log.close()
  return 0
}

type Line = Readonly<Record<string, unknown>>

/** Reads what a file has got since the last look; begins anew where it was rotated. */
class LogReader {
  readonly #path: string
  #descriptor: number
  #at: number
  #decoder = new StringDecoder('utf8')
  #rest = ''

  /** Throws what `open` throws. */
  constructor(path: string) {
    this.#path = path
    this.#descriptor = openSync(path, 'r')
    this.#at = Math.max(0, fstatSync(this.#descriptor).size - TAIL_BYTES_MAX)
  }

  read(): Line[] {
    const lines = this.#readOn()
    if (!this.#wasRotated()) return lines
    return [...lines, ...this.#readOn()]
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #readOn(): Line[] {
    const isFromMiddle = this.#at > 0 && this.#rest === ''
    const length = Math.min(TAIL_BYTES_MAX, fstatSync(this.#descriptor).size - this.#at)
    if (length <= 0) return []
    const bytes = Buffer.alloc(length)
    const count = readSync(this.#descriptor, bytes, 0, length, this.#at)
    this.#at += count
    const lines = (this.#rest + this.#decoder.write(bytes.subarray(0, count))).split('\n')
    this.#rest = lines.pop()!
    const parsed = lines.map(parseLine)
    // The first one may be the end of a line.
    return (isFromMiddle && parsed[0] === undefined ? parsed.slice(1) : parsed).filter(
      (line) => line !== undefined,
    )
  }

  #wasRotated(): boolean {
    let fresh: number
    try {
      fresh = openSync(this.#path, 'r')
    } catch {
      return false
    }
    if (fstatSync(fresh).ino === fstatSync(this.#descriptor).ino) {
      closeSync(fresh)
      return false
    }
    closeSync(this.#descriptor)
    this.#descriptor = fresh
    this.#at = 0
    this.#rest = ''
    this.#decoder = new StringDecoder('utf8')
    return true
  }
}

function parseLine(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Line) : undefined
  } catch {
    return undefined
  }
}

function isWanted(line: Line, types: readonly string[] | undefined): boolean {
  return types === undefined || types.includes(String(line.event))
}

function show(line: Line, output: Output): void {
  const { time, level: _level, event, ...fields } = line
  const plain = Object.entries(fields).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  output.event({ ...line, event: String(event) }, [time, event, ...plain].join(' '))
}
