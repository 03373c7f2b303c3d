/**
 * How a run of requested blocks lies in a frame: a `piece` message for each, or for several whole ones
 * together where the peer takes that (docs/decisions/0022-long-messages.md).
 */
import { PIECE_HEADER_LENGTH, writePieceHeader } from '../wire/peer-messages.ts'
import type { Frame } from './frame-pool.ts'
import type { Geometry } from './geometry.ts'
import type { RequestQueue, RequestRun } from './request-queue.ts'

export interface FrameLayout {
  /** Where the bytes of the run are to be read into, in order. */
  readonly views: Uint8Array[]
  /** Bytes of the frame in use, headers included. */
  readonly length: number
}

/**
 * Writes the headers.
 * @param first how far from the head of the queue the run begins
 * @param together blocks in a message
 */
export function layBlocks(
  frame: Frame,
  run: RequestRun,
  requests: RequestQueue,
  first: number,
  geometry: Geometry,
  together: number,
): FrameLayout {
  return together > 1 && geometry.isBlocks(run.piece, run.begin, run.bytes) && isWhole(run, geometry)
    ? layTogether(frame, run, together * geometry.blockLength)
    : layApart(frame, run, requests, first, geometry)
}

/** As many requests as there are blocks: none of them is for a part of one. */
function isWhole({ bytes, count }: RequestRun, { blockLength }: Geometry): boolean {
  return Math.ceil(bytes / blockLength) === count
}

function layTogether({ bytes }: Frame, run: RequestRun, messageBytes: number): FrameLayout {
  const views: Uint8Array[] = []
  let at = 0
  for (let done = 0; done < run.bytes; done += messageBytes) {
    const length = Math.min(messageBytes, run.bytes - done)
    writePieceHeader(bytes, at, run.piece, run.begin + done, length)
    at += PIECE_HEADER_LENGTH
    views.push(bytes.subarray(at, at + length))
    at += length
  }
  return { views, length: at }
}

function layApart(
  { bytes, blocks }: Frame,
  run: RequestRun,
  requests: RequestQueue,
  first: number,
  geometry: Geometry,
): FrameLayout {
  const { blockLength } = geometry
  const { piece, begin, count } = run
  const views = blocks.slice(0, count)
  const end = geometry.pieceSize(piece) - begin
  let blockAt = 0
  for (let index = 0; index < count; index++) {
    const length = requests.lengthAt(first + index)
    const at = blockAt + (index + 1) * PIECE_HEADER_LENGTH
    writePieceHeader(bytes, at - PIECE_HEADER_LENGTH, piece, begin + blockAt, length)
    // A v2 peer may ask for a whole last block; what lies behind the end of the file is zero.
    const stored = Math.min(length, end - blockAt)
    if (stored < length) bytes.fill(0, at + stored, at + length)
    if (blockAt !== index * blockLength || stored !== blockLength)
      views[index] = bytes.subarray(at, at + stored)
    blockAt += length
  }
  return { views, length: run.bytes + count * PIECE_HEADER_LENGTH }
}
