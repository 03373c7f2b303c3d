/**
 * Where bytes lie: pieces, blocks and files of one torrent in one linear piece space.
 * In v1 and hybrid torrents the space has no gaps (padding is a file of zeros); in v2 every file starts at a
 * piece boundary, the rest of its last piece does not exist and that piece is short (BEP 3, 47, 52).
 * Invariant: pure arithmetic over the metainfo; it never changes.
 */
import { assert } from '../base/assert.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'

/** A run of bytes of one file. */
export interface Segment {
  /** Index into the metainfo's `files`. */
  readonly file: number
  /** First byte within that file. */
  readonly position: number
  readonly length: number
}

/** What is hashed for the v2 check of one piece. */
export interface MerklePiece {
  /** Bytes of file content in the piece, without padding. */
  readonly length: number
  /** The subtree is filled up with zero leaves to this power of two. */
  readonly leafCount: number
}

/** Where the blocks of a piece stand in the tree of their file. */
export interface MerklePlace extends MerklePiece {
  /** `pieces root` of the file. */
  readonly root: Uint8Array
  /** Its first block, counted from the beginning of the file. */
  readonly firstBlock: number
}

export class Geometry {
  readonly pieceCount: number
  readonly pieceLength: number
  readonly blockLength: number
  readonly files: readonly FileEntry[]
  readonly #spaceLength: number
  readonly #hasPadding: boolean
  readonly #isV2: boolean
  /** v2 only: the last piece of a file ends with it. Bounded by piecesMax. */
  readonly #pieceSizes: Uint32Array | undefined

  constructor(metainfo: Metainfo, blockLength: number) {
    this.pieceCount = metainfo.pieceCount
    this.pieceLength = metainfo.pieceLength
    this.blockLength = blockLength
    this.files = metainfo.files
    this.#hasPadding = metainfo.files.some((file) => file.isPad)
    this.#isV2 = metainfo.format === 'v2'
    const last = metainfo.files.at(-1)
    this.#spaceLength = last === undefined ? 0 : last.offset + last.length
    if (!this.#isV2) return
    this.#pieceSizes = new Uint32Array(this.pieceCount).fill(this.pieceLength)
    for (const file of metainfo.files) {
      const tail = file.length % this.pieceLength
      if (tail !== 0) this.#pieceSizes[Math.floor((file.offset + file.length) / this.pieceLength)] = tail
    }
  }

  /** Bytes of the piece on the wire. */
  pieceSize(piece: number): number {
    assert(piece >= 0 && piece < this.pieceCount, 'piece index in range')
    return (
      this.#pieceSizes?.[piece] ?? Math.min(this.pieceLength, this.#spaceLength - piece * this.pieceLength)
    )
  }

  /** Whether a peer may ask for this range: within one piece, and no longer than a block. */
  isBlock(piece: number, begin: number, length: number): boolean {
    if (piece >= this.pieceCount || length === 0 || length > this.blockLength) return false
    const size = this.pieceSize(piece)
    // libtorrent rounds the last block of a v2 file up to a whole one; v1 requests end where the piece does.
    const end = this.#isV2 ? Math.ceil(size / this.blockLength) * this.blockLength : size
    return begin < size && begin + length <= end
  }

  /** Whether a range is neighbouring whole blocks of one piece, the last as short as the piece has it. */
  isBlocks(piece: number, begin: number, length: number): boolean {
    if (piece >= this.pieceCount || length === 0 || begin % this.blockLength !== 0) return false
    const end = begin + length
    const size = this.pieceSize(piece)
    return end === size || (end < size && length % this.blockLength === 0)
  }

  blockCount(piece: number): number {
    return Math.ceil(this.pieceSize(piece) / this.blockLength)
  }

  blockSize(piece: number, block: number): number {
    return Math.min(this.blockLength, this.pieceSize(piece) - block * this.blockLength)
  }

  /** The files under a range of a piece, in order, padding included; files without bytes are left out. */
  segments(piece: number, begin: number, length: number): Segment[] {
    const segments: Segment[] = []
    let at = piece * this.pieceLength + begin
    const end = at + length
    for (let file = this.#fileAt(at); at < end && file < this.files.length; file++) {
      const entry = this.files[file]!
      const taken = Math.min(end, entry.offset + entry.length) - at
      if (taken <= 0) continue
      segments.push({ file, position: at - entry.offset, length: taken })
      at += taken
    }
    return segments
  }

  /** Pieces that hold bytes of a file: first and one past the last; equal for an empty file. */
  filePieces(file: number): { first: number; end: number } {
    const entry = this.files[file]!
    const first = Math.floor(entry.offset / this.pieceLength)
    if (entry.length === 0) return { first, end: first }
    return { first, end: Math.floor((entry.offset + entry.length - 1) / this.pieceLength) + 1 }
  }

  /** Bytes at the end of the piece that are padding and need not be fetched. */
  paddingLength(piece: number): number {
    if (!this.#hasPadding) return 0
    const size = this.pieceSize(piece)
    const last = this.#fileAt(piece * this.pieceLength + size - 1)
    const entry = this.files[last]
    if (entry === undefined || !entry.isPad) return 0
    return Math.min(size, piece * this.pieceLength + size - entry.offset)
  }

  /** Bytes of files in the piece. */
  contentSize(piece: number): number {
    return this.pieceSize(piece) - this.paddingLength(piece)
  }

  /**
   * v2 and hybrid: the file part of the piece. A file of one piece has a tree only as
   * tall as it needs (BEP 52).
   */
  merklePiece(piece: number): MerklePiece {
    const start = piece * this.pieceLength
    const entry = this.files[this.#fileAt(start)]!
    const length = Math.min(this.pieceLength, entry.offset + entry.length - start)
    const treeLength = entry.length <= this.pieceLength ? entry.length : this.pieceLength
    return { length, leafCount: powerOfTwoAtLeast(Math.ceil(treeLength / this.blockLength)) }
  }

  /** Undefined in v1. */
  merklePlace(piece: number): MerklePlace | undefined {
    const entry = this.files[this.#fileAt(piece * this.pieceLength)]
    if (entry === undefined || entry.piecesRoot === null) return undefined
    const firstBlock = (piece * this.pieceLength - entry.offset) / this.blockLength
    return { ...this.merklePiece(piece), root: entry.piecesRoot, firstBlock }
  }

  /** The hash that `merklePiece` must give; undefined when its piece layer is not known. */
  merkleHash(piece: number): Uint8Array | undefined {
    const entry = this.files[this.#fileAt(piece * this.pieceLength)]!
    if (entry.length <= this.pieceLength) return entry.piecesRoot ?? undefined
    const at = 32 * (piece - Math.floor(entry.offset / this.pieceLength))
    return entry.pieceLayer?.subarray(at, at + 32)
  }

  /** The first file that ends after `at`, by bisection. */
  #fileAt(at: number): number {
    let low = 0
    let high = this.files.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.files[middle]!
      if (entry.offset + entry.length > at) high = middle
      else low = middle + 1
    }
    return low
  }
}

function powerOfTwoAtLeast(count: number): number {
  let power = 1
  while (power < count) power *= 2
  return power
}
