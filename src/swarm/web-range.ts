/**
 * A run of consecutive pieces that one web seed was chosen for, fetched front to back, one request for each
 * file under it. Blocks land where those of peers land, in the piece's buffer; in the endgame peers may take
 * blocks that are not there yet, and whoever comes second is not written.
 * Padding (BEP 47) is filled in, never fetched.
 * Invariants: every piece of the run was started for it, so its memory is reserved; bytes are taken only for
 * pieces that are still being gathered; between calls at most one block is `arriving` here.
 */
import type { CopyBytes } from '../base/bytes.ts'
import type { Instant } from '../base/time.ts'
import { BLOCK, type GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'
import type { WebSeed } from './web-seed.ts'

/** What to ask for next. */
export interface FileRange {
  /** Index into the metainfo's files. */
  readonly file: number
  /** First byte within it. */
  readonly offset: number
  readonly length: number
}

export interface WebRangeHost {
  /** A block is whole. */
  received(range: WebRange, gathering: GatheringPiece, block: number): void
}

export class WebRange {
  readonly id: number
  readonly seed: WebSeed
  readonly run: readonly GatheringPiece[]
  /** Reading was stopped, for want of budget, until then. */
  pausedUntil: Instant | undefined
  /** Where the time began in which it must bring `bytesInWindow`. */
  windowAt: Instant
  bytesInWindow = 0
  /** What is being fetched now. */
  current: FileRange | undefined
  readonly #core: TorrentCore
  readonly #copy: CopyBytes
  readonly #host: WebRangeHost
  /** Into `run`; its length when all is done. */
  #index = 0
  /** First byte of the piece that has not come. */
  #begin = 0
  /** The block at `#begin` is being written here. */
  #isOurs = false

  constructor(
    now: Instant,
    id: number,
    seed: WebSeed,
    run: readonly GatheringPiece[],
    core: TorrentCore,
    copy: CopyBytes,
    host: WebRangeHost,
  ) {
    this.windowAt = now
    this.id = id
    this.seed = seed
    this.run = run
    this.#core = core
    this.#copy = copy
    this.#host = host
  }

  /** The next request; undefined when there is nothing more to ask for. */
  next(): FileRange | undefined {
    const { geometry } = this.#core
    while (this.#skip()) {
      const { piece } = this.run[this.#index]!
      const { file, position } = geometry.segments(piece, this.#begin, 1)[0]!
      const entry = geometry.files[file]!
      const end = Math.min(entry.length, this.#end() - entry.offset)
      const length = end - position
      if (!entry.isPad) {
        this.current = { file, offset: position, length }
        return this.current
      }
      this.#advance(undefined, 0, length)
    }
    this.current = undefined
    return undefined
  }

  /** False when its pieces are not gathered any more, so that the rest of the request is of no use. */
  take(bytes: Uint8Array): boolean {
    this.bytesInWindow += bytes.length
    return this.#advance(bytes, 0, bytes.length)
  }

  /** The request ended before its time, or is over: a block half here is nobody's. */
  release(): void {
    const gathering = this.run[this.#index]
    if (gathering === undefined || !this.#isOurs) return
    const { blockLength } = this.#core.geometry
    const block = Math.floor(this.#begin / blockLength)
    this.#isOurs = false
    this.#begin = block * blockLength
    if (this.#isGathering(gathering)) this.#core.pieces.withdraw(gathering, block, true)
  }

  /** Is any piece of the run still worth fetching? */
  get isUseful(): boolean {
    return this.run.some((gathering) => this.#isGathering(gathering))
  }

  /** Moves on to bytes that are wanted; false when there are none. */
  #skip(): boolean {
    const { blockLength } = this.#core.geometry
    for (; this.#index < this.run.length; this.#index++, this.#begin = 0, this.#isOurs = false) {
      const gathering = this.run[this.#index]!
      if (!this.#isGathering(gathering)) continue
      if (this.#isOurs) return true
      let block = Math.ceil(this.#begin / blockLength)
      while (block < gathering.blocks.length && gathering.blocks[block]! >= BLOCK.arriving) block++
      this.#begin = block * blockLength
      if (block < gathering.blocks.length) return true
    }
    return false
  }

  /** One past the last byte, in piece space, that may be asked for in one go. */
  #end(): number {
    const { geometry } = this.#core
    let last = this.#index
    while (last + 1 < this.run.length && this.#isGathering(this.run[last + 1]!)) last++
    const { piece } = this.run[last]!
    return piece * geometry.pieceLength + geometry.pieceSize(piece)
  }

  /** Bytes from the server, or zeros, go where they belong. */
  #advance(bytes: Uint8Array | undefined, start: number, length: number): boolean {
    const { geometry, pieces } = this.#core
    let at = start
    while (at < start + length) {
      const gathering = this.run[this.#index]
      if (gathering === undefined || !this.#isGathering(gathering)) return false
      const block = Math.floor(this.#begin / geometry.blockLength)
      const blockAt = block * geometry.blockLength
      if (this.#begin === blockAt) this.#isOurs = pieces.claim(gathering, block)
      const blockEnd = blockAt + geometry.blockSize(gathering.piece, block)
      const taken = Math.min(start + length - at, blockEnd - this.#begin)
      if (this.#isOurs) this.#write(gathering, bytes, at, taken)
      at += taken
      this.#begin += taken
      if (this.#begin === blockEnd) this.#blockEnds(gathering, block)
    }
    return true
  }

  #write(gathering: GatheringPiece, bytes: Uint8Array | undefined, at: number, length: number): void {
    const buffer = this.#core.pieces.bufferOf(gathering)
    if (bytes === undefined) buffer.fill(0, this.#begin, this.#begin + length)
    else this.#copy(bytes, at, at + length, buffer, this.#begin)
  }

  #blockEnds(gathering: GatheringPiece, block: number): void {
    const isOurs = this.#isOurs
    this.#isOurs = false
    if (this.#begin === this.#core.geometry.pieceSize(gathering.piece)) {
      this.#index++
      this.#begin = 0
    }
    if (isOurs) this.#host.received(this, gathering, block)
  }

  #isGathering(gathering: GatheringPiece): boolean {
    return this.#core.pieces.gathering.get(gathering.piece) === gathering
  }
}
