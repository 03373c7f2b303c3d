/**
 * Transfers between whole Shoal processes on loopback: speed, processor time, memory, and the time until the
 * first piece is verified. Everything that arrived is compared with the source, not timed.
 *
 *   npm run bench -- transfer [--what one-to-one,four-to-one,one-to-eight,library] [--mib N]
 *                             [--files 20000] [--reps 3] [--up-limit BYTES_PER_SECOND] [--timeout 600]
 *
 * `--mib` is 2048 unless given, 512 for one-to-eight; the library has files of 20 to 300 kB. `--up-limit`
 * caps the upload of every peer; the ratio is then to the least time that is possible at all.
 * Processor time is per GiB delivered, of all leechers and of all seeders together (seeders while leechers
 * run); memory is that of the highest process. Needs a build.
 */
import { parseArgs } from 'node:util'
import { optionalNumber, positiveNumber, wordList } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { noteBuild, SHOAL } from './kit/shoal-program.ts'
import { leastSeconds, namedFigures, runSwarm } from './kit/swarm-run.ts'
import { planSwarm, workloadTitle } from './kit/swarm-workloads.ts'

const { values } = parseArgs({
  options: {
    what: { type: 'string', default: 'one-to-one,four-to-one,one-to-eight,library' },
    mib: { type: 'string' },
    files: { type: 'string', default: '20000' },
    reps: { type: 'string', default: '3' },
    'up-limit': { type: 'string' },
    timeout: { type: 'string', default: '600' },
  },
})
const uploadBytesPerSecond = optionalNumber('up-limit', values['up-limit'])
const sizes = {
  mib: optionalNumber('mib', values.mib),
  fileCount: positiveNumber('files', values.files),
  uploadBytesPerSecond,
  timeoutMs: 1000 * positiveNumber('timeout', values.timeout),
}
const results = new Results()
noteBuild(results)
for (const name of wordList(values.what)) {
  const plan = { ...(await planSwarm(name, sizes)), seeder: SHOAL, leecher: SHOAL }
  const what = workloadTitle(name, plan)
  for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) {
    const figures = await runSwarm(plan)
    const ratio =
      uploadBytesPerSecond === undefined
        ? undefined
        : figures.wallSeconds / leastSeconds({ ...plan, uploadBytesPerSecond })
    results.add(what, { ...namedFigures(figures), 'x least time': ratio })
  }
  results.printByColumn(what)
  console.log()
}
results.save('transfer', values, [
  ...['MB/s delivered', 'x least time', 'first piece s', 'leecher CPU s/GiB', 'seeder CPU s/GiB'],
  ...['leecher anon MiB', 'seeder anon MiB'],
])
