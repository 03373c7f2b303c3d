/**
 * Requirement M66: what several sources bring. One leecher downloads from 1, 2 and 4 sources whose upload is
 * capped; the speed-up is its throughput divided by the cap of one source, an ideal
 * source that loses no time.
 * From the start of the leecher's process to completion, so starting and connecting count against it.
 *
 *   npm run bench -- speedup [--mib 64] [--cap 10000000] [--reps 3] [--sources 1,2,4]
 *
 * `--cap` is in bytes per second. Exit status 1 when the median misses a goal: 0.9, 1.8, 3.4. Needs a build.
 */
import { parseArgs } from 'node:util'
import { positiveNumber, wordList } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { noteBuild, SHOAL } from './kit/shoal-program.ts'
import { formatNumber } from './kit/spread.ts'
import { runSwarm } from './kit/swarm-run.ts'
import { planSwarm } from './kit/swarm-workloads.ts'

const GOALS: Readonly<Record<string, number>> = { 1: 0.9, 2: 1.8, 4: 3.4 }
const TIMEOUT_MS = 300_000
const SPEED_UP = 'speed-up'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '64' },
    cap: { type: 'string', default: '10000000' },
    reps: { type: 'string', default: '3' },
    sources: { type: 'string', default: '1,2,4' },
  },
})
const cap = positiveNumber('cap', values.cap)
const plan = await planSwarm('one-to-one', {
  mib: positiveNumber('mib', values.mib),
  fileCount: 0,
  uploadBytesPerSecond: cap,
  timeoutMs: TIMEOUT_MS,
})
const sourceCounts = wordList(values.sources)
const results = new Results()
noteBuild(results)
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++)
  for (const count of sourceCounts) {
    const seederCount = positiveNumber('sources', count)
    const { deliveredBytes, wallSeconds, firstPieceSeconds } = await runSwarm({
      ...plan,
      seeder: SHOAL,
      leecher: SHOAL,
      seederCount,
    })
    const throughput = deliveredBytes / wallSeconds
    results.add(titleOf(count), {
      [SPEED_UP]: throughput / cap,
      'MB/s': throughput / 1e6,
      'wall s': wallSeconds,
      'first piece s': firstPieceSeconds,
    })
  }
results.printByRow(`capped at ${cap / 1e6} MB/s each`)
for (const count of sourceCounts) {
  const goal = GOALS[count]
  const reached = results.median(titleOf(count), SPEED_UP)!
  if (goal === undefined) continue
  const verdict = reached >= goal ? 'PASS' : 'FAIL'
  console.log(
    `${verdict}  ${titleOf(count)}: speed-up ${formatNumber(reached)}, goal ${formatNumber(goal)} (M66)`,
  )
  if (reached < goal) process.exitCode = 1
}
results.save('speedup', values, [SPEED_UP, 'MB/s', 'first piece s'])

function titleOf(count: string): string {
  return `${count} source${count === '1' ? '' : 's'}, ${values.mib} MiB, cap ${cap / 1e6} MB/s`
}
