/**
 * The bytes of a resume journal: what is remembered of an unfinished download, as records that are only ever
 * appended.
 *
 *   log      = magic, record *
 *   record   = length of the body, CRC-32C of the body, body         32 bits each, big-endian
 *   body     = snapshot | pieces | marks                             told apart by their first byte
 *   snapshot = 'S', boot, piece count, file count, bitfield, mark *  always the first record, and only that
 *   pieces   = 'P', index *
 *   marks    = 'M', mark *
 *   mark     = file, state, print                                    32, 8 and 64 bits
 *
 * Invariant: whatever a log was cut down to, or whichever byte of it changed, what is read from it was true
 * when it was written: a record counts only with all before it, and only if its checksum is right.
 */
import { Bitfield } from '../base/bitfield.ts'
import { crc32c } from '../base/crc32c.ts'

/** How far a file's content may be believed while it looks the same. */
export const MARK = {
  none: 0,
  /** Until the machine starts anew: the system has its bytes, the disk perhaps not. */
  settled: 1,
  /** The disk has its bytes. */
  synced: 2,
} as const

export interface FileMark {
  readonly file: number
  readonly state: number
  /** What the file looked like (`filePrint`). */
  readonly print: bigint
}

/** What a log says. */
export class ResumeState {
  /** Verified and written. */
  readonly pieces: Bitfield
  readonly markStates: Uint8Array
  readonly prints: BigUint64Array

  constructor(pieceCount: number, fileCount: number) {
    this.pieces = new Bitfield(pieceCount)
    this.markStates = new Uint8Array(fileCount)
    this.prints = new BigUint64Array(fileCount)
  }

  mark({ file, state, print }: FileMark): void {
    this.markStates[file] = state
    this.prints[file] = print
  }

  *marks(): Generator<FileMark> {
    for (const [file, state] of this.markStates.entries())
      if (state !== MARK.none) yield { file, state, print: this.prints[file]! }
  }
}

const MAGIC = Buffer.from('shoal resume 2\n', 'latin1')
const HEAD_BYTES = 8
const MARK_BYTES = 13
/** Identifies one run of the operating system; zeros where it does not say. */
export const BOOT_BYTES = 16
const SNAPSHOT_HEAD_BYTES = 1 + BOOT_BYTES + 4 + 4
const TYPE = { snapshot: 0x53, pieces: 0x50, marks: 0x4d } as const

/** Longer than any log that `ResumeJournal` keeps of such a torrent. */
export function resumeLogBytesMax(pieceCount: number, fileCount: number): number {
  return 1024 * 1024 + 16 * pieceCount + 4 * MARK_BYTES * fileCount
}

/** A whole log of one record. @param boot `BOOT_BYTES` */
export function snapshotLog(state: ResumeState, boot: Uint8Array): Buffer {
  let markCount = 0
  for (const mark of state.markStates) if (mark !== MARK.none) markCount++
  const { bytes, length } = state.pieces
  const body = Buffer.alloc(SNAPSHOT_HEAD_BYTES + bytes.length + markCount * MARK_BYTES)
  body[0] = TYPE.snapshot
  body.set(boot, 1)
  body.writeUInt32BE(length, 1 + BOOT_BYTES)
  body.writeUInt32BE(state.markStates.length, 5 + BOOT_BYTES)
  body.set(bytes, SNAPSHOT_HEAD_BYTES)
  writeMarks(body, SNAPSHOT_HEAD_BYTES + bytes.length, state.marks())
  return Buffer.concat([MAGIC, record(body)])
}

export function piecesRecord(pieces: readonly number[]): Buffer {
  const body = Buffer.alloc(1 + 4 * pieces.length)
  body[0] = TYPE.pieces
  for (const [at, piece] of pieces.entries()) body.writeUInt32BE(piece, 1 + 4 * at)
  return record(body)
}

export function marksRecord(marks: readonly FileMark[]): Buffer {
  const body = Buffer.alloc(1 + MARK_BYTES * marks.length)
  body[0] = TYPE.marks
  writeMarks(body, 1, marks)
  return record(body)
}

/**
 * What a log says of a torrent with so many pieces and files. Marks that only held until the machine was
 * started anew are left out if it was. Of a log whose end was torn off the rest counts; `corrupt` when a
 * record that is there whole is not what was written, or it is another torrent's.
 * @param boot of the system as it runs now
 */
export function readResumeLog(
  log: Buffer,
  pieceCount: number,
  fileCount: number,
  boot: Uint8Array,
): ResumeState | 'corrupt' {
  const state = new ResumeState(pieceCount, fileCount)
  if (!log.subarray(0, MAGIC.length).equals(MAGIC)) return 'corrupt'
  let at = MAGIC.length
  let isSameBoot: boolean | undefined
  while (at + HEAD_BYTES <= log.length) {
    const end = at + HEAD_BYTES + log.readUInt32BE(at)
    if (end > log.length) break
    const body = log.subarray(at + HEAD_BYTES, end)
    if (body.length === 0 || crc32c(body) !== log.readUInt32BE(at + 4)) return 'corrupt'
    if (isSameBoot === undefined) {
      if (!readSnapshot(body, state)) return 'corrupt'
      isSameBoot = isBoot(body.subarray(1, 1 + BOOT_BYTES), boot)
    } else if (!readChange(body, state)) return 'corrupt'
    at = end
  }
  if (isSameBoot === undefined) return 'corrupt'
  if (!isSameBoot)
    for (const { file, state: mark, print } of state.marks())
      if (mark === MARK.settled) state.mark({ file, state: MARK.none, print })
  return state
}

function isBoot(saved: Uint8Array, boot: Uint8Array): boolean {
  return boot.some((byte) => byte !== 0) && Buffer.compare(saved, boot) === 0
}

function readSnapshot(body: Buffer, state: ResumeState): boolean {
  const { pieces, markStates } = state
  const marksAt = SNAPSHOT_HEAD_BYTES + pieces.bytes.length
  if (body[0] !== TYPE.snapshot || body.length < marksAt) return false
  if (body.readUInt32BE(1 + BOOT_BYTES) !== pieces.length) return false
  if (body.readUInt32BE(5 + BOOT_BYTES) !== markStates.length) return false
  const saved = Bitfield.fromBytes(body.subarray(SNAPSHOT_HEAD_BYTES, marksAt), pieces.length)
  for (const piece of saved?.ones() ?? []) pieces.set(piece)
  return saved !== undefined && readMarks(body, marksAt, state)
}

function readChange(body: Buffer, state: ResumeState): boolean {
  switch (body[0]) {
    case TYPE.pieces:
      for (let at = 1; at < body.length; at += 4) {
        const piece = at + 4 <= body.length ? body.readUInt32BE(at) : state.pieces.length
        if (piece >= state.pieces.length) return false
        state.pieces.set(piece)
      }
      return true
    case TYPE.marks:
      return readMarks(body, 1, state)
    default:
      return false
  }
}

function readMarks(body: Buffer, from: number, into: ResumeState): boolean {
  for (let at = from; at < body.length; at += MARK_BYTES) {
    if (at + MARK_BYTES > body.length) return false
    const file = body.readUInt32BE(at)
    const state = body[at + 4]!
    if (file >= into.markStates.length || state > MARK.synced) return false
    into.mark({ file, state, print: body.readBigUInt64BE(at + 5) })
  }
  return true
}

function writeMarks(body: Buffer, from: number, marks: Iterable<FileMark>): void {
  let at = from
  for (const { file, state, print } of marks) {
    body.writeUInt32BE(file, at)
    body[at + 4] = state
    body.writeBigUInt64BE(print, at + 5)
    at += MARK_BYTES
  }
}

function record(body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32BE(body.length)
  head.writeUInt32BE(crc32c(body), 4)
  return Buffer.concat([head, body])
}
