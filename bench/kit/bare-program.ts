/**
 * The least a program on Node.js can do to make a v1 torrent, or to check content: whole
 * processes, to be held against whole programs. Nothing is guarded or explained; links, errors
 * and names that are not UTF-8 are left out.
 *
 *   node bare-program.cjs create PATH OUTPUT PIECE_LENGTH    PATH is a folder, or one file
 *   node bare-program.cjs check TORRENT FOLDER               prints `checked` or `wrong`
 *
 * Two threads open, read, hash and close. The worker is begun before anything else, because it takes longest
 * to come up, and hashes what is found while this thread still searches. They share memory and send no
 * messages, so nothing waits for an event. Paths are relative, so the system has less to walk.
 *
 * It stands alone, without modules of ours, and runs as a CommonJS script without types (`bare-commands.ts`),
 * which starts sooner than a module. That is why it has no imports: what it needs it takes when it needs it.
 */
const { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync, writeSync, writevSync } =
  process.getBuiltinModule('node:fs')
const { isMainThread, Worker, workerData } = process.getBuiltinModule('node:worker_threads')

const SHA1 = 20
/** The system gives memory as it is written to; what these leave over costs nothing. */
const FILES_MAX = 1 << 20
const PATH_BYTES_MAX = 1 << 26
const PIECES_MAX = 1 << 20
/** A thread takes so many pieces at once and goes on in the file it has open. */
const PIECES_AT_ONCE = 16
/** Of these it takes one at a time, so that both threads end at once. */
const LAST_PIECES = 32

/** Numbers of `Shared.state`. */
const NEXT_PIECE = 0
/** Pieces before this one may be hashed. */
const PIECES_KNOWN = 1
/** 1: there are no more. */
const IS_ALL_KNOWN = 2
/** How often the two above changed. */
const NEWS = 3
const FILE_COUNT = 4
const PIECE_LENGTH = 5
const IS_WORKER_DONE = 6

interface Shared {
  readonly state: Int32Array
  /** Where each file ends in the content, in bytes. */
  readonly ends: Float64Array
  /** All paths one after the other, in UTF-8, and where each ends. */
  readonly paths: Buffer
  readonly pathEnds: Uint32Array
  /** SHA-1 of each piece. */
  readonly hashes: Buffer
}

type Memory = { readonly [Name in keyof Shared]: SharedArrayBuffer }

if (isMainThread) {
  const [, script, verb, ...args] = process.argv
  const memory: Memory = {
    state: new SharedArrayBuffer(32),
    ends: new SharedArrayBuffer(8 * FILES_MAX),
    paths: new SharedArrayBuffer(PATH_BYTES_MAX),
    pathEnds: new SharedArrayBuffer(4 * FILES_MAX),
    hashes: new SharedArrayBuffer(SHA1 * PIECES_MAX),
  }
  new Worker(script!, { workerData: memory })
  if (verb === 'create') create(sharedIn(memory), args[0]!, args[1]!, Number(args[2]))
  else check(sharedIn(memory), args[0]!, args[1]!)
  process.exit()
} else {
  const shared = sharedIn(workerData)
  hashPieces(shared)
  Atomics.store(shared.state, IS_WORKER_DONE, 1)
  Atomics.notify(shared.state, IS_WORKER_DONE)
}

function sharedIn({ state, ends, paths, pathEnds, hashes }: Memory): Shared {
  return {
    state: new Int32Array(state),
    ends: new Float64Array(ends),
    paths: Buffer.from(paths),
    pathEnds: new Uint32Array(pathEnds),
    hashes: Buffer.from(hashes),
  }
}

/** The torrent's name is the last component of `source`. */
function create(shared: Shared, source: string, output: string, pieceLength: number): void {
  const { state, ends, paths, pathEnds, hashes } = shared
  const out = openSync(output, 'w')
  const slash = source.lastIndexOf('/')
  const name = source.slice(slash + 1)
  let count = 0
  let total = 0
  let pathEnd = 0
  let list = ''
  const { size, isFile } = sizeOf(source)
  if (isFile) {
    process.chdir(source.slice(0, slash + 1) || '.')
    addFile(name, size)
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
  const info = `${list}4:name${bencoded(name)}12:piece lengthi${pieceLength}e6:pieces${pieces.length}:`
  const head = Buffer.from(`d10:created by4:bare4:infod${info}`)
  Atomics.wait(state, IS_WORKER_DONE, 0)
  writevSync(out, [head, pieces, Buffer.from('ee')])

  /** Depth first, each folder's names in order, so that one that comes later never comes before. */
  function searchFolder(folder: string, prefix: string, parents: string): void {
    for (const inner of readdirSync(folder).sort()) {
      const path = prefix + inner
      const { size, isFile } = sizeOf(path)
      if (isFile) {
        list += `d6:lengthi${size}e4:pathl${parents}${bencoded(inner)}ee`
        addFile(path, size)
      } else searchFolder(path, `${path}/`, parents + bencoded(inner))
    }
    know(shared, pieceLength, Math.floor(total / pieceLength))
  }

  function addFile(path: string, size: number): void {
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

interface Torrent {
  readonly name: string
  readonly isFolder: boolean
  readonly pieceLength: number
  readonly pieces: Buffer
  readonly fileCount: number
}

/** Puts the files where both threads find them. */
function readTorrent(bytes: Buffer, { ends, paths, pathEnds }: Shared): Torrent {
  let at = 0
  let fileCount = 0
  let pathEnd = 0
  let total = 0
  let pieceLength = 0
  let name = ''
  let pieces = bytes
  let isFolder = false
  eachKey((key) => {
    if (key !== 'info') skip()
    else eachKey(readInfo)
  })
  if (!isFolder) {
    pathEnds[0] = paths.write(name)
    ends[0] = total
    fileCount = 1
  }
  return { name, isFolder, pieceLength, pieces, fileCount }

  function readInfo(key: string): void {
    if (key === 'files') {
      isFolder = true
      for (at++; bytes[at] !== 0x65; ) {
        eachKey(readFile)
        ends[fileCount] = total
        pathEnds[fileCount++] = pathEnd
      }
      at++
    } else if (key === 'length') total = readInteger()
    else if (key === 'name') name = bytes.toString('utf8', readLength(), at)
    else if (key === 'piece length') pieceLength = readInteger()
    else if (key === 'pieces') pieces = bytes.subarray(readLength(), at)
    else skip()
  }

  function readFile(key: string): void {
    if (key === 'length') total += readInteger()
    else if (key === 'path') {
      const first = pathEnd
      for (at++; bytes[at] !== 0x65; ) {
        if (pathEnd > first) paths[pathEnd++] = 0x2f
        pathEnd += bytes.copy(paths, pathEnd, readLength(), at)
      }
      at++
    } else skip()
  }

  function eachKey(readValue: (key: string) => void): void {
    for (at++; bytes[at] !== 0x65; ) readValue(bytes.toString('latin1', readLength(), at))
    at++
  }

  function skip(): void {
    const first = bytes[at]
    if (first === 0x69) readInteger()
    else if (first === 0x6c || first === 0x64) {
      for (at++; bytes[at] !== 0x65; ) skip()
      at++
    } else readLength()
  }

  function readInteger(): number {
    at++
    return readDigits()
  }

  /** Goes to the end of a string. @returns where it begins */
  function readLength(): number {
    const length = readDigits()
    const start = at
    at += length
    return start
  }

  /** And what ends them. */
  function readDigits(): number {
    let number = 0
    for (let byte = bytes[at++]!; byte >= 0x30; byte = bytes[at++]!) {
      if (byte > 0x39) break
      number = 10 * number + byte - 0x30
    }
    return number
  }
}

/** @param fileCount when all are known */
function know({ state }: Shared, pieceLength: number, pieceCount: number, fileCount?: number): void {
  state[PIECE_LENGTH] = pieceLength
  state[FILE_COUNT] = fileCount ?? -1
  Atomics.store(state, PIECES_KNOWN, pieceCount)
  if (fileCount !== undefined) Atomics.store(state, IS_ALL_KNOWN, 1)
  Atomics.add(state, NEWS, 1)
  Atomics.notify(state, NEWS)
}

/** What nobody else has taken, until there is nothing left. */
function hashPieces({ state, ends, paths, pathEnds, hashes }: Shared): void {
  const { hash } = process.getBuiltinModule('node:crypto')
  Atomics.wait(state, NEWS, 0)
  const pieceLength = state[PIECE_LENGTH]!
  const buffer = Buffer.allocUnsafeSlow(pieceLength)
  let file = 0
  let fd = 0
  let openFile = -1
  for (;;) {
    const count = isNearEnd() ? 1 : PIECES_AT_ONCE
    const first = Atomics.add(state, NEXT_PIECE, count)
    const end = awaitPieces(first + count)
    if (first >= end) break
    const fileCount = state[FILE_COUNT]!
    for (let piece = first; piece < end; piece++) hashPiece(piece, fileCount)
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
    while (ends[file]! <= start) file++
    for (let i = file; filled < pieceLength && i !== fileCount; i++) {
      const fileStart = i === 0 ? 0 : ends[i - 1]!
      const fileEnd = ends[i]!
      const length = Math.min(fileEnd - start, pieceLength) - filled
      if (length === 0) continue
      if (openFile !== i) {
        if (openFile !== -1) closeSync(fd)
        fd = openSync(paths.toString('utf8', i === 0 ? 0 : pathEnds[i - 1]!, pathEnds[i]!), 'r')
        openFile = i
      }
      readSync(fd, buffer, filled, length, start + filled - fileStart)
      filled += length
    }
    hashes.set(hash('sha1', buffer.subarray(0, filled), 'buffer'), SHA1 * piece)
  }
}
