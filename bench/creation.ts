/**
 * How fast torrents are made: `shoal create` beside mktorrent and libtorrent where they are
 * installed, whole processes from start to exit, on a warm page cache. One big file and a library of
 * many small ones, in every format. `bare program` is the least a program on Node.js can do, from start to
 * exit as the others (`kit/bare-program.ts`); `guarded` is the same, but follows no link and looks at each
 * file; `bare JavaScript` is its hashing alone, without start-up and search (`kit/bare-hashing.ts`).
 * The programs take turns inside each repetition; the ratio is of medians of the same
 * run, which is all that counts.
 *
 *   npm run bench -- creation [--mib 2048] [--files 20000] [--reps 5]
 *                             [--what big,library] [--formats v1,v2,hybrid]
 *
 * Needs a build (`npm run build`). Data is made under /dev/shm, or the temporary folder,
 * and removed afterwards.
 */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bareCreateCommand, CAN_GUARD } from './kit/bare-commands.ts'
import { dataFolder } from './kit/clean-up.ts'
import { bigContent, type Content, libraryContent } from './kit/content.ts'
import { PYTHON } from './kit/libtorrent-program.ts'
import { isMktorrentInstalled, mktorrentCommand } from './kit/mktorrent-program.ts'
import { positiveNumber, wordList } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { noteBuild, shoalCommand } from './kit/shoal-program.ts'

type Format = 'v1' | 'v2' | 'hybrid'

interface Program {
  readonly name: string
  /** Undefined where it cannot make that format. */
  readonly command: (format: Format, content: Content, output: string) => readonly string[] | undefined
  /** It prints the seconds that count. */
  readonly isTimedByItself?: boolean
}

const SPEED = 'MB/s'
const TIMEOUT_MS = 600_000
/** As large as automatic piece lengths for this much content. */
const PIECE_LENGTH = 1024 * 1024
/** The best of others that Shoal is held against. */
const RIVAL: Readonly<Record<Format, string>> = { v1: 'mktorrent', v2: 'libtorrent', hybrid: 'libtorrent' }

const LIBTORRENT = `
import libtorrent as lt, os, sys
kind, piece, source, output = sys.argv[1:]
fs = lt.file_storage(); lt.add_files(fs, source)
flags = {'v1': lt.create_torrent.v1_only, 'v2': lt.create_torrent.v2_only, 'hybrid': 0}[kind]
t = lt.create_torrent(fs, int(piece), flags)
lt.set_piece_hashes(t, os.path.dirname(source))
open(output, 'wb').write(lt.bencode(t.generate()))
`

const BARE = path.join(import.meta.dirname, 'kit', 'bare-hashing.ts')

const PROGRAMS: readonly Program[] = [
  {
    name: 'shoal',
    command: (format, content, output) => [
      ...shoalCommand('create', content.path),
      ...['-o', output, '--format', format, '--piece-length', `${PIECE_LENGTH}`, '--json'],
    ],
  },
  {
    name: 'mktorrent',
    command: (format, content, output) =>
      format === 'v1' ? mktorrentCommand(content.path, output, PIECE_LENGTH) : undefined,
  },
  {
    name: 'bare program',
    command: (format, content, output) => bareCreateCommand(content.path, output, PIECE_LENGTH, format),
  },
  {
    name: 'guarded',
    command: (format, content, output) =>
      bareCreateCommand(content.path, output, PIECE_LENGTH, format, 'guarded'),
  },
  {
    name: 'bare JavaScript',
    command: (format, content) =>
      format === 'v1' ? [process.execPath, BARE, content.path, `${PIECE_LENGTH}`] : undefined,
    isTimedByItself: true,
  },
  {
    name: 'libtorrent',
    command: (format, content, output) => [
      PYTHON,
      '-c',
      LIBTORRENT,
      format,
      `${PIECE_LENGTH}`,
      content.path,
      output,
    ],
  },
]

function isInstalled({ name }: Program): boolean {
  if (name === 'mktorrent') return isMktorrentInstalled()
  if (name === 'guarded') return CAN_GUARD
  if (name === 'libtorrent') return spawnSync(PYTHON, ['-c', 'import libtorrent']).status === 0
  return true
}

/** Seconds from start to exit, or what the program says. */
function timed(command: readonly string[], isTimedByItself = false): number {
  const [program, ...args] = command
  const startedAt = performance.now()
  const { status, stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8', timeout: TIMEOUT_MS })
  if (status !== 0) throw new Error(`${command.join(' ').slice(0, 200)}: ${stderr}`)
  return isTimedByItself ? Number(stdout) : (performance.now() - startedAt) / 1000
}

function measure(content: Content, format: Format): void {
  const title = `${content.name}, ${format}: `
  for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) {
    for (const program of programs) {
      const output = path.join(dataFolder(), 'out.torrent')
      rmSync(output, { force: true })
      const command = program.command(format, content, output)
      if (command === undefined) continue
      const seconds = timed(command, program.isTimedByItself)
      results.add(title + program.name, { [SPEED]: content.bytes / seconds / 1e6, ms: 1000 * seconds })
    }
  }
  results.printByColumn(title)
  const own = results.median(`${title}shoal`, SPEED)
  const rival = results.median(title + RIVAL[format], SPEED)
  if (own !== undefined && rival !== undefined)
    console.log(`shoal makes ${(own / rival).toFixed(2)} x ${RIVAL[format]}\n`)
}

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    files: { type: 'string', default: '20000' },
    reps: { type: 'string', default: '5' },
    what: { type: 'string', default: 'big,library' },
    formats: { type: 'string', default: 'v1,v2,hybrid' },
  },
})
const results = new Results()
noteBuild(results)
const programs = PROGRAMS.filter(isInstalled)
for (const program of PROGRAMS) if (!programs.includes(program)) results.note(`missing: ${program.name}`)
for (const what of wordList(values.what)) {
  const content =
    what === 'big'
      ? bigContent(positiveNumber('mib', values.mib), 1)
      : libraryContent(positiveNumber('files', values.files), 1)
  for (const format of wordList(values.formats)) measure(content, format as Format)
}
results.save('creation', values, [SPEED])
