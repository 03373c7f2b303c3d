/**
 * Two builds of Shoal beside one another, both at work at the same time: whatever else the machine does
 * happens to both, and the ratio of their processor times is true to a percent after two minutes, where runs
 * in turns scatter by five. Three kinds of work:
 *
 * - `create` and `check`: a torrent of a library made (v1), and the library's first check.
 * - `swarm`: a seeder and leechers of each build, two swarms that know nothing of one another. Never both
 *   builds in one swarm: one of them may leave serving to the other. How much the seeder must
 *   serve differs from run to run, so that one ratio says little: the error is printed.
 *
 *   npm run bench -- builds --other FOLDER/dist/main.js [--what create,check,swarm] [--reps 12]
 *                    [--files 20000] [--mib 512] [--leechers 4]
 *
 * Ratios are of this build over the other one. Needs a build.
 */
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freshFolder, removeFolder } from './kit/clean-up.ts'
import { bigContent, libraryContent, MIB, makeTorrent } from './kit/content.ts'
import { freePort } from './kit/free-port.ts'
import { MeasuredProcess } from './kit/measured-process.ts'
import { positiveNumber } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { requireSame } from './kit/same-tree.ts'
import { noteBuild, SHOAL_ALONE, SHOAL_MAIN } from './kit/shoal-program.ts'

const TIMEOUT_MS = 120_000
/** The last lines of a program may come after it has ended. */
const LAST_LINES_MS = 1000
/** Nobody is asked: peers are named, or there are none. */
const NO_TRACKER = 'http://127.0.0.1:1/announce'
/** What starting leaves to be done is over by then. */
const SETTLE_MS = 2000

const { values } = parseArgs({
  options: {
    other: { type: 'string' },
    what: { type: 'string', default: 'create,check,swarm' },
    reps: { type: 'string', default: '12' },
    files: { type: 'string', default: '20000' },
    mib: { type: 'string', default: '512' },
    leechers: { type: 'string', default: '4' },
  },
})
const { other } = values
if (other === undefined || !existsSync(other)) throw new Error('--other names the main.js of the other build')
/** This one, and the other. */
const MAINS = [SHOAL_MAIN, path.resolve(other)] as const
const reps = positiveNumber('reps', values.reps)
const leecherCount = positiveNumber('leechers', values.leechers)
const results = new Results()
noteBuild(results)
for (const what of values.what.split(',')) {
  const work = { create: creation, check: checking, swarm: swarming }[what]
  if (work === undefined) throw new Error(`--what: ${what} is none of create, check, swarm`)
  const measure = await work()
  const ratios: number[] = []
  for (let rep = 0; rep < reps; rep++) {
    const [own, others] = await both(measure, rep % 2 === 0)
    const ratio = own.cpuSeconds / others.cpuSeconds
    ratios.push(ratio)
    results.add(what, { 'CPU s': own.cpuSeconds, 'other CPU s': others.cpuSeconds, ratio })
    await Promise.all([own.end(), others.end()])
  }
  const { mean, error } = meanRatio(ratios)
  results.note(`${what}: ${mean.toFixed(3)} times the processor time of the other, +- ${error.toFixed(3)}`)
}
results.printByRow('both at once')
results.save('builds', values, ['ratio'])

interface Done {
  /** Of the whole work. */
  readonly cpuSeconds: number
  /** Checks what came of it and clears it away; not before the other build is done. */
  end(): Promise<void>
}

/** By this build, 0, or the other one, 1. */
type Measure = (build: 0 | 1) => Promise<Done>

/** They take turns at being started first. */
async function both(measure: Measure, isOwnFirst: boolean): Promise<readonly [Done, Done]> {
  const first = measure(isOwnFirst ? 0 : 1)
  const second = measure(isOwnFirst ? 1 : 0)
  return isOwnFirst ? [await first, await second] : [await second, await first]
}

async function creation(): Promise<Measure> {
  const { path: source } = libraryContent(positiveNumber('files', values.files), 1)
  return (build) => {
    const folder = freshFolder('made')
    const args = ['create', source, '-o', path.join(folder, 'made.torrent')]
    return alone(build, folder, [...args, '--format', 'v1', '--piece-length', '1MiB', '--json'], '"created"')
  }
}

async function checking(): Promise<Measure> {
  const content = libraryContent(positiveNumber('files', values.files), 1)
  const torrent = await makeTorrent(content, NO_TRACKER, MIB)
  const args = [
    'seed',
    torrent.file,
    '--dir',
    path.dirname(content.path),
    '--host',
    '127.0.0.1',
    '--port',
    '0',
  ]
  return (build) =>
    alone(build, freshFolder('state'), [...args, '--no-tracker', ...SHOAL_ALONE], '"event":"checked"')
}

async function alone(build: 0 | 1, folder: string, args: readonly string[], doneText: string): Promise<Done> {
  const program = start(build, folder, args, doneText)
  const cpuSeconds = await program.cpuUntilDone
  const end = async () => {
    await program.stop()
    removeFolder(folder)
  }
  return { cpuSeconds, end }
}

async function swarming(): Promise<Measure> {
  const content = bigContent(positiveNumber('mib', values.mib), 1 + 2 * leecherCount)
  const torrent = await makeTorrent(content, NO_TRACKER, MIB / 2)
  const port = await freePort()
  const alike = ['--port', `${port}`, '--no-tracker', '--final-check', 'off', ...SHOAL_ALONE]
  return async (build) => {
    const folder = freshFolder('swarm')
    const hostOf = (index: number) => `127.0.${1 + build}.${1 + index}`
    const begin = (index: number, verb: string, dir: string, doneText: string) => {
      mkdirSync(path.join(folder, `${index}`))
      const others = Array.from({ length: index }, (_, to) => ['--peer', `${hostOf(to)}:${port}`]).flat()
      const args = [verb, torrent.file, '--dir', dir, '--host', hostOf(index), ...others, ...alike]
      return start(build, path.join(folder, `${index}`), args, doneText)
    }
    const seeder = begin(0, 'seed', path.dirname(content.path), '"event":"checked"')
    await seeder.cpuUntilDone
    await sleep(SETTLE_MS)
    const before = seeder.cpuSeconds
    const leechers = Array.from({ length: leecherCount }, (_, at) =>
      begin(1 + at, 'get', path.join(folder, `${1 + at}`), '"event":"complete"'),
    )
    const cpu = await Promise.all(leechers.map((leecher) => leecher.cpuUntilDone))
    const cpuSeconds = cpu.reduce((total, seconds) => total + seconds, seeder.cpuSeconds - before)
    const end = async () => {
      await Promise.all([seeder, ...leechers].map((program) => program.stop()))
      for (let index = 1; index <= leecherCount; index++)
        requireSame(content.path, path.join(folder, `${index}`, path.basename(content.path)))
      removeFolder(folder)
    }
    return { cpuSeconds, end }
  }
}

/** A program with its state in a folder of its own. Its processor time is taken when it says it is done. */
function start(build: 0 | 1, folder: string, args: readonly string[], doneText: string) {
  const done = Promise.withResolvers<number>()
  const child: MeasuredProcess = new MeasuredProcess(`${build === 0 ? 'this' : 'other'} ${args[0]}`, {
    command: [process.execPath, MAINS[build], ...args],
    folder,
    environment: { XDG_STATE_HOME: path.join(folder, 'state') },
    onLine: (line) => {
      if (!line.includes(doneText)) return
      const { cpuSeconds } = child
      if (cpuSeconds > 0) done.resolve(cpuSeconds)
      else done.reject(new Error(`${child.name}: gone before its processor time was read`))
    },
  })
  void child.ended.then(() =>
    setTimeout(() => done.reject(new Error(`${child.name} ended early: ${args.join(' ')}`)), LAST_LINES_MS),
  )
  const timer = setTimeout(() => done.reject(new Error(`${child.name}: not done in time`)), TIMEOUT_MS)
  const cpuUntilDone = done.promise.finally(() => clearTimeout(timer))
  return Object.assign(child, { cpuUntilDone })
}

/** Geometric, with the standard error of its logarithm. */
function meanRatio(ratios: readonly number[]): { mean: number; error: number } {
  const logs = ratios.map(Math.log)
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / Math.max(1, logs.length - 1)
  return { mean: Math.exp(mean), error: Math.sqrt(variance / logs.length) }
}
