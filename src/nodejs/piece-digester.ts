/**
 * Turns a stream of content into the hashes of its pieces, for both formats in one pass: SHA-1 over a piece
 * across file borders (BEP 3), SHA-256 over each 16 KiB block and up the merkle tree to the piece (BEP 52).
 * Padding takes part in SHA-1 only.
 * Invariant: memory is one chunk and one piece's block hashes, however long files and pieces are. Where there
 * is a v2 hash, every file begins at a piece, so a chunk holds blocks of one file only.
 */
import { createHash, type Hash, hash } from 'node:crypto'
import { padHash } from '../wire/merkle.ts'
import { fileMemory } from './file-memory.ts'
import type { HashSettings, PieceHashes } from './hash-job.ts'
import { nodeCrypto } from './node-crypto.ts'

/** BEP 52. */
const BLOCK = 16 * 1024
/**
 * Read and then hashed at once: small files are gathered in it. Of 64 KiB to 1 MiB the fastest, by little.
 */
const CHUNK = 1024 * 1024
const SHA1 = 20
const SHA256 = 32

export class PieceDigester {
  /** Content is read into this, at `position`. */
  readonly chunk = fileMemory(CHUNK)
  readonly #blocks = partsOf(this.chunk, BLOCK)
  /** Block hashes of the piece in hand; one place is left for the hash of padding. */
  #leaves = Buffer.alloc(SHA256 * (CHUNK / BLOCK + 2))
  #pairs = partsOf(this.#leaves, 2 * SHA256)
  #leafCount = 0
  /** Of a piece that is longer than a chunk. */
  #sha1: Hash | undefined
  #settings!: HashSettings
  #hashes!: PieceHashes
  #index = 0
  /** Bytes of the piece in hand, flushed ones too. */
  #pieceFill = 0
  #position = 0
  /** Where content ends and padding begins, in the chunk. */
  #contentEnd = 0
  /** The chunk is known to be zero from here on. */
  #zeroFrom = CHUNK
  #fileLength = 0

  begin(settings: HashSettings, pieceCount: number): void {
    this.#settings = settings
    this.#hashes = {
      v1: settings.v1 ? new Uint8Array(SHA1 * pieceCount) : null,
      v2: settings.v2 ? new Uint8Array(SHA256 * pieceCount) : null,
      missing: new Uint8Array(pieceCount),
    }
    this.#index = 0
    this.#reset()
  }

  /** Where in the chunk the next bytes belong. */
  get position(): number {
    return this.#position
  }

  /**
   * How many bytes may come next.
   * @param length left of a run of them
   */
  room(length: number): number {
    return Math.min(length, this.#settings.pieceLength - this.#pieceFill, CHUNK - this.#position)
  }

  /** The piece in hand is lost; its bytes need not be read. */
  get isMissing(): boolean {
    return this.#hashes.missing[this.#index] === 1
  }

  /** `length` bytes of a file were put into the chunk. */
  addContent(length: number, fileLength: number): void {
    this.#fileLength = fileLength
    this.#contentEnd = this.#position + length
    this.#zeroFrom = Math.max(this.#zeroFrom, this.#contentEnd)
    this.#advance(length)
  }

  addPadding(length: number): void {
    if (!this.isMissing) {
      const end = this.#position + length
      this.chunk.fill(0, this.#position, Math.max(this.#position, Math.min(end, this.#zeroFrom)))
      if (end >= this.#zeroFrom) this.#zeroFrom = Math.min(this.#zeroFrom, this.#position)
    }
    this.#advance(length)
  }

  /** `length` bytes cannot be had; a part of them may stand in the chunk. */
  addMissing(length: number): void {
    this.#zeroFrom = Math.max(this.#zeroFrom, this.#position + length)
    this.#hashes.missing[this.#index] = 1
    this.#advance(length)
  }

  /** The content ends here, or a file does whose piece is not filled up. */
  endPiece(): void {
    if (this.#pieceFill === 0) return
    if (!this.isMissing) {
      if (this.#settings.v1) this.#hashes.v1!.set(this.#pieceSha1(), this.#index * SHA1)
      this.#flushBlocks()
      if (this.#settings.v2 && this.#leafCount > 0)
        this.#hashes.v2!.set(this.#pieceRoot(), this.#index * SHA256)
    }
    this.#index++
    this.#reset()
  }

  get hashes(): PieceHashes {
    return this.#hashes
  }

  #advance(length: number): void {
    this.#pieceFill += length
    if (!this.isMissing) this.#position += length
    if (this.#pieceFill === this.#settings.pieceLength) this.endPiece()
    else if (this.#position === CHUNK) this.#flush()
  }

  #flush(): void {
    if (this.#settings.v1) (this.#sha1 ??= createHash('sha1')).update(this.chunk.subarray(0, this.#position))
    this.#flushBlocks()
    this.#position = 0
  }

  #pieceSha1(): Uint8Array {
    const rest = this.chunk.subarray(0, this.#position)
    return this.#sha1 === undefined ? hash('sha1', rest, 'buffer') : this.#sha1.update(rest).digest()
  }

  #flushBlocks(): void {
    const end = this.#contentEnd
    this.#contentEnd = 0
    if (!this.#settings.v2) return
    this.#reserveLeaves(this.#leafCount + CHUNK / BLOCK)
    for (let at = 0; at < end; at += BLOCK) {
      const block = at + BLOCK <= end ? this.#blocks[at / BLOCK]! : this.chunk.subarray(at, end)
      putSha256(this.#leaves, this.#leafCount++, block)
    }
  }

  /**
   * A file of several pieces is filled up with zero hashes to whole pieces, one of a
   * single piece to a power of two.
   */
  #pieceRoot(): Uint8Array {
    const leaves = this.#leaves
    let count = this.#leafCount
    let width =
      this.#fileLength > this.#settings.pieceLength ? this.#settings.pieceLength / BLOCK : powerOfTwo(count)
    for (let layer = 0; width > 1; width /= 2, layer++) {
      if (count % 2 === 1) leaves.set(padHash(layer, nodeCrypto), SHA256 * count++)
      count /= 2
      for (let i = 0; i < count; i++) putSha256(leaves, i, this.#pairs[i]!)
    }
    return leaves.subarray(0, SHA256)
  }

  #reserveLeaves(count: number): void {
    if (SHA256 * (count + 1) <= this.#leaves.length) return
    const larger = Buffer.alloc(2 * SHA256 * (count + 1))
    this.#leaves.copy(larger)
    this.#leaves = larger
    this.#pairs = partsOf(larger, 2 * SHA256)
  }

  #reset(): void {
    this.#pieceFill = 0
    this.#position = 0
    this.#contentEnd = 0
    this.#leafCount = 0
    this.#sha1 = undefined
  }
}

/** Views made once: one costs as much as hashing 64 bytes. */
function partsOf(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: bytes.length / length }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

/** By way of a string: half the cost of a Buffer for each hash, 8 % of all v2 hashing. */
function putSha256(hashes: Buffer, index: number, bytes: Uint8Array): void {
  hashes.write(hash('sha256', bytes, 'binary'), SHA256 * index, 'latin1')
}

function powerOfTwo(atLeast: number): number {
  let width = 1
  while (width < atLeast) width *= 2
  return width
}
