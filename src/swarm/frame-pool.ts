/**
 * Reused memory for answers: a frame holds a run of `piece` messages, headers and blocks, exactly as it goes
 * to the socket, so that file bytes are read straight into place and never copied in this process.
 * Invariant: idle frames together hold at most `KEPT_BYTES_MAX`.
 */
import { PIECE_HEADER_LENGTH } from '../wire/peer-messages.ts'

/**
 * Blocks read and sent in one go: 256 KiB, which a processor's cache still holds when the socket copies them.
 */
export const FRAME_BLOCKS_MAX = 16
const KEPT_BYTES_MAX = 16 * 1024 * 1024

export class Frame {
  readonly bytes: Uint8Array
  /** Where blocks of full length stand in it. */
  readonly blocks: readonly Uint8Array[]

  constructor(blockCount: number, blockLength: number) {
    const stride = PIECE_HEADER_LENGTH + blockLength
    const bytes = new Uint8Array(blockCount * stride)
    this.bytes = bytes
    this.blocks = Array.from({ length: blockCount }, (_, block) =>
      bytes.subarray(block * stride + PIECE_HEADER_LENGTH, (block + 1) * stride),
    )
  }
}

export class FramePool {
  readonly #blockLength: number
  readonly #free: Frame[][] = []
  #keptBytes = 0

  constructor(blockLength: number) {
    this.#blockLength = blockLength
    for (let size = 1; size <= FRAME_BLOCKS_MAX; size *= 2) this.#free.push([])
  }

  /** Room for at least `blockCount` blocks with their headers. */
  take(blockCount: number): Frame {
    const sizeClass = Math.ceil(Math.log2(blockCount))
    const kept = this.#free[sizeClass]?.pop()
    if (kept === undefined) return new Frame(2 ** sizeClass, this.#blockLength)
    this.#keptBytes -= kept.bytes.length
    return kept
  }

  release(frame: Frame): void {
    if (this.#keptBytes + frame.bytes.length > KEPT_BYTES_MAX) return
    this.#keptBytes += frame.bytes.length
    this.#free[Math.log2(frame.blocks.length)]?.push(frame)
  }
}
