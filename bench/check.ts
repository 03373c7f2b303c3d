/**
 * The first check of a library nothing is known of, from the start of the process until it says that
 * all pieces are right: `shoal seed`, and the least a program on Node.js can do (`kit/bare-program.ts`), bare
 * and `guarded`, which follows no link and looks at each file. mktorrent, from start to exit, reads and
 * hashes the same files. On a warm page cache; the programs take turns inside each repetition.
 *
 *   npm run bench -- check [--files 20000] [--reps 5]
 *
 * Needs a build (`npm run build`). Data is made under /dev/shm, or the temporary folder,
 * and removed afterwards.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { HashPool } from '../src/nodejs/hash-pool.ts'
import { createMetainfo } from '../src/nodejs/metainfo-creation.ts'
import { bareCheckCommand, CAN_GUARD } from './kit/bare-commands.ts'
import { dataFolder, freshFolder, removeFolder } from './kit/clean-up.ts'
import { libraryContent, MIB } from './kit/content.ts'
import { MeasuredProcess } from './kit/measured-process.ts'
import { isMktorrentInstalled, mktorrentCommand } from './kit/mktorrent-program.ts'
import { positiveNumber } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { noteBuild, SHOAL_ALONE, shoalCommand } from './kit/shoal-program.ts'

const TIMEOUT_MS = 120_000
const LAST_LINES_MS = 1000
const PIECE_LENGTH = MIB
const DURATION = 'ms'

interface Program {
  readonly name: string
  readonly command: readonly string[]
  /** In the line that ends the time; without it the exit does. */
  readonly doneText?: string
}

const { values } = parseArgs({
  options: { files: { type: 'string', default: '20000' }, reps: { type: 'string', default: '5' } },
})
const results = new Results()
noteBuild(results)
const content = libraryContent(positiveNumber('files', values.files), 1)
const torrent = path.join(dataFolder(), 'library.torrent')
const made = path.join(dataFolder(), 'made.torrent')
const { bytes, pieceCount } = await createMetainfo({
  paths: [content.path],
  format: 'v1',
  pieceLength: PIECE_LENGTH,
})
await HashPool.shared.close()
writeFileSync(torrent, bytes)
const folder = path.dirname(content.path)
const programs: Program[] = [
  {
    name: 'shoal',
    command: [
      ...shoalCommand('seed', torrent, '--dir', folder, '--host', '127.0.0.1', '--port', '0'),
      ...['--no-tracker', ...SHOAL_ALONE],
    ],
    doneText: `"event":"checked","pieces":${pieceCount},"total":${pieceCount},`,
  },
  { name: 'bare program', command: bareCheckCommand(torrent, folder), doneText: 'checked' },
]
if (CAN_GUARD)
  programs.push({
    name: 'guarded',
    command: bareCheckCommand(torrent, folder, 'guarded'),
    doneText: 'checked',
  })
if (isMktorrentInstalled())
  programs.push({ name: 'mktorrent', command: mktorrentCommand(content.path, made, PIECE_LENGTH) })
else results.note('missing: mktorrent')
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++)
  for (const program of programs) results.add(program.name, { [DURATION]: await timed(program) })
results.printByColumn()
results.save('check', values, [DURATION])

/**
 * In ms, with a state folder of its own, so that nothing is remembered. Meanwhile this process does next to
 * nothing: both cores are busy.
 */
async function timed({ name, command, doneText }: Program): Promise<number> {
  const state = freshFolder('state')
  rmSync(made, { force: true })
  const done = Promise.withResolvers<number>()
  const process = new MeasuredProcess(name, {
    command,
    folder: state,
    environment: { XDG_STATE_HOME: state },
    onLine: (line) => {
      if (doneText !== undefined && line.includes(doneText)) done.resolve(performance.now())
    },
  })
  void process.ended.then(() => {
    if (doneText === undefined && existsSync(made)) done.resolve(performance.now())
    // Its last lines may come after it has ended.
    else setTimeout(() => done.reject(new Error(`${name} ended early: ${command.join(' ')}`)), LAST_LINES_MS)
  })
  const timer = setTimeout(() => done.reject(new Error(`${name}: not done in time`)), TIMEOUT_MS)
  try {
    return (await done.promise) - process.startedAt
  } finally {
    clearTimeout(timer)
    await process.stop()
    removeFolder(state)
  }
}
