/**
 * `npm run bench -- report`: writes `bench/results/README.md`, one table for each benchmark: the newest
 * commit that was measured, and beside it the medians of the ones before.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { allRuns, RESULTS_FOLDER, type ResultRow, type ResultRun } from './kit/result-files.ts'
import { formatNumber, formatSpread } from './kit/spread.ts'
import { markdownTable } from './kit/text-table.ts'

const PREVIOUS_COMMITS_MAX = 3

const sections = [...allRuns()].map(([benchmark, runs]) => section(benchmark, runs))
if (sections.length === 0) {
  console.error('there are no results yet: npm run bench -- NAME')
  process.exitCode = 1
} else {
  const file = path.join(RESULTS_FOLDER, 'README.md')
  writeFileSync(file, `${[introduction(), ...sections].join('\n\n')}\n`)
  console.log(`written: ${path.relative(process.cwd(), file)}`)
}

function introduction(): string {
  return `# Results

Written by \`npm run bench -- report\` from the files beside it, which have every repetition and more figures.
Medians, and in brackets the range; commits before the newest with their medians only. A commit with \`-dirty\`
had changes on top. Compare only what ran on the same machine, and best what ran in the same run.`
}

/** @param runs oldest first, at least one */
function section(benchmark: string, runs: readonly ResultRun[]): string {
  const commits = [...new Set(runs.map((run) => run.commit).reverse())].slice(0, 1 + PREVIOUS_COMMITS_MAX)
  const [newest, ...previous] = commits.map((commit) => rowsOf(runs.filter((run) => run.commit === commit)))
  const last = runs.at(-1)!
  const rows = [...newest!.values()].flatMap((row) =>
    last.headlines.flatMap((figure) => {
      const spread = row.figures[figure]
      if (spread === undefined) return []
      const before = previous.map((earlier) => earlier.get(row.what)?.figures[figure])
      const medians = before.map((one) => (one === undefined ? '' : formatNumber(one.median)))
      return [[`${row.what}, ${figure}`, formatSpread(spread), ...medians]]
    }),
  )
  const { cores, processor, memoryGib, node, kernel } = last.machine
  const where = `${last.date.slice(0, 10)}; ${cores} x ${processor}, ${memoryGib} GiB, Linux ${kernel}, Node.js ${node}.`
  const notes = last.notes.map((note) => `- ${note}`).join('\n')
  return [`## ${benchmark}`, where, notes, markdownTable(['', ...commits], rows)]
    .filter((part) => part !== '')
    .join('\n\n')
}

/** The last figures of everything that was measured at a commit. */
function rowsOf(runs: readonly ResultRun[]): Map<string, ResultRow> {
  return new Map(runs.flatMap((run) => run.rows.map((row) => [row.what, row] as const)))
}
