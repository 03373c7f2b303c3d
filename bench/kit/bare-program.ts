/**
 * The least a program on Node.js can do to make a torrent, or to check content (v1 only): whole
 * processes, to be held against whole programs. Nothing is guarded or explained; links, errors, empty
 * files and names that are not UTF-8 are left out.
 *
 *   node bare-program.cjs create PATH OUTPUT PIECE_LENGTH FORMAT    PATH is a folder, or one file
 *   node bare-program.cjs check TORRENT FOLDER                      prints `checked` or `wrong`
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
const SHA256 = 32
/** Under each leaf of a v2 file's tree (BEP 52). */
const BLOCK = 16 * 1024
/** Read and hashed at once where there is a v2 hash. */
const STEP = 1024 * 1024
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
/** A number of `FORMATS`. */
const FORMAT = 7

const FORMATS = ['v1', 'v2', 'hybrid']
const V1 = 0
const V2 = 1

interface Shared {
  readonly state: Int32Array
  /** Where each file ends in the content, in bytes. */
  readonly ends: Float64Array
  /** All paths one after the other, in UTF-8, and where each ends. */
  readonly paths: Buffer
  readonly pathEnds: Uint32Array
  /** SHA-1 of each piece. */
  readonly hashes: Buffer
  /** The root of each piece's blocks (BEP 52). */
  readonly roots: Buffer
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
    roots: new SharedArrayBuffer(SHA256 * PIECES_MAX),
  }
  new Worker(script!, { workerData: memory })
  if (verb === 'create')
    create(sharedIn(memory), args[0]!, args[1]!, Number(args[2]), FORMATS.indexOf(args[3]!))
  else check(sharedIn(memory), args[0]!, args[1]!)
  process.exit()
} else {
  const shared = sharedIn(workerData)
  hashPieces(shared)
  Atomics.store(shared.state, IS_WORKER_DONE, 1)
  Atomics.notify(shared.state, IS_WORKER_DONE)
}

function sharedIn({ state, ends, paths, pathEnds, hashes, roots }: Memory): Shared {
  return {
    state: new Int32Array(state),
    ends: new Float64Array(ends),
    paths: Buffer.from(paths),
    pathEnds: new Uint32Array(pathEnds),
    hashes: Buffer.from(hashes),
    roots: Buffer.from(roots),
  }
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

/** The `file tree` and, of files of several pieces, the `piece layers`. */
function treesOf(
  { ends, roots }: Shared,
  parts: readonly string[],
  rest: string,
  pieceLength: number,
): { tree: Buffer[]; layers: Buffer[] } {
  const rootOf = rootMaker()
  const tree = Buffer.allocUnsafe(
    parts.reduce((sum, part) => sum + 3 * part.length + SHA256, 16 + rest.length),
  )
  const layers: { root: Buffer; layer: Buffer }[] = []
  let at = tree.write('9:file treed')
  let piece = 0
  for (let i = 0; i < parts.length; i++) {
    const count = Math.ceil(ends[i]! / pieceLength) - piece
    let root = roots.subarray(SHA256 * piece, SHA256 * (piece + 1))
    if (count > 1) {
      const layer = roots.subarray(SHA256 * piece, SHA256 * (piece + count))
      root = Buffer.from(rootOf(layer, Math.log2(pieceLength / BLOCK), powerOfTwo(count)))
      layers.push({ root, layer })
    }
    at += tree.write(parts[i]!, at)
    at += root.copy(tree, at)
    piece += count
  }
  at += tree.write(`${rest}e`, at)
  layers.sort((a, b) => a.root.compare(b.root))
  return {
    tree: [tree.subarray(0, at)],
    layers: [
      Buffer.from('12:piece layersd'),
      ...layers.flatMap(({ root, layer }) => [
        Buffer.from('32:'),
        root,
        Buffer.from(`${layer.length}:`),
        layer,
      ]),
      Buffer.from('e'),
    ],
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
function hashPieces(shared: Shared): void {
  const { state, ends, paths, pathEnds, hashes } = shared
  const { hash } = process.getBuiltinModule('node:crypto')
  Atomics.wait(state, NEWS, 0)
  const pieceLength = state[PIECE_LENGTH]!
  const hashOwnPiece = state[FORMAT] === V1 ? undefined : ownPieces(shared)
  const buffer = fileMemory(hashOwnPiece === undefined ? pieceLength : 0)
  let file = 0
  let fd = 0
  let openFile = -1
  for (;;) {
    const count = isNearEnd() ? 1 : PIECES_AT_ONCE
    const first = Atomics.add(state, NEXT_PIECE, count)
    const end = awaitPieces(first + count)
    if (first >= end) break
    const fileCount = state[FILE_COUNT]!
    for (let piece = first; piece < end; piece++) {
      while (ends[file]! <= piece * pieceLength) file++
      if (hashOwnPiece === undefined) hashPiece(piece, fileCount)
      else {
        open(file)
        hashOwnPiece(piece, file, fd)
      }
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
      open(i)
      readSync(fd, buffer, filled, length, start + filled - fileStart)
      filled += length
    }
    hashes.set(hash('sha1', buffer.subarray(0, filled), 'buffer'), SHA1 * piece)
  }

  function open(index: number): void {
    if (openFile === index) return
    if (openFile !== -1) closeSync(fd)
    fd = openSync(paths.toString('utf8', index === 0 ? 0 : pathEnds[index - 1]!, pathEnds[index]!), 'r')
    openFile = index
  }
}

/** Hashes a piece that is of one file alone, filled up with zeros for SHA-1 unless it is the last of all. */
function ownPieces({
  state,
  ends,
  hashes,
  roots,
}: Shared): (piece: number, file: number, fd: number) => void {
  const { createHash, hash } = process.getBuiltinModule('node:crypto')
  const pieceLength = state[PIECE_LENGTH]!
  const buffer = fileMemory(STEP)
  const zeros = Buffer.alloc(STEP)
  const blocks = partsOf(buffer, BLOCK)
  const leaves = Buffer.alloc((SHA256 * pieceLength) / BLOCK)
  const rootOf = rootMaker()
  return (piece, file, fd) => {
    const start = piece * pieceLength
    const fileStart = file === 0 ? 0 : Math.ceil(ends[file - 1]! / pieceLength) * pieceLength
    const length = Math.min(ends[file]! - start, pieceLength)
    const sha1 = state[FORMAT] === V2 ? undefined : createHash('sha1')
    let leafCount = 0
    for (let done = 0; done < length; done += STEP) {
      const count = Math.min(STEP, length - done)
      readSync(fd, buffer, 0, count, start + done - fileStart)
      sha1?.update(buffer.subarray(0, count))
      for (let at = 0; at < count; at += BLOCK) {
        const block = at + BLOCK <= count ? blocks[at / BLOCK]! : buffer.subarray(at, count)
        leaves.write(hash('sha256', block, 'binary'), SHA256 * leafCount++, 'latin1')
      }
    }
    const isOnly = ends[file]! - fileStart <= pieceLength
    const width = isOnly ? powerOfTwo(leafCount) : pieceLength / BLOCK
    roots.set(rootOf(leaves.subarray(0, SHA256 * leafCount), 0, width), SHA256 * piece)
    if (sha1 === undefined) return
    const isLast = file === state[FILE_COUNT]! - 1 && start + length === ends[file]
    for (let left = isLast ? 0 : pieceLength - length; left > 0; left -= STEP)
      sha1.update(left < STEP ? zeros.subarray(0, left) : zeros)
    hashes.set(sha1.digest(), SHA1 * piece)
  }
}

/**
 * Roots of trees of BEP 52.
 * @returns the root over hashes of one layer; `width` counts those that are missing as well. Good until the
 * next call.
 */
function rootMaker(): (hashes: Buffer, layer: number, width: number) => Buffer {
  const { hash } = process.getBuiltinModule('node:crypto')
  let nodes = Buffer.alloc(0)
  let pairs: Buffer[] = []
  /** Of nodes over nothing, by layer. */
  const padding = [Buffer.alloc(SHA256)]
  return (hashes, layer, width) => {
    let count = hashes.length / SHA256
    if (nodes.length < SHA256 * (count + 2)) {
      nodes = Buffer.alloc(2 * SHA256 * (count + 1))
      pairs = partsOf(nodes, 2 * SHA256)
    }
    hashes.copy(nodes)
    for (let left = width, at = layer; left > 1; left /= 2, at++) {
      while (padding.length <= at)
        padding.push(hash('sha256', Buffer.concat([padding.at(-1)!, padding.at(-1)!]), 'buffer'))
      if (count % 2 === 1) padding[at]!.copy(nodes, SHA256 * count++)
      count /= 2
      for (let i = 0; i < count; i++) nodes.write(hash('sha256', pairs[i]!, 'binary'), SHA256 * i, 'latin1')
    }
    return nodes.subarray(0, SHA256)
  }
}

/** Not right behind the begin of a page: see `src/nodejs/file-memory.ts`. */
function fileMemory(length: number): Buffer {
  return Buffer.allocUnsafeSlow(64 + length).subarray(64)
}

function partsOf(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: bytes.length / length }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

function powerOfTwo(atLeast: number): number {
  let width = 1
  while (width < atLeast) width *= 2
  return width
}
