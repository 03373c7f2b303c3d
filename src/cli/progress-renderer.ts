/**
 * The live lines at the bottom of a terminal: one bar per torrent or peer, and under them the prompt with
 * what is being typed. They are on standard error and only there when it is a terminal.
 * Invariants: at most ten redraws a second; whatever is printed above goes through `above`, which takes the
 * live lines away, lets it print, and puts them back; no line is wider than the terminal.
 */

import { displayWidth, fitText, padEnd, padStart, safeText } from './terminal-text.ts'
import { formatCount, formatDuration, formatRate } from './units.ts'

export interface Bar {
  readonly label: string
  /** 0 to 1. */
  readonly fraction: number
  /** What follows the percentage. */
  readonly detail: string
}

/** What of a terminal is needed here; `process.stderr` has it. */
export interface TerminalStream {
  write(text: string): unknown
  readonly columns?: number
  readonly rows?: number
}

export interface RendererOptions {
  readonly stream: TerminalStream
  /** False where the terminal cannot show block characters. */
  readonly hasUnicode: boolean
  readonly redrawEveryMs?: number
}

const REDRAW_EVERY_MS = 100
const LABEL_COLUMNS_MAX = 28

export class ProgressRenderer {
  readonly #options: RendererOptions
  /** Bounded by the torrents and peers of this process. */
  readonly #bars = new Map<string, Bar>()
  #prompt: { readonly text: string; readonly cursor: number } | undefined
  #linesDrawn = 0
  #hasEnded = false
  #timer: NodeJS.Timeout | undefined
  #drawnAt = -Infinity

  constructor(options: RendererOptions) {
    this.#options = options
  }

  set(id: string, bar: Bar): void {
    this.#bars.set(id, bar)
    this.#schedule()
  }

  remove(id: string): void {
    if (this.#bars.delete(id)) this.#schedule()
  }

  /**
   * The line under the bars; `cursor` counts columns from its beginning. Drawn at once, for it echoes typing.
   */
  setPrompt(text: string | undefined, cursor = 0): void {
    this.#prompt = text === undefined ? undefined : { text, cursor }
    this.#draw()
  }

  /** Takes the live lines away while `print` prints. */
  above(print: () => void): void {
    if (this.#linesDrawn === 0) return print()
    this.#erase()
    print()
    this.#draw()
  }

  /** Takes everything away for good. */
  end(): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
    if (this.#linesDrawn > 0) this.#erase()
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#hasEnded) return
    const interval = this.#options.redrawEveryMs ?? REDRAW_EVERY_MS
    const waitMs = Math.max(0, this.#drawnAt + interval - performance.now())
    this.#timer = setTimeout(() => this.#draw(), waitMs)
    this.#timer.unref()
  }

  #draw(): void {
    if (this.#hasEnded) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#drawnAt = performance.now()
    const lines = this.#lines()
    let text = this.#toTop()
    text += lines.map((line) => `${line}\x1b[K`).join('\n')
    if (lines.length < this.#linesDrawn) text += '\x1b[J'
    if (this.#prompt) text += `\r${this.#prompt.cursor > 0 ? `\x1b[${this.#prompt.cursor}C` : ''}`
    if (lines.length > 0 || this.#linesDrawn > 0) this.#options.stream.write(text)
    this.#linesDrawn = lines.length
  }

  #erase(): void {
    this.#options.stream.write(`${this.#toTop()}\x1b[J`)
    this.#linesDrawn = 0
  }

  #toTop(): string {
    if (this.#linesDrawn === 0) return ''
    return this.#linesDrawn > 1 ? `\r\x1b[${this.#linesDrawn - 1}A` : '\r'
  }

  #lines(): string[] {
    const columns = this.#options.stream.columns ?? 80
    const roomForBars = Math.max(1, (this.#options.stream.rows ?? 24) - 2)
    const bars = [...this.#bars.values()]
    const shown = bars.length <= roomForBars ? bars : bars.slice(0, roomForBars - 1)
    const labelColumns = Math.min(
      LABEL_COLUMNS_MAX,
      Math.max(0, ...shown.map((bar) => displayWidth(safeText(bar.label)))),
    )
    const lines = shown.map((bar) =>
      formatBar(bar, { columns, labelColumns, hasUnicode: this.#options.hasUnicode }),
    )
    if (shown.length < bars.length) lines.push(fitText(`and ${bars.length - shown.length} more`, columns - 1))
    if (this.#prompt) lines.push(fitText(safeText(this.#prompt.text), columns - 1))
    return lines
  }
}

export interface BarLayout {
  readonly columns: number
  readonly labelColumns: number
  readonly hasUnicode: boolean
}

/** `albums  [████████------------]  42% 3.1 MB/s 5 peers`, never wider than the terminal less one column. */
export function formatBar(bar: Bar, layout: BarLayout): string {
  const fraction = Math.min(1, Math.max(0, bar.fraction))
  const cells = layout.columns >= 60 ? 20 : 10
  const full = Math.floor(fraction * cells)
  const [filled, empty] = layout.hasUnicode ? ['█', '-'] : ['#', '-']
  const gauge = `[${filled.repeat(full)}${empty.repeat(cells - full)}] ${padStart(formatPercent(fraction), 4)}`
  const labelColumns = Math.min(layout.labelColumns, Math.max(0, layout.columns - cells - 12))
  const label = labelColumns > 0 ? `${padEnd(fitText(safeText(bar.label), labelColumns), labelColumns)} ` : ''
  return fitText(`${label}${gauge} ${safeText(bar.detail)}`.trimEnd(), layout.columns - 1)
}

/** Rounded down: 100% is said only of what is complete. */
export function formatPercent(fraction: number): string {
  return `${Math.floor(fraction * 100)}%`
}

/** `3.1 MB/s 5 peers, up 0.4 MB/s, 2m 10s left`. */
export function formatTransfer(transfer: {
  downloadRate: number
  uploadRate: number
  peers: number
  etaSeconds?: number | null
}): string {
  const parts = [`${formatRate(transfer.downloadRate)} ${formatCount(transfer.peers, 'peer')}`]
  if (transfer.uploadRate > 0) parts.push(`up ${formatRate(transfer.uploadRate)}`)
  if (transfer.etaSeconds != null && Number.isFinite(transfer.etaSeconds) && transfer.etaSeconds > 0)
    parts.push(`${formatDuration(transfer.etaSeconds)} left`)
  return parts.join(', ')
}
