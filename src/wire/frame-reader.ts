/**
 * Cuts a peer's byte stream into messages as it arrives, in whatever fragments.
 * A message begins with its head: length and type and, of messages that are many (have, request, piece), the
 * numbers behind them. A head that has come whole is read where it lies; what stands at the end of the bytes
 * at hand and may be only a part of one is kept until more come.
 * Blocks are copied straight into the place their piece is gathered, so payload is copied once and never
 * buffered here; everything else is small, capped by type (S13) and handed over whole.
 * Invariants: at most one partial small message is held, never more bytes than its type's cap; nothing is
 * read behind a fault.
 */
import { type CopyBytes, copyBytes, readUint32, writeUint32 } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail } from '../base/result.ts'
import { MESSAGE, PIECE_HEADER_LENGTH, writePieceHeader } from './peer-messages.ts'

/** A fault closes the connection. */
export interface FrameSink {
  /** A whole message other than those below; `payload` is borrowed. */
  onMessage(type: number, payload: Uint8Array): Fault | undefined
  onHave(piece: number): Fault | undefined
  onRequest(piece: number, begin: number, length: number): Fault | undefined
  /**
   * A block begins. Set `reader.target` and `reader.targetAt` to receive it; otherwise its bytes are skipped.
   */
  onBlockStart(piece: number, begin: number, length: number): Fault | undefined
  /** The block that began last is complete. */
  onBlockEnd(piece: number, begin: number, length: number): Fault | undefined
  onKeepAlive(): void
}

/** Of other messages than have, request and piece. */
const HEAD_LENGTH = 5
const HAVE_LENGTH = 9
const REQUEST_LENGTH = 17
const HEAD_LENGTH_MAX = REQUEST_LENGTH
/** The request, as many hashes as we ask for, and a proof through the tallest tree (BEP 52). */
const HASHES_LENGTH_MAX = 48 + 32 * (LIMITS.hashesPerRequestMax.value + 64)

/** Payload lengths that are fixed by the protocol, by type; -1 for others. */
const FIXED_LENGTHS = new Int8Array(256).fill(-1)
for (const [type, length] of [
  [MESSAGE.choke, 0],
  [MESSAGE.unchoke, 0],
  [MESSAGE.interested, 0],
  [MESSAGE.notInterested, 0],
  [MESSAGE.have, 4],
  [MESSAGE.request, 12],
  [MESSAGE.cancel, 12],
  [MESSAGE.port, 2],
  [MESSAGE.suggest, 4],
  [MESSAGE.haveAll, 0],
  [MESSAGE.haveNone, 0],
  [MESSAGE.reject, 12],
  [MESSAGE.allowedFast, 4],
  [MESSAGE.hashRequest, 48],
  [MESSAGE.hashReject, 48],
] as const)
  FIXED_LENGTHS[type] = length

export class FrameReader {
  /** Where the block now arriving goes; undefined to skip it. May be cleared while it arrives. */
  target: Uint8Array | undefined
  targetAt = 0

  readonly #sink: FrameSink
  readonly #copy: CopyBytes
  readonly #bitfieldLength: number
  /** The part of a head that has come. */
  readonly #head = new Uint8Array(HEAD_LENGTH_MAX)
  #headLength = 0
  /** Bytes behind the head of the current message still to come. */
  #remaining = 0
  #type = -1
  /** The payload of a small message that comes in parts. */
  #payload: Uint8Array | undefined
  #payloadAt = 0
  #piece = 0
  #begin = 0
  #blockLength = 0
  #fault: Fault | undefined

  /** @param pieceCount 0 while it is not known: a bitfield may then be as long as any */
  constructor(sink: FrameSink, pieceCount: number, copy: CopyBytes = copyBytes) {
    this.#sink = sink
    this.#copy = copy
    this.#bitfieldLength = Math.ceil(pieceCount / 8)
  }

  /**
   * What has come of a frame that is not whole yet, from its first byte on, so that another reader can go on;
   * the bytes of a block that nobody wanted are zeros.
   */
  unfinished(): Uint8Array {
    if (this.#remaining === 0) return this.#head.slice(0, this.#headLength)
    if (this.#type === MESSAGE.piece) {
      const taken = new Uint8Array(PIECE_HEADER_LENGTH + this.#blockLength - this.#remaining)
      writePieceHeader(taken, 0, this.#piece, this.#begin, this.#blockLength)
      return taken
    }
    const taken = new Uint8Array(HEAD_LENGTH + this.#payloadAt)
    writeUint32(taken, 0, 1 + this.#payloadAt + this.#remaining)
    taken[4] = this.#type
    if (this.#payload !== undefined) taken.set(this.#payload.subarray(0, this.#payloadAt), HEAD_LENGTH)
    return taken
  }

  /** Takes in all of `bytes` (borrowed), or stops at the first fault. */
  push(bytes: Uint8Array): Fault | undefined {
    let at = 0
    while (at < bytes.length && this.#fault === undefined) {
      if (this.#remaining > 0)
        at += this.#type === MESSAGE.piece ? this.#takeBlock(bytes, at) : this.#takePayload(bytes, at)
      else if (this.#headLength === 0 && bytes.length - at >= HEAD_LENGTH_MAX)
        at += this.#readHead(bytes, at, HEAD_LENGTH_MAX)
      else at += this.#gatherHead(bytes, at)
    }
    return this.#fault
  }

  /**
   * Joins what was kept with what has come, as far as a head may go. Like those below, gives the bytes taken.
   */
  #gatherHead(bytes: Uint8Array, at: number): number {
    const kept = this.#headLength
    const count = Math.min(HEAD_LENGTH_MAX, kept + bytes.length - at)
    for (let i = kept; i < count; i++) this.#head[i] = bytes[at + i - kept]!
    this.#headLength = 0
    const length = this.#readHead(this.#head, 0, count)
    if (length > 0) return length - kept
    this.#headLength = count
    return count - kept
  }

  /**
   * Reads a head of which `count` bytes are at hand; gives its length, 0 when that is not all of it. A wrong
   * length is a fault as soon as the type is there.
   */
  #readHead(bytes: Uint8Array, at: number, count: number): number {
    if (count < 4) return 0
    const frameLength = readUint32(bytes, at)
    if (frameLength === 0) {
      this.#sink.onKeepAlive()
      return 4
    }
    if (count < HEAD_LENGTH) return 0
    const type = bytes[at + 4]!
    this.#fault = this.#checkLength(type, frameLength - 1)
    if (this.#fault !== undefined) return HEAD_LENGTH
    switch (type) {
      case MESSAGE.piece:
        if (count < PIECE_HEADER_LENGTH) return 0
        this.#blockStarts(readUint32(bytes, at + 5), readUint32(bytes, at + 9), frameLength - 9)
        return PIECE_HEADER_LENGTH
      case MESSAGE.request:
        if (count < REQUEST_LENGTH) return 0
        this.#fault = this.#sink.onRequest(
          readUint32(bytes, at + 5),
          readUint32(bytes, at + 9),
          readUint32(bytes, at + 13),
        )
        return REQUEST_LENGTH
      case MESSAGE.have:
        if (count < HAVE_LENGTH) return 0
        this.#fault = this.#sink.onHave(readUint32(bytes, at + 5))
        return HAVE_LENGTH
      default:
        this.#type = type
        this.#remaining = frameLength - 1
        this.#payloadAt = 0
        if (this.#remaining === 0) this.#fault = this.#sink.onMessage(type, EMPTY)
        return HEAD_LENGTH
    }
  }

  #checkLength(type: number, length: number): Fault | undefined {
    if (type === MESSAGE.piece) {
      if (length < 8) return fault('wire/bad-length', type, length)
      return length - 8 <= LIMITS.longMessageBytesMax.value
        ? undefined
        : fault('wire/block-too-large', type, length)
    }
    const fixed = FIXED_LENGTHS[type]!
    if (fixed >= 0) return length === fixed ? undefined : fault('wire/bad-length', type, length)
    if (type === MESSAGE.bitfield) {
      const isRight =
        this.#bitfieldLength === 0 ? length <= LIMITS.piecesMax.value / 8 : length === this.#bitfieldLength
      return isRight ? undefined : fault('wire/bad-length', type, length)
    }
    if (type === MESSAGE.hashes && length > HASHES_LENGTH_MAX) return fault('wire/bad-length', type, length)
    return length <= LIMITS.extensionMessageBytesMax.value
      ? undefined
      : fault('wire/message-too-large', type, length)
  }

  #blockStarts(piece: number, begin: number, length: number): void {
    this.#type = MESSAGE.piece
    this.#piece = piece
    this.#begin = begin
    this.#blockLength = length
    this.target = undefined
    this.#fault = this.#sink.onBlockStart(piece, begin, length)
    if (this.#fault !== undefined) return
    this.#remaining = length
    if (length === 0) this.#blockEnds()
  }

  #takeBlock(bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.#remaining, bytes.length - at)
    if (this.target !== undefined) {
      this.#copy(bytes, at, at + taken, this.target, this.targetAt)
      this.targetAt += taken
    }
    this.#remaining -= taken
    if (this.#remaining === 0) this.#blockEnds()
    return taken
  }

  #blockEnds(): void {
    this.#fault = this.#sink.onBlockEnd(this.#piece, this.#begin, this.#blockLength)
    this.target = undefined
  }

  #takePayload(bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.#remaining, bytes.length - at)
    let payload = bytes.subarray(at, at + taken)
    if (this.#payload !== undefined || taken < this.#remaining) {
      this.#payload ??= new Uint8Array(this.#remaining)
      this.#payload.set(payload, this.#payloadAt)
      payload = this.#payload
    }
    this.#payloadAt += taken
    this.#remaining -= taken
    if (this.#remaining === 0) {
      this.#payload = undefined
      this.#fault = this.#sink.onMessage(this.#type, payload)
    }
    return taken
  }
}

const EMPTY = new Uint8Array(0)

function fault(code: string, type: number, length: number): Fault {
  return fail(code, `message of type ${type} with ${length} bytes of payload`).error
}
