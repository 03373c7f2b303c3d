/** Tables: aligned for a terminal, or as Markdown. The first column is text, the others are figures. */

export type Cells = readonly string[]

export function terminalTable(head: Cells, rows: readonly Cells[]): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  return [head, ...rows]
    .map((row) =>
      widths.map((width, i) => (i === 0 ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width))),
    )
    .map((row) => row.join('  ').trimEnd())
    .join('\n')
}

export function markdownTable(head: Cells, rows: readonly Cells[]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
