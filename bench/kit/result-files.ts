/**
 * `bench/results/COMMIT/NAME.json`: every run of a benchmark at a commit, oldest first. A commit with changes
 * on top is a folder of its own, COMMIT-dirty.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { commitName, describeMachine, type Machine, PROJECT_FOLDER } from './machine.ts'
import type { Spread } from './spread.ts'

export const RESULTS_FOLDER = path.join(PROJECT_FOLDER, 'bench', 'results')

/** As it was when the benchmark began. */
const commit = commitName()

export interface ResultRow {
  /** What was measured, with its size, so that only like is compared with like. */
  readonly what: string
  /** By name and unit: `leecher CPU s/GiB`. */
  readonly figures: Readonly<Record<string, Spread>>
}

export interface ResultRun {
  /** ISO 8601, UTC. */
  readonly date: string
  readonly commit: string
  readonly machine: Machine
  readonly options: Readonly<Record<string, unknown>>
  /** The figures that the report shows. */
  readonly headlines: readonly string[]
  readonly rows: readonly ResultRow[]
  /** What went wrong or is missing. */
  readonly notes: readonly string[]
}

export function appendRun(
  benchmark: string,
  run: Pick<ResultRun, 'options' | 'headlines' | 'rows' | 'notes'>,
): void {
  const file = path.join(RESULTS_FOLDER, commit, `${benchmark}.json`)
  const whole: ResultRun = { date: new Date().toISOString(), commit, machine: describeMachine(), ...run }
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify([...readRuns(file), whole], null, 1)}\n`)
  console.log(`\nkept in ${path.relative(process.cwd(), file)}`)
}

/** Runs of every benchmark, by its name, oldest first. */
export function allRuns(): Map<string, ResultRun[]> {
  const runs = new Map<string, ResultRun[]>()
  if (!existsSync(RESULTS_FOLDER)) return runs
  const files = readdirSync(RESULTS_FOLDER, { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((name) => name.endsWith('.json')).sort()) {
    const benchmark = path.basename(file, '.json')
    runs.set(benchmark, [...(runs.get(benchmark) ?? []), ...readRuns(path.join(RESULTS_FOLDER, file))])
  }
  for (const list of runs.values()) list.sort((a, b) => a.date.localeCompare(b.date))
  return runs
}

function readRuns(file: string): ResultRun[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ResultRun[]) : []
}
