/**
 * Reused memory for answers: a frame holds a run of `piece` messages, headers and blocks, exactly as it goes
 * to the socket, so that file bytes are read straight into place and never copied in this process.
 * Invariant: idle frames together hold at most `KEPT_BYTES_MAX`.
 */
import { PIECE_HEADER_LENGTH } from '../wire/peer-messages.ts'

/** Blocks read and sent in one go; 512 KiB is where larger reads and writes stop gaining. */
export const FRAME_BLOCKS_MAX = 32
const KEPT_BYTES_MAX = 16 * 1024 * 1024

export class FramePool {
  readonly #blockLength: number
  readonly #free: Uint8Array[][] = []
  #keptBytes = 0

  constructor(blockLength: number) {
    this.#blockLength = blockLength
    for (let size = 1; size <= FRAME_BLOCKS_MAX; size *= 2) this.#free.push([])
  }

  /** Room for at least `blockCount` blocks with their headers. */
  take(blockCount: number): Uint8Array {
    const sizeClass = Math.ceil(Math.log2(blockCount))
    const kept = this.#free[sizeClass]?.pop()
    if (kept === undefined) return new Uint8Array(2 ** sizeClass * (this.#blockLength + PIECE_HEADER_LENGTH))
    this.#keptBytes -= kept.length
    return kept
  }

  release(frame: Uint8Array): void {
    if (this.#keptBytes + frame.length > KEPT_BYTES_MAX) return
    this.#keptBytes += frame.length
    const blockCount = frame.length / (this.#blockLength + PIECE_HEADER_LENGTH)
    this.#free[Math.log2(blockCount)]?.push(frame)
  }
}
