/**
 * `npm test` (all) and `npm run test:long` (long), after bootstrap.mjs has installed and built: system
 * programs, static checks, then each vitest project once with vitest's own summary. Everything runs even when
 * something before it failed; the last line is `N passed, N failed`, and it never says `0 failed` when the
 * exit code is not 0.
 */
import { spawn } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ensureSystemPackages } from './system-packages.ts'

const root = join(import.meta.dirname, '..')
const reports = join(root, 'test-results')

/** A change must be able to pass everything within this. */
const ALL_MINUTES_MAX = 18
const LONG_MINUTES_MAX = 240

interface Tally {
  passed: number
  failed: number
}

/** The parts of vitest's JSON report that are counted here. */
interface Report {
  numPassedTests: number
  numFailedTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

const isLong = process.argv[2] === 'long'
const deadline = AbortSignal.timeout((isLong ? LONG_MINUTES_MAX : ALL_MINUTES_MAX) * 60_000)

if (!ensureSystemPackages()) process.exit(2)
rmSync(reports, { recursive: true, force: true })
mkdirSync(reports)
const tallies = isLong
  ? [await runLong()]
  : [await runChecks(), ...(await runProjects(['fast', 'fuzz', 'process']))]
const total = tallies.reduce((sum, { passed, failed }) => ({
  passed: sum.passed + passed,
  failed: sum.failed + failed,
}))
if (deadline.aborted)
  console.log(`stopped: it took longer than ${isLong ? LONG_MINUTES_MAX : ALL_MINUTES_MAX} minutes`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 ? 1 : 0

/** Each step that fails counts as one failed test; steps that pass are not tests. */
async function runChecks(): Promise<Tally> {
  console.log('checks: types, style, dead code')
  return { passed: 0, failed: (await node('scripts/check.ts', '--static')) === 0 ? 0 : 1 }
}

async function runLong(): Promise<Tally> {
  const files = globSync('test/long/**/*.test.ts', { cwd: root }).sort()
  console.log(files.length === 0 ? 'test/long holds no tests yet' : `long tests: ${files.join(' ')}`)
  return files.length === 0 ? { passed: 0, failed: 0 } : runProject('long')
}

async function runProjects(names: string[]): Promise<Tally[]> {
  const tallies: Tally[] = []
  for (const name of names) tallies.push(await runProject(name))
  return tallies
}

async function runProject(name: string): Promise<Tally> {
  console.log(`\ntests: ${name}`)
  const report = join(reports, `${name}.json`)
  const code = await node(
    'node_modules/vitest/vitest.mjs',
    'run',
    `--project=${name}`,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  )
  const tally = count(report)
  return code === 0 || tally.failed > 0 ? tally : { ...tally, failed: 1 }
}

/** A file that could not be loaded has no failed test of its own and counts as one. */
function count(report: string): Tally {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
    const isUnloadable = ({ status, assertionResults }: Report['testResults'][number]) =>
      status === 'failed' && assertionResults.every((result) => result.status !== 'failed')
    return { passed: numPassedTests, failed: numFailedTests + testResults.filter(isUnloadable).length }
  } catch {
    return { passed: 0, failed: 0 }
  }
}

function node(...args: string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', signal: deadline })
    child.on('error', () => resolve(1))
    child.on('exit', (code) => resolve(code ?? 1))
  })
}
