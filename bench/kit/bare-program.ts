/**
 * The least a program on Node.js can do to make a torrent, or to check content (v1 only): whole
 * processes, to be held against whole programs. Nothing is explained; links, errors, empty
 * files and names that are not UTF-8 are left out.
 *
 *   node bare-program.cjs create PATH OUTPUT PIECE_LENGTH FORMAT [guarded]    PATH is a folder, or one file
 *   node bare-program.cjs check TORRENT FOLDER [guarded]                      prints `checked` or `wrong`
 *
 * Two threads open, read, hash and close. The worker is begun before anything else, because it takes longest
 * to come up, and hashes what is found while this thread still searches. They share memory and send no
 * messages, so nothing waits for an event. Paths are relative, so the system has less to walk.
 *
 * `guarded` opens files as a program has to that follows no link and notes what files look like
 * (`bare-files.ts`); the search is as bare as without.
 *
 * It runs as one CommonJS script without types (`bare-commands.ts`), which starts sooner than modules.
 */
import { fileMemory, fileOpener } from './bare-files.ts'
import {
  FILE_COUNT,
  FORMAT,
  FORMATS,
  IS_ALL_KNOWN,
  IS_GUARDED,
  IS_WORKER_DONE,
  know,
  NEWS,
  NEXT_PIECE,
  PIECE_LENGTH,
  PIECES_KNOWN,
  SHA1,
  type Shared,
  sharedIn,
  sharedMemory,
  V1,
  V2,
} from './bare-shared.ts'
import { readTorrent } from './bare-torrent.ts'
import { ownPieces, treesOf } from './bare-trees.ts'

const { lstatSync, openSync, readdirSync, readFileSync, readSync, writeSync, writevSync } =
  process.getBuiltinModule('node:fs')
const { isMainThread, Worker, workerData } = process.getBuiltinModule('node:worker_threads')

/** A thread takes so many pieces at once and goes on in the file it has open. */
const PIECES_AT_ONCE = 16
/** Of these it takes one at a time, so that both threads end at once. */
const LAST_PIECES = 32

if (isMainThread) {
  const [, script, verb, ...args] = process.argv
  const memory = sharedMemory()
  new Worker(script!, { workerData: memory })
  const shared = sharedIn(memory)
  if (args.at(-1) === 'guarded') shared.state[IS_GUARDED] = 1
  if (verb === 'create') create(shared, args[0]!, args[1]!, Number(args[2]), FORMATS.indexOf(args[3]!))
  else check(shared, args[0]!, args[1]!)
  process.exit()
} else {
  const shared = sharedIn(workerData)
  hashPieces(shared)
  Atomics.store(shared.state, IS_WORKER_DONE, 1)
  Atomics.notify(shared.state, IS_WORKER_DONE)
}

/** The torrent's name is the last component of `source`. */
function create(shared: Shared, source: string, output: string, pieceLength: number, format: number): void {
  const { state, ends, paths, pathEnds, hashes } = shared
  state[FORMAT] = format
  const out = openSync(output, 'w')
  const slash = source.lastIndexOf('/')
  const name = source.slice(slash + 1)
  let count = 0
  let total = 0
  let pathEnd = 0
  /** For v1, and for v2 the same tree in parts, between which the roots of files belong. */
  let list = ''
  let part = ''
  const parts: string[] = []
  const { size, isFile } = sizeOf(source)
  if (isFile) {
    process.chdir(source.slice(0, slash + 1) || '.')
    addFile(name, name, size)
    list = `6:lengthi${size}e`
  } else {
    process.chdir(source)
    list = '5:filesl'
    searchFolder('.', '', '')
    list += 'e'
  }
  const pieceCount = Math.ceil(total / pieceLength)
  know(shared, pieceLength, pieceCount, count)
  hashPieces(shared)
  const pieces = hashes.subarray(0, SHA1 * pieceCount)
  const version = format === V1 ? '' : '12:meta versioni2e'
  const head = `${format === V2 ? '' : list}${version}4:name${bencoded(name)}12:piece lengthi${pieceLength}e`
  Atomics.wait(state, IS_WORKER_DONE, 0)
  const v1 = format === V2 ? [] : [Buffer.from(`6:pieces${pieces.length}:`), pieces]
  const { tree, layers } =
    format === V1 ? { tree: [], layers: [] } : treesOf(shared, parts, part, pieceLength)
  writevSync(out, [
    Buffer.from('d10:created by4:bare4:infod'),
    ...tree,
    Buffer.from(head),
    ...v1,
    Buffer.from('e'),
    ...layers,
    Buffer.from('e'),
  ])

  /** Depth first, each folder's names in order, so that one that comes later never comes before. */
  function searchFolder(folder: string, prefix: string, parents: string): void {
    for (const inner of readdirSync(folder).sort()) {
      const path = prefix + inner
      const { size, isFile } = sizeOf(path)
      if (isFile) {
        if (format !== V1) pad()
        if (format !== V2) list += `d6:lengthi${size}e4:pathl${parents}${bencoded(inner)}ee`
        addFile(path, inner, size)
      } else {
        if (format !== V1) part += `${bencoded(inner)}d`
        searchFolder(path, `${path}/`, parents + bencoded(inner))
        if (format !== V1) part += 'e'
      }
    }
    know(shared, pieceLength, Math.floor(total / pieceLength))
  }

  /** Every file begins with a piece. */
  function pad(): void {
    const padding = (pieceLength - (total % pieceLength)) % pieceLength
    if (padding === 0) return
    total += padding
    if (format !== V2) list += `d4:attr1:p6:lengthi${padding}e4:pathl4:.pad${bencoded(`${padding}`)}ee`
  }

  function addFile(path: string, inner: string, size: number): void {
    if (format !== V1) {
      parts.push(`${part}${bencoded(inner)}d0:d6:lengthi${size}e11:pieces root32:`)
      part = 'ee'
    }
    ends[count] = total += size
    pathEnd += paths.write(path, pathEnd)
    pathEnds[count++] = pathEnd
  }
}

function sizeOf(path: string): { size: number; isFile: boolean } {
  const stat = lstatSync(path)
  return { size: stat.size, isFile: stat.isFile() }
}

function bencoded(text: string): string {
  return `${Buffer.byteLength(text)}:${text}`
}

function check(shared: Shared, torrent: string, folder: string): void {
  const { name, isFolder, pieceLength, pieces, fileCount } = readTorrent(readFileSync(torrent), shared)
  process.chdir(isFolder ? `${folder}/${name}` : folder)
  know(shared, pieceLength, pieces.length / SHA1, fileCount)
  hashPieces(shared)
  Atomics.wait(shared.state, IS_WORKER_DONE, 0)
  const isRight = pieces.equals(shared.hashes.subarray(0, pieces.length))
  writeSync(1, isRight ? 'checked\n' : 'wrong\n')
}

/** What nobody else has taken, until there is nothing left. */
function hashPieces(shared: Shared): void {
  const { state, ends, hashes } = shared
  const { hash } = process.getBuiltinModule('node:crypto')
  Atomics.wait(state, NEWS, 0)
  const pieceLength = state[PIECE_LENGTH]!
  const hashOwnPiece = state[FORMAT] === V1 ? undefined : ownPieces(shared)
  const buffer = fileMemory(hashOwnPiece === undefined ? pieceLength : 0)
  const open = fileOpener(shared)
  let file = 0
  for (;;) {
    const count = isNearEnd() ? 1 : PIECES_AT_ONCE
    const first = Atomics.add(state, NEXT_PIECE, count)
    const end = awaitPieces(first + count)
    if (first >= end) break
    const fileCount = state[FILE_COUNT]!
    for (let piece = first; piece < end; piece++) {
      while (ends[file]! <= piece * pieceLength) file++
      if (hashOwnPiece === undefined) hashPiece(piece, fileCount)
      else hashOwnPiece(piece, file, open(file))
    }
  }

  function isNearEnd(): boolean {
    return state[IS_ALL_KNOWN] === 1 && state[PIECES_KNOWN]! - Atomics.load(state, NEXT_PIECE) < LAST_PIECES
  }

  /** @returns how many there are of so many */
  function awaitPieces(count: number): number {
    for (;;) {
      const news = Atomics.load(state, NEWS)
      const known = Atomics.load(state, PIECES_KNOWN)
      if (known >= count) return count
      if (Atomics.load(state, IS_ALL_KNOWN) === 1) return known
      Atomics.wait(state, NEWS, news)
    }
  }

  function hashPiece(piece: number, fileCount: number): void {
    const start = piece * pieceLength
    let filled = 0
    for (let i = file; filled < pieceLength && i !== fileCount; i++) {
      const fileStart = i === 0 ? 0 : ends[i - 1]!
      const length = Math.min(ends[i]! - start, pieceLength) - filled
      if (length === 0) continue
      readSync(open(i), buffer, filled, length, start + filled - fileStart)
      filled += length
    }
    hashes.set(hash('sha1', buffer.subarray(0, filled), 'buffer'), SHA1 * piece)
  }
}
