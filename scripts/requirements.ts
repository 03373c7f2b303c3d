/**
 * `npm run requirements`: runs the acceptance tests on the built program, building it first if the
 * sources are newer, and prints how the 230 requirements stand. A requirement passes when every test that
 * bears its id passes, and is `not yet` while there is none. The last line is `N of 230 requirements
 * pass`; exit status 1 when one fails.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Standing = 'pass' | 'fail' | 'not yet'
interface Report {
  testResults: {
    name: string
    status: string
    message: string
    assertionResults: { title: string; status: string }[]
  }[]
}

const ROOT = join(import.meta.dirname, '..')
const NODE = join(ROOT, 'node_modules', '.bin', 'node')
/** How many requirements each of the four systems has: memes, lab, payload, cdht. */
const COUNTS = { M: 67, L: 64, W: 44, R: 55 } as const
const COLUMNS = 8

const IDS = Object.entries(COUNTS).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
)

process.exitCode = main()

function main(): number {
  if (isBuildOld() && spawnSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'inherit' }).status !== 0)
    return 1
  const report = runTests()
  const standings = judge(report)
  console.log(table(standings))
  const broken = report.testResults.filter(
    (file) => file.status !== 'passed' && file.assertionResults.length === 0,
  )
  for (const file of broken) console.log(`could not run ${file.name}: ${file.message.split('\n')[0]}`)
  const failed = IDS.filter((id) => standings.get(id) === 'fail')
  if (failed.length > 0) console.log(`failing: ${failed.join(' ')}`)
  const passed = IDS.filter((id) => standings.get(id) === 'pass')
  console.log(`${passed.length} of ${IDS.length} requirements pass`)
  return failed.length + broken.length > 0 ? 1 : 0
}

/** Is anything in `src` newer than the built program? */
function isBuildOld(): boolean {
  const built = statSync(join(ROOT, 'dist', 'build.json'), { throwIfNoEntry: false })
  if (built === undefined || !existsSync(join(ROOT, 'dist', 'bundle'))) return true
  return readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true }).some(
    (entry) =>
      entry.isFile() &&
      /(?<!\.test)\.ts$/.test(entry.name) &&
      statSync(join(entry.parentPath, entry.name)).mtimeMs > built.mtimeMs,
  )
}

/** vitest runs two files at a time; what it prints goes to stderr, so that stdout is the table. */
function runTests(): Report {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-requirements-'))
  const output = join(folder, 'report.json')
  try {
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
    const filter = ['--project', 'process', 'test/acceptance']
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`]
    spawnSync(NODE, [vitest, 'run', ...filter, ...reporters], {
      cwd: ROOT,
      stdio: ['ignore', process.stderr, process.stderr],
      env: { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` },
    })
    return JSON.parse(readFileSync(output, 'utf8')) as Report
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function judge(report: Report): Map<string, Standing> {
  const standings = new Map<string, Standing>()
  for (const { title, status } of report.testResults.flatMap((file) => file.assertionResults)) {
    const id = title.match(/^[MLWR]\d+/)?.[0]
    if (id === undefined) continue
    const isGood = status === 'passed' && standings.get(id) !== 'fail'
    standings.set(id, isGood ? 'pass' : 'fail')
  }
  return standings
}

function table(standings: Map<string, Standing>): string {
  const cells = IDS.map((id) => `${id.padEnd(4)}${(standings.get(id) ?? 'not yet').padEnd(9)}`)
  const lines: string[] = []
  for (let at = 0; at < cells.length; at += COLUMNS)
    lines.push(
      cells
        .slice(at, at + COLUMNS)
        .join('')
        .trimEnd(),
    )
  return lines.join('\n')
}
