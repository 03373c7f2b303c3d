/**
 * How fast torrents are made: `shoal create` beside mktorrent and libtorrent where they are
 * installed, whole processes from start to exit, on a warm page cache. One big file and a library of
 * many small ones, in every format.
 * The programs take turns inside each repetition; the ratio is of medians of the same
 * run, which is all that counts.
 *
 *   node bench/creation.ts [--mib 2048] [--files 20000] [--reps 5]
 *                          [--what big,library] [--formats v1,v2,hybrid]
 *
 * Needs a build (`npm run build`). Data is made under /dev/shm, or the temporary folder,
 * and removed afterwards.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Prng } from '../src/base/prng.ts'

type Format = 'v1' | 'v2' | 'hybrid'

interface Content {
  readonly name: string
  readonly path: string
  readonly bytes: number
}

interface Program {
  readonly name: string
  /** Undefined where it cannot make that format. */
  readonly command: (format: Format, content: Content, output: string) => readonly string[] | undefined
}

const MIB = 1024 * 1024
/** As large as automatic piece lengths for this much content. */
const PIECE_LENGTH = MIB
/** The best of others that Shoal is held against. */
const RIVAL: Readonly<Record<Format, string>> = { v1: 'mktorrent', v2: 'libtorrent', hybrid: 'libtorrent' }

const SHOAL = process.env.SHOAL_MAIN ?? fileURLToPath(new URL('../dist/main.js', import.meta.url))
const PYTHON = '/usr/bin/python3'
const LIBTORRENT = `
import libtorrent as lt, os, sys
kind, piece, source, output = sys.argv[1:]
fs = lt.file_storage(); lt.add_files(fs, source)
flags = {'v1': lt.create_torrent.v1_only, 'v2': lt.create_torrent.v2_only, 'hybrid': 0}[kind]
t = lt.create_torrent(fs, int(piece), flags)
lt.set_piece_hashes(t, os.path.dirname(source))
open(output, 'wb').write(lt.bencode(t.generate()))
`

const PROGRAMS: readonly Program[] = [
  {
    name: 'shoal',
    command: (format, content, output) => [
      process.execPath,
      SHOAL,
      'create',
      content.path,
      ...['-o', output, '--format', format, '--piece-length', `${PIECE_LENGTH}`, '--json'],
    ],
  },
  {
    name: 'mktorrent',
    command: (format, content, output) =>
      format !== 'v1'
        ? undefined
        : [
            'mktorrent',
            '-t',
            '2',
            '-l',
            `${Math.log2(PIECE_LENGTH)}`,
            '-a',
            'http://127.0.0.1/announce',
            '-o',
            output,
            content.path,
          ],
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
  if (name === 'mktorrent') return spawnSync('mktorrent', ['-h']).error === undefined
  return name === 'shoal' || spawnSync(PYTHON, ['-c', 'import libtorrent']).status === 0
}

/** Bytes that no program can take a short cut on. */
function writeBig(folder: string, mib: number): Content {
  const file = path.join(folder, 'big.bin')
  const fd = openSync(file, 'w')
  for (let i = 0; i < mib; i++) writeSync(fd, randomBytes(MIB))
  closeSync(fd)
  return { name: 'big', path: file, bytes: mib * MIB }
}

/** Files of 20 to 300 kB, 200 in a folder. */
function writeLibrary(folder: string, count: number): Content {
  const root = path.join(folder, 'library')
  const prng = new Prng(1)
  let bytes = 0
  for (let i = 0; i < count; i++) {
    const sub = path.join(root, `${Math.floor(i / 200)}`.padStart(4, '0'))
    mkdirSync(sub, { recursive: true })
    const length = 20_000 + prng.below(280_001)
    writeFileSync(path.join(sub, `${i}.jpg`), randomBytes(length))
    bytes += length
  }
  return { name: 'library', path: root, bytes }
}

/** Seconds from start to exit. */
function timed(command: readonly string[]): number {
  const [program, ...args] = command
  const startedAt = performance.now()
  const { status, stderr } = spawnSync(program!, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ').slice(0, 200)}: ${stderr}`)
  return (performance.now() - startedAt) / 1000
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

function measure(
  content: Content,
  format: Format,
  programs: readonly Program[],
  reps: number,
  folder: string,
): void {
  const seconds = new Map<string, number[]>()
  for (let rep = 0; rep < reps; rep++) {
    for (const program of programs) {
      const output = path.join(folder, 'out.torrent')
      rmSync(output, { force: true })
      const command = program.command(format, content, output)
      if (command !== undefined)
        seconds.set(program.name, [...(seconds.get(program.name) ?? []), timed(command)])
    }
  }
  const speeds = new Map([...seconds].map(([name, values]) => [name, content.bytes / median(values) / 1e6]))
  const cells = [...speeds].map(([name, speed]) => `${name} ${speed.toFixed(0)} MB/s`)
  const rival = speeds.get(RIVAL[format])
  const ratio =
    rival === undefined ? '' : `  = ${(speeds.get('shoal')! / rival).toFixed(2)} x ${RIVAL[format]}`
  console.log(`${content.name.padEnd(8)}${format.padEnd(7)} ${cells.join(', ')}${ratio}`)
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
const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'shoal-bench-'))
process.on('SIGINT', () => process.exit(130))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const programs = PROGRAMS.filter(isInstalled)
for (const what of values.what.split(',')) {
  const content =
    what === 'big' ? writeBig(folder, Number(values.mib)) : writeLibrary(folder, Number(values.files))
  for (const format of values.formats.split(','))
    measure(content, format as Format, programs, Number(values.reps), folder)
  rmSync(content.path, { recursive: true })
}
