/**
 * Collects the figures of a benchmark, repetition by repetition; prints them and keeps them
 * (`result-files.ts`).
 */
import { appendRun, type ResultRow } from './result-files.ts'
import { formatSpread, median, spreadOf } from './spread.ts'
import { terminalTable } from './text-table.ts'

/** By name and unit: `leecher CPU s/GiB`. Undefined = could not be measured. */
export type Figures = Readonly<Record<string, number | undefined>>

export class Results {
  /** What -> figure -> one value for each repetition. */
  readonly #values = new Map<string, Map<string, number[]>>()
  readonly #notes: string[] = []

  /** One repetition. */
  add(what: string, figures: Figures): void {
    const row = this.#values.get(what) ?? new Map<string, number[]>()
    this.#values.set(what, row)
    for (const [figure, value] of Object.entries(figures))
      if (value !== undefined) row.set(figure, [...(row.get(figure) ?? []), value])
  }

  /** Said at once, and kept with the figures. */
  note(text: string): void {
    this.#notes.push(text)
    console.log(text)
  }

  median(what: string, figure: string): number | undefined {
    const values = this.#values.get(what)?.get(figure)
    return values && median(values)
  }

  get rows(): ResultRow[] {
    return [...this.#values].map(([what, row]) => ({
      what,
      figures: Object.fromEntries([...row].map(([figure, values]) => [figure, spreadOf(values)])),
    }))
  }

  /** One line for each thing that was measured. `heading` stands above the first column. */
  printByRow(heading: string): void {
    const { rows } = this
    const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))]
    console.log(
      terminalTable(
        [heading, ...figures],
        rows.map(({ what, figures: had }) => [what, ...figures.map((figure) => cell(had[figure]))]),
      ),
    )
  }

  /**
   * One column for each thing that was measured, of those whose name begins with
   * `prefix`, which is the heading.
   */
  printByColumn(prefix = ''): void {
    const rows = this.rows.filter(({ what }) => what.startsWith(prefix))
    const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))]
    console.log(
      terminalTable(
        [prefix.trim(), ...rows.map(({ what }) => what.slice(prefix.length))],
        figures.map((figure) => [figure, ...rows.map(({ figures: had }) => cell(had[figure]))]),
      ),
    )
  }

  /** @param headlines the figures that the report shows */
  save(benchmark: string, options: Readonly<Record<string, unknown>>, headlines: readonly string[]): void {
    appendRun(benchmark, { options, headlines, rows: this.rows, notes: this.#notes })
  }
}

function cell(spread: ResultRow['figures'][string] | undefined): string {
  return spread === undefined ? '-' : formatSpread(spread)
}
