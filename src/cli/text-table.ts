/**
 * Rows of cells as aligned text: two spaces between columns, numbers to the right, nothing drawn around them.
 */
import { displayWidth, fitText, padEnd, padStart, safeText } from './terminal-text.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Cut when the table is wider than it may be; the widest such column first. */
  readonly isFlexible?: boolean
}

const GAP = '  '
const FLEXIBLE_COLUMNS_MIN = 12

/**
 * The lines of the table, header first; cells are made safe for terminals.
 * @param columnsMax width it must keep to; undefined for as wide as it is
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number)[])[],
  columnsMax?: number,
): string[] {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => row.map((cell) => safeText(String(cell)))),
  ]
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => displayWidth(row[i] ?? ''))))
  if (columnsMax !== undefined) narrow(columns, widths, columnsMax)
  return cells.map((row) =>
    columns
      .map((column, i) => {
        const cell = fitText(row[i] ?? '', widths[i]!)
        return column.align === 'right' ? padStart(cell, widths[i]!) : padEnd(cell, widths[i]!)
      })
      .join(GAP)
      .trimEnd(),
  )
}

function narrow(columns: readonly Column[], widths: number[], columnsMax: number): void {
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (columns.length - 1)) - columnsMax
  while (excess > 0) {
    let widest = -1
    columns.forEach((column, i) => {
      if (
        column.isFlexible &&
        widths[i]! > FLEXIBLE_COLUMNS_MIN &&
        (widest < 0 || widths[i]! > widths[widest]!)
      )
        widest = i
    })
    if (widest < 0) return
    widths[widest]!--
    excess--
  }
}
