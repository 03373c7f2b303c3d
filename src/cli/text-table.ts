/**
 * Rows of cells as aligned text: two spaces between columns, numbers to the right, nothing drawn around them.
 */
import { displayWidth, fitText, padEnd, padStart, safeText } from './terminal-text.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Cut when the table is wider than it may be; the widest such column first. */
  readonly isFlexible?: boolean
  /** Left out where even the cut columns are too wide together; the last such column first. */
  readonly isOptional?: boolean
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
  const sized = columns.map((column, index) => ({
    ...column,
    index,
    width: cells.reduce((width, row) => Math.max(width, displayWidth(row[index] ?? '')), 0),
  }))
  if (columnsMax !== undefined) narrow(sized, columnsMax)
  return cells.map((row) =>
    sized
      .map(({ index, width, align }) => {
        const cell = fitText(row[index] ?? '', width)
        return align === 'right' ? padStart(cell, width) : padEnd(cell, width)
      })
      .join(GAP)
      .trimEnd(),
  )
}

interface SizedColumn extends Column {
  width: number
}

/** Leaves out what does not fit, then cuts what is flexible. */
function narrow(columns: SizedColumn[], columnsMax: number): void {
  while (tableWidth(columns, narrowest) > columnsMax) {
    const last = columns.findLastIndex((column) => column.isOptional)
    if (last < 0) break
    columns.splice(last, 1)
  }
  for (let excess = tableWidth(columns, ({ width }) => width) - columnsMax; excess > 0; excess--) {
    const flexible = columns.filter((column) => narrowest(column) < column.width)
    if (flexible.length === 0) return
    flexible.reduce((widest, column) => (column.width > widest.width ? column : widest)).width--
  }
}

function narrowest({ isFlexible, width }: SizedColumn): number {
  return isFlexible ? Math.min(width, FLEXIBLE_COLUMNS_MIN) : width
}

function tableWidth(columns: readonly SizedColumn[], widthOf: (column: SizedColumn) => number): number {
  return columns.reduce((sum, column) => sum + widthOf(column), GAP.length * (columns.length - 1))
}
