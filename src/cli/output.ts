/**
 * Everything the program says goes through here, and looks the same from every command.
 * With `--json`, standard output is JSON lines, each an object with an `event`, and nothing else. Without it,
 * sentences go to standard output; errors, warnings, `--verbose` lines and live progress to standard error.
 * Invariants: no control codes unless the stream is a terminal; nothing from outside reaches a terminal
 * unescaped; a reader that has gone away (EPIPE) ends the program quietly.
 */
import { styleText } from 'node:util'
import { redactText } from '../base/redact.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { storageError } from '../nodejs/storage-error.ts'
import { EventWriter, type LogLine } from './event-text.ts'
import type { KnownEvent, ProgressEvent, ShoalEvent } from './events.ts'
import { exitStatusOf } from './exit-status.ts'
import { HeldLines } from './held-lines.ts'
import type { LogFile } from './log-file.ts'
import { plainValue } from './plain-value.ts'
import {
  type Bar,
  formatPercent,
  formatTransfer,
  ProgressRenderer,
  type TerminalStream,
} from './progress-renderer.ts'
import type { Verbosity } from './setting-kinds.ts'
import { safeText } from './terminal-text.ts'
import { type Column, formatTable } from './text-table.ts'

/** What of `process.stdout` and `process.stderr` is needed here. */
export interface OutputStream extends TerminalStream {
  readonly isTTY?: boolean
}

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: Verbosity
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly logFile?: LogFile | undefined
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

export class Output {
  readonly isJson: boolean
  readonly #options: OutputOptions
  readonly #writer = new EventWriter()
  readonly #jsonLines: HeldLines
  /** Something of an event may be told besides the line of `--json`. */
  readonly #isSpoken: boolean
  readonly #renderer: ProgressRenderer | undefined
  /**
   * Tenths of each torrent that have been told, where there is no terminal. Bounded by
   * the torrents of this process.
   */
  readonly #tenthsTold = new Map<string, number>()

  constructor(options: OutputOptions) {
    this.#options = options
    this.isJson = options.json
    this.#jsonLines = new HeldLines((text) => this.#write(options.stdout, text))
    this.#isSpoken = !options.json || Object.values(options.verbose).some((level) => level > 0)
    const isLive = options.stderr.isTTY === true && options.environment.TERM !== 'dumb'
    if (isLive && !options.json && !options.quiet)
      this.#renderer = new ProgressRenderer({
        stream: options.stderr,
        hasUnicode: hasUnicode(options.environment),
      })
  }

  /** True when there is a terminal to draw on. */
  get isLive(): boolean {
    return this.#renderer !== undefined
  }

  /** From now on every sentence says which torrent it is about. */
  nameTorrents(): void {
    this.#writer.namesTorrents = true
  }

  /** @param sentence says it better than the event's own words; an empty one says nothing */
  event(event: KnownEvent | ShoalEvent, sentence?: string): void {
    const shoalEvent = withoutSecrets(event as ShoalEvent)
    this.#options.logFile?.write(plainValue(shoalEvent) as ShoalEvent)
    if (this.isJson) this.#json(shoalEvent, FREQUENT.has(shoalEvent.event))
    if (!this.#isSpoken) return
    if (event.event === 'progress') return this.#progress(event as ProgressEvent & ShoalEvent)
    const text = this.#writer.write(shoalEvent)
    const spoken = sentence ?? text.sentence
    if (spoken && !this.isJson && (!this.#options.quiet || text.isResult)) this.#line(safeText(spoken))
    if (text.log) this.#log(text.log)
  }

  /** True when there is a log file. */
  get isLogged(): boolean {
    return this.#options.logFile !== undefined
  }

  /** For the log file alone. */
  log(event: ShoalEvent): void {
    this.#options.logFile?.write(event)
  }

  /** Text for people; nothing under `--json`. */
  text(...lines: readonly string[]): void {
    if (!this.isJson) for (const line of lines) this.#line(safeText(line))
  }

  /** A table for people; nothing under `--json`. */
  table(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): void {
    if (this.isJson) return
    const columnsMax = this.#options.stdout.isTTY ? this.#options.stdout.columns : undefined
    const [header, ...lines] = formatTable(columns, rows, columnsMax)
    this.#line(this.#styled('dim', header!, this.#options.stdout))
    for (const line of lines) this.#line(line)
  }

  /** A live bar of its own, on a terminal; events of kind `progress` make theirs by themselves. */
  bar(id: string, bar: Bar | undefined): void {
    if (bar) this.#renderer?.set(id, bar)
    else this.#renderer?.remove(id)
  }

  /** The prompt under the live bars; see `console-words.ts`. */
  prompt(text: string | undefined, cursor?: number): void {
    this.#renderer?.setPrompt(text, cursor)
  }

  warning(warning: {
    readonly code: string
    readonly message: string
    readonly hint?: string | undefined
  }): void {
    const { code } = warning
    const message = redactText(warning.message)
    const hint = warning.hint && redactText(warning.hint)
    const event = { event: 'warning', code, message, hint }
    this.#options.logFile?.write(plainValue(event) as ShoalEvent)
    if (this.isJson) return this.#json(event)
    this.#aside('yellow', 'warning', message, hint)
  }

  error(error: unknown): void {
    const known = asShoalError(error)
    const { code } = known
    const message = redactText(known.message)
    const hint = redactText(known.hint ?? defaultHint(code))
    const event = { event: 'error', code, message, hint }
    this.#options.logFile?.write(event)
    if (this.isJson) return this.#json(event)
    this.#aside('red', 'error', message, hint)
  }

  /** Takes the live lines down for good and waits until all has been written. */
  async end(): Promise<void> {
    this.#renderer?.end()
    this.#jsonLines.flush()
    this.#options.logFile?.close()
    await Promise.all([this.#options.stdout, this.#options.stderr].map(drained))
  }

  #progress(event: ProgressEvent & ShoalEvent): void {
    if (this.isJson || this.#options.quiet) return
    const label = [event.node, event.name].filter(Boolean).join(' ')
    const fraction = event.total === 0 ? 1 : event.bytes / event.total
    if (this.#renderer) return this.#renderer.set(label, { label, fraction, detail: formatTransfer(event) })
    const tenths = Math.floor(fraction * 10)
    const told = this.#tenthsTold.get(label)
    if (told !== undefined && tenths <= told) return
    this.#tenthsTold.set(label, tenths)
    // What was there from the beginning is no progress.
    if (told === undefined && (tenths === 0 || event.downloadRate === 0)) return
    this.#line(safeText(`${label ? `${label}: ` : ''}${formatPercent(fraction)} ${formatTransfer(event)}`))
  }

  #log(log: LogLine): void {
    if (this.#options.verbose[log.category] < log.level) return
    if (this.isJson) return this.#json({ event: 'log', ...log })
    const tag = this.#styled('dim', `[${log.category}]`, this.#options.stderr)
    this.#write(this.#options.stderr, `${tag} ${safeText(log.message)}\n`)
  }

  #json(event: ShoalEvent, mayWait = false): void {
    const line = `${JSON.stringify(plainValue(event))}\n`
    if (mayWait) this.#jsonLines.hold(line)
    else this.#jsonLines.add(line)
  }

  #line(line: string): void {
    this.#write(this.#options.stdout, `${line}\n`)
  }

  #aside(style: Style, word: string, message: string, hint: string | undefined): void {
    const { stderr } = this.#options
    const first = `${this.#styled(style, `${word}:`, stderr)} ${safeText(message)}\n`
    const second = hint ? `${this.#styled('dim', 'hint:', stderr)} ${safeText(hint)}\n` : ''
    this.#write(stderr, first + second)
  }

  #write(stream: OutputStream, text: string): void {
    if (this.#renderer) this.#renderer.above(() => stream.write(text))
    else stream.write(text)
  }

  #styled(style: Style, text: string, stream: OutputStream): string {
    const { NO_COLOR, TERM } = this.#options.environment
    if (!stream.isTTY || NO_COLOR || TERM === 'dumb') return text
    return styleText(style, text, { validateStream: false })
  }
}

/** As many as hundreds a second; nobody waits for the single one. */
const FREQUENT: ReadonlySet<string> = new Set(['piece-verified'])

/**
 * Fields in which addresses of trackers, or words of others, stand: what users paste when they ask for help.
 */
const REDACTED_FIELDS = ['tracker', 'message', 'reason', 'hint', 'path'] as const

/** Links and `.torrent` addresses that a command was asked to make stay whole. */
function withoutSecrets(event: ShoalEvent): ShoalEvent {
  let told = event
  for (const field of REDACTED_FIELDS) {
    const text = event[field]
    if (typeof text !== 'string') continue
    const redacted = redactText(text)
    if (redacted !== text) told = { ...told, [field]: redacted }
  }
  return told
}

/** What was thrown, as the one error class users meet. */
export function asShoalError(error: unknown): ShoalError {
  const path: unknown = error instanceof Error && 'path' in error ? error.path : undefined
  const known = storageError(error, typeof path === 'string' ? path : 'a file')
  if (known instanceof ShoalError) return known
  const message = `unexpected: ${error instanceof Error ? error.message : String(error)}`
  return new ShoalError(
    'internal/unexpected',
    message,
    'This is a bug in Shoal; SHOAL_DEBUG=1 shows where.',
    { cause: error },
  )
}

/** For faults that say only what is wrong. */
function defaultHint(code: string): string {
  return exitStatusOf(code) === 2
    ? 'Check what was given; --help says what the command takes.'
    : 'Try again; if it fails again, SHOAL_DEBUG=1 shows where.'
}

function hasUnicode(environment: OutputOptions['environment']): boolean {
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || ''
  return process.platform === 'win32' || /utf-?8/i.test(locale)
}

/** Resolves when all that was written before has been handed over, or cannot be. */
function drained(stream: OutputStream): Promise<void> {
  const { write } = stream as { write(text: string, done: () => void): boolean }
  return new Promise((resolve) => write.call(stream, '', () => resolve()))
}
