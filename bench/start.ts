/**
 * Starting and idling: the time of `shoal --version`; the time until many torrents are seeding, on the first
 * start and on the second, when they are known; memory and processor time of a seed that nobody asks for
 * anything. For comparison, the same of a Node.js that does nothing.
 *
 *   npm run bench -- start [--torrents 100] [--mib 4] [--reps 5] [--idle 10]
 *
 * `--mib` is the content of each torrent, `--idle` how many seconds are watched. `seed` cannot be started
 * without a torrent, so the least is one. Trackers are off. Needs a build.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { HashPool } from '../src/nodejs/hash-pool.ts'
import { createMetainfo } from '../src/nodejs/metainfo-creation.ts'
import { freshFolder } from './kit/clean-up.ts'
import { MIB } from './kit/content.ts'
import { MeasuredProcess } from './kit/measured-process.ts'
import { positiveNumber } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { noteBuild, SHOAL_ALONE, shoalCommand } from './kit/shoal-program.ts'
import { until } from './kit/waiting.ts'

const START_MS = 120_000
const VERSION_RUNS_PER_REP = 3
/** What a start leaves to be done is over by then. */
const SETTLE_MS = 3000
const DO_NOTHING = ['-e', 'setInterval(() => {}, 1e6)']

const { values } = parseArgs({
  options: {
    torrents: { type: 'string', default: '100' },
    mib: { type: 'string', default: '4' },
    reps: { type: 'string', default: '5' },
    idle: { type: 'string', default: '10' },
  },
})
const torrentCount = positiveNumber('torrents', values.torrents)
const idleMs = 1000 * positiveNumber('idle', values.idle)
const results = new Results()
noteBuild(results)
const many = await makeTorrents(torrentCount)
const one = await makeTorrents(1)
await HashPool.shared.close()
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) {
  for (let i = 0; i < VERSION_RUNS_PER_REP; i++) {
    results.add('node -e 0', { 'ms to exit': await millisecondsToExit([process.execPath, '-e', '0']) })
    results.add('shoal --version', { 'ms to exit': await millisecondsToExit(shoalCommand('--version')) })
  }
  for (const start of ['first', 'second']) {
    const { seed, seconds } = await startSeed(many, torrentCount)
    await seed.stop()
    results.add(`${torrentCount} torrents of ${values.mib} MiB, ${start} start`, {
      's until all seed': seconds,
    })
  }
}
await watchIdle('idle: Node.js alone', start([process.execPath, ...DO_NOTHING]))
await watchIdle('idle: 1 torrent', (await startSeed(one, 1)).seed)
await watchIdle(`idle: ${torrentCount} torrents`, (await startSeed(many, torrentCount)).seed)
results.printByRow(`${torrentCount} torrents`)
results.save('start', values, ['ms to exit', 's until all seed', 'anon MiB', 'RSS MiB', 'CPU %'])

/** A folder with `torrents` and `content`. */
async function makeTorrents(count: number): Promise<string> {
  const folder = freshFolder('torrents')
  const content = path.join(folder, 'content')
  mkdirSync(path.join(folder, 'torrents'))
  mkdirSync(content)
  for (let i = 0; i < count; i++) {
    const file = path.join(content, `${i}.bin`)
    writeFileSync(file, randomBytes(positiveNumber('mib', values.mib) * MIB))
    const { bytes } = await createMetainfo({ paths: [file] })
    writeFileSync(path.join(folder, 'torrents', `${i}.torrent`), bytes)
  }
  return folder
}

function start(command: readonly string[], onLine?: (line: string) => void): MeasuredProcess {
  return new MeasuredProcess(path.basename(command[0]!), {
    command,
    folder: freshFolder('process'),
    ...(onLine && { onLine }),
  })
}

async function millisecondsToExit(command: readonly string[]): Promise<number> {
  const process = start(command)
  const timer = setTimeout(() => void process.stop('SIGKILL'), START_MS)
  await process.ended
  const milliseconds = performance.now() - process.startedAt
  clearTimeout(timer)
  return milliseconds
}

async function startSeed(folder: string, count: number): Promise<{ seed: MeasuredProcess; seconds: number }> {
  let seeding = 0
  let allSeedAt = 0
  const command = shoalCommand(
    ...['seed', path.join(folder, 'torrents'), '--dir', path.join(folder, 'content')],
    ...['--host', '127.0.0.1', '--port', '0', '--no-tracker', ...SHOAL_ALONE],
  )
  const seed = start(command, (line) => {
    if (line.includes('"event":"seeding"') && ++seeding === count) allSeedAt = performance.now()
  })
  await until(`${count} torrents to seed`, START_MS, () => {
    seed.requireRunning()
    return allSeedAt > 0
  })
  return { seed, seconds: (allSeedAt - seed.startedAt) / 1000 }
}

async function watchIdle(what: string, process: MeasuredProcess): Promise<void> {
  await sleep(SETTLE_MS)
  const before = process.cpuSeconds
  await sleep(idleMs)
  const { anonymous, resident } = process.sample()
  results.add(what, {
    'anon MiB': anonymous / MIB,
    'RSS MiB': resident / MIB,
    'CPU %': (100_000 * (process.cpuSeconds - before)) / idleMs,
  })
  process.requireRunning()
  await process.stop()
}
