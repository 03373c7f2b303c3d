/**
 * Which piece length and format a new torrent gets, and the reason to tell its maker.
 * Length: the power of two from 16 KiB to 16 MiB that gives 1,000 to 2,000 pieces; where every file begins a
 * piece it is halved while padding would be more than a quarter, which gives many small files more pieces.
 * Format: hybrid while that costs little in pieces, padding and files, else v1, which every program reads.
 */
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail, ok, type Result } from '../base/result.ts'
import type { Format } from './metainfo.ts'

export interface FormatRequest {
  readonly format: Format | 'auto'
  /** Bytes; automatic when absent. One that is no power of two implies v1. */
  readonly pieceLength?: number
  /** Begin every file of a v1 torrent at a piece boundary; v2 and hybrid always do. */
  readonly align?: boolean
}

export interface FormatPlan {
  readonly format: Format
  /** Bytes. */
  readonly pieceLength: number
  /** Every file begins a piece. */
  readonly isAligned: boolean
  readonly pieceCount: number
  /** One line: why this format. */
  readonly reason: string
  readonly warnings: readonly Fault[]
}

/** BEP 52; blocks are as long. */
const PIECE_LENGTH_MIN = 16 * 1024
/** Larger pieces make a bad block expensive. */
const PIECE_LENGTH_AUTO_MAX = 16 * 1024 * 1024
const PIECE_COUNT_AIM = 2000

/**
 * Beyond these `auto` writes no hybrid: its file would be twice as long, and v1-only
 * programs fetch the padding.
 */
const HYBRID_PIECES_MAX = 65_536
const HYBRID_FILES_MAX = 20_000
const HYBRID_PADDING_MAX = 0.25

/**
 * Fails with `metainfo/no-content`, `metainfo/bad-piece-length` or `metainfo/too-many-pieces`.
 * @param lengths bytes of every file, in the torrent's order
 */
export function planFormat(lengths: readonly number[], request: FormatRequest): Result<FormatPlan> {
  if (!lengths.some((length) => length > 0))
    return fail('metainfo/no-content', 'there is no byte to share', 'Add a file that is not empty.')
  const asked = request.pieceLength
  const fault = asked === undefined ? undefined : pieceLengthFault(asked, request.format)
  if (fault !== undefined) return { ok: false, error: fault }
  const isOdd = asked !== undefined && !isPowerOfTwo(asked)

  const alignedLength = asked ?? automaticLength(lengths, true)
  const obstacle = isOdd ? `${asked} B is no power of two` : hybridObstacle(lengths, alignedLength)
  const format = request.format !== 'auto' ? request.format : obstacle === undefined ? 'hybrid' : 'v1'
  const isAligned = format !== 'v1' || request.align === true
  // Gaps in v2 cost nothing, so only padding is a reason for shorter pieces.
  const pieceLength =
    asked ?? (isAligned && format !== 'v2' ? alignedLength : automaticLength(lengths, false))
  const pieceCount = isAligned
    ? alignedPieceCount(lengths, pieceLength)
    : Math.ceil(sum(lengths) / pieceLength)
  if (pieceCount > LIMITS.piecesMax.value)
    return fail(
      'metainfo/too-many-pieces',
      `${pieceCount} pieces of ${pieceLength} B are too many`,
      'Choose a larger piece length.',
    )
  return ok({
    format,
    pieceLength,
    isAligned,
    pieceCount,
    reason:
      request.format === 'auto'
        ? autoReason(lengths, pieceLength, pieceCount, obstacle)
        : `${format} as asked`,
    warnings: isOdd ? [oddLengthWarning(pieceLength)] : [],
  })
}

function pieceLengthFault(length: number, format: Format | 'auto'): Fault | undefined {
  const code = 'metainfo/bad-piece-length'
  if (!Number.isInteger(length) || length < PIECE_LENGTH_MIN)
    return {
      code,
      message: `the piece length must be >= ${PIECE_LENGTH_MIN}`,
      hint: 'Leave it out to have it chosen.',
    }
  if (length > LIMITS.pieceLengthMax.value)
    return {
      code,
      message: `the piece length must be <= ${LIMITS.pieceLengthMax.value}`,
      hint: 'Choose a shorter one.',
    }
  if (isPowerOfTwo(length) || format === 'auto' || format === 'v1') return undefined
  const hint = 'Use a power of two, or format v1.'
  return { code, message: `pieces of ${length} B are possible in v1 only`, hint }
}

function automaticLength(lengths: readonly number[], isAligned: boolean): number {
  const total = sum(lengths)
  let length = PIECE_LENGTH_MIN
  while (total / length > PIECE_COUNT_AIM && length < PIECE_LENGTH_AUTO_MAX) length *= 2
  while (
    isAligned &&
    length > PIECE_LENGTH_MIN &&
    paddingShare(lengths, length) > HYBRID_PADDING_MAX &&
    alignedPieceCount(lengths, length / 2) <= HYBRID_PIECES_MAX
  )
    length /= 2
  return length
}

/** What speaks against a hybrid; undefined when nothing does. */
function hybridObstacle(lengths: readonly number[], pieceLength: number): string | undefined {
  if (lengths.length > HYBRID_FILES_MAX)
    return `${lengths.length} files are more than the ${HYBRID_FILES_MAX} of a hybrid`
  const pieceCount = alignedPieceCount(lengths, pieceLength)
  if (pieceCount > HYBRID_PIECES_MAX)
    return `a hybrid would have ${pieceCount} pieces, more than ${HYBRID_PIECES_MAX}`
  const share = paddingShare(lengths, pieceLength)
  if (share <= HYBRID_PADDING_MAX) return undefined
  return share > 1
    ? `a hybrid would have far more than ${percent(HYBRID_PADDING_MAX)} padding`
    : `a hybrid would have ${percent(share)} padding, more than ${percent(HYBRID_PADDING_MAX)}`
}

function autoReason(
  lengths: readonly number[],
  pieceLength: number,
  pieceCount: number,
  obstacle: string | undefined,
): string {
  if (obstacle !== undefined) return `v1: ${obstacle}`
  return `hybrid: ${pieceCount} ${pieceCount === 1 ? 'piece' : 'pieces'} of ${pieceLength} B, ${percent(paddingShare(lengths, pieceLength))} padding`
}

function oddLengthWarning(pieceLength: number): Fault {
  return {
    code: 'metainfo/odd-piece-length',
    message: `pieces of ${pieceLength} B are no power of two; some programs refuse such a torrent`,
    hint: 'Leave the piece length out to have one chosen that every program takes.',
  }
}

/** Padding between the files for each byte of content. */
function paddingShare(lengths: readonly number[], pieceLength: number): number {
  const last = lengths.findLastIndex((length) => length > 0)
  let padding = 0
  for (let i = 0; i < last; i++) padding += (pieceLength - (lengths[i]! % pieceLength)) % pieceLength
  return padding / sum(lengths)
}

function alignedPieceCount(lengths: readonly number[], pieceLength: number): number {
  return lengths.reduce((count, length) => count + Math.ceil(length / pieceLength), 0)
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0)
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value))
}

function percent(share: number): string {
  return `${Math.ceil(share * 100)} %`
}
