/** v2 hashes of a bare program (BEP 52): the trees of blocks, and how they stand in a torrent. */
import { fileMemory } from './bare-files.ts'
import { FILE_COUNT, FORMAT, PIECE_LENGTH, SHA1, SHA256, type Shared, V2 } from './bare-shared.ts'

const { readSync } = process.getBuiltinModule('node:fs')

/** Under each leaf of a v2 file's tree. */
const BLOCK = 16 * 1024
/** Read and hashed at once. */
const STEP = 1024 * 1024

/** The `file tree` and, of files of several pieces, the `piece layers`. */
export function treesOf(
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

/** Hashes a piece that is of one file alone, filled up with zeros for SHA-1 unless it is the last of all. */
export function ownPieces({
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

function partsOf(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: bytes.length / length }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

function powerOfTwo(atLeast: number): number {
  let width = 1
  while (width < atLeast) width *= 2
  return width
}
