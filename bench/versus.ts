/**
 * Shoal beside other BitTorrent programs, whole processes on loopback. The programs take turns inside each
 * repetition, so that whatever else the machine does hits all of them; what counts is the ratio of medians of
 * the same run.
 *
 *   npm run bench -- versus [--what one-to-one,library,one-to-eight,capped]
 *                           [--programs shoal,libtorrent,aria2,rtorrent,shoal:libtorrent,libtorrent:shoal]
 *                           [--mib N] [--files 20000] [--reps 3] [--up-limit 20000000] [--timeout 600]
 *
 * `a:b` is seeder a with leecher b; such pairs take part in one-to-one and library only. `capped` is
 * one-to-eight with the upload of every peer capped at `--up-limit` bytes per second. Sizes and
 * figures are those of `transfer`.
 * `floor` is the least that Node.js can do for one peer (`kit/floor-program.ts`): `libtorrent:floor`.
 * A program that is not installed is named and left out. Needs a build.
 */
import { parseArgs } from 'node:util'
import { ARIA2 } from './kit/aria2-program.ts'
import { FLOOR } from './kit/floor-program.ts'
import { LIBTORRENT } from './kit/libtorrent-program.ts'
import { optionalNumber, positiveNumber, wordList } from './kit/options.ts'
import type { PeerProgram } from './kit/peer-program.ts'
import { Results } from './kit/results.ts'
import { RTORRENT } from './kit/rtorrent-program.ts'
import { noteBuild, SHOAL } from './kit/shoal-program.ts'
import { formatNumber } from './kit/spread.ts'
import { leastSeconds, namedFigures, runSwarm, type SwarmPlan } from './kit/swarm-run.ts'
import { planSwarm, workloadTitle } from './kit/swarm-workloads.ts'

interface Pair {
  readonly name: string
  readonly seeder: PeerProgram
  readonly leecher: PeerProgram
}

const PROGRAMS = [SHOAL, LIBTORRENT, ARIA2, RTORRENT, FLOOR]
const CAPPED = 'capped'
const SPEED = 'MB/s delivered'

const { values } = parseArgs({
  options: {
    what: { type: 'string', default: `one-to-one,library,one-to-eight,${CAPPED}` },
    programs: {
      type: 'string',
      default: 'shoal,libtorrent,aria2,rtorrent,shoal:libtorrent,libtorrent:shoal',
    },
    mib: { type: 'string' },
    files: { type: 'string', default: '20000' },
    reps: { type: 'string', default: '3' },
    'up-limit': { type: 'string', default: '20000000' },
    timeout: { type: 'string', default: '600' },
  },
})
const results = new Results()
noteBuild(results)
const pairs = installedPairs(wordList(values.programs))
for (const name of wordList(values.what)) await compare(name)
results.save('versus', values, [SPEED, 'x least time', 'leecher CPU s/GiB', 'leecher anon MiB'])

function installedPairs(names: readonly string[]): Pair[] {
  const missing = new Set<string>()
  const found = new Map<string, PeerProgram>()
  for (const name of new Set(names.flatMap((pair) => pair.split(':')))) {
    const program = PROGRAMS.find((one) => one.name === name)
    const version = program?.version()
    if (program === undefined || version === undefined) missing.add(name)
    else {
      found.set(name, program)
      if (program !== SHOAL) results.note(`${name} ${version}`)
    }
  }
  for (const name of missing) results.note(`missing: ${name}`)
  console.log()
  return names.flatMap((name) => {
    const [seeder, leecher] = [found.get(name.split(':')[0]!), found.get(name.split(':').at(-1)!)]
    return seeder && leecher ? [{ name, seeder, leecher }] : []
  })
}

async function compare(name: string): Promise<void> {
  const isCapped = name === CAPPED
  const cap = positiveNumber('up-limit', values['up-limit'])
  const workload = isCapped ? 'one-to-eight' : name
  const plan = await planSwarm(workload, {
    mib: optionalNumber('mib', values.mib),
    fileCount: positiveNumber('files', values.files),
    uploadBytesPerSecond: isCapped ? cap : undefined,
    timeoutMs: 1000 * positiveNumber('timeout', values.timeout),
  })
  const title = `${workloadTitle(workload, plan)}: `
  const taking = pairs.filter(({ seeder, leecher }) => seeder === leecher || plan.leecherCount === 1)
  for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++)
    for (const pair of taking) await measure(title + pair.name, { ...plan, ...pair })
  results.printByColumn(title)
  printRatios(title, taking)
}

/** A program that fails does not end the comparison of the others. */
async function measure(what: string, plan: SwarmPlan): Promise<void> {
  const { uploadBytesPerSecond: cap } = plan
  try {
    const figures = await runSwarm(plan)
    const least = cap === undefined ? undefined : leastSeconds({ ...plan, uploadBytesPerSecond: cap })
    results.add(what, { ...namedFigures(figures), 'x least time': least && figures.wallSeconds / least })
  } catch (error) {
    results.note(`failed: ${what}: ${(error as Error).message}`)
  }
}

function printRatios(title: string, taking: readonly Pair[]): void {
  const own = results.median(title + SHOAL.name, SPEED)
  const ratios = taking.flatMap(({ name }) => {
    const other = results.median(title + name, SPEED)
    if (own === undefined || other === undefined || name === SHOAL.name) return []
    return [`${formatNumber(own / other)} x ${name}`]
  })
  console.log(ratios.length > 0 ? `shoal delivers ${ratios.join(', ')}\n` : '')
}
