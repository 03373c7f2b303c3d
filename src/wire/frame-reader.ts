/**
 * Cuts a peer's byte stream into messages as it arrives, in whatever fragments.
 * Blocks are copied straight into the place their piece is gathered, so payload is copied once and never
 * buffered here; everything else is small, capped by type (S13) and handed over whole.
 * Invariant: at most one partial small message is held, never more bytes than its type's cap.
 */
import { type CopyBytes, copyBytes, readUint32 } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail } from '../base/result.ts'
import { MESSAGE } from './peer-messages.ts'

export interface FrameSink {
  /** A whole message other than a block; `payload` is borrowed. A fault closes the connection. */
  onMessage(type: number, payload: Uint8Array): Fault | undefined
  /**
   * A block begins. Set `reader.target` and `reader.targetAt` to receive it; otherwise its bytes are skipped.
   */
  onBlockStart(piece: number, begin: number, length: number): Fault | undefined
  /** The block that began last is complete. */
  onBlockEnd(piece: number, begin: number, length: number): Fault | undefined
  onKeepAlive(): void
}

const HEADER_LENGTH = 5
const BLOCK_HEADER_LENGTH = 13
/** The request, as many hashes as we ask for, and a proof through the tallest tree (BEP 52). */
const HASHES_LENGTH_MAX = 48 + 32 * (LIMITS.hashesPerRequestMax.value + 64)

/** Payload lengths that are fixed by the protocol. */
const FIXED_LENGTHS = new Map<number, number>([
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
])

export class FrameReader {
  /** Where the block now arriving goes; undefined to skip it. May be cleared while it arrives. */
  target: Uint8Array | undefined
  targetAt = 0

  readonly #sink: FrameSink
  readonly #copy: CopyBytes
  readonly #bitfieldLength: number
  readonly #header = new Uint8Array(BLOCK_HEADER_LENGTH)
  #headerLength = 0
  /** Payload bytes of the current message still to come; -1 while its header arrives. */
  #remaining = -1
  #type = -1
  #payload: Uint8Array | undefined
  #payloadAt = 0
  #piece = 0
  #begin = 0
  #blockLength = 0

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
    if (this.#remaining < 0) return this.#header.slice(0, this.#headerLength)
    const isBlock = this.#type === MESSAGE.piece
    const headerLength = isBlock ? BLOCK_HEADER_LENGTH : HEADER_LENGTH
    const frameLength = 4 + readUint32(this.#header, 0)
    const taken = new Uint8Array(frameLength - this.#remaining)
    taken.set(this.#header.subarray(0, headerLength))
    if (!isBlock && this.#payload !== undefined)
      taken.set(this.#payload.subarray(0, this.#payloadAt), headerLength)
    return taken
  }

  /** Takes in all of `bytes` (borrowed), or stops at the first fault. */
  push(bytes: Uint8Array): Fault | undefined {
    let at = 0
    while (at < bytes.length) {
      if (this.#remaining >= 0) {
        at = this.#takePayload(bytes, at)
        const fault = this.#remaining === 0 ? this.#finish() : undefined
        if (fault) return fault
        continue
      }
      const wanted = this.#wantedHeaderLength()
      const taken = Math.min(wanted - this.#headerLength, bytes.length - at)
      for (let i = 0; i < taken; i++) this.#header[this.#headerLength++] = bytes[at++]!
      const fault = this.#headerLength === wanted ? this.#headerArrived(wanted) : undefined
      if (fault) return fault
    }
    return undefined
  }

  #wantedHeaderLength(): number {
    if (this.#headerLength < 4) return 4
    if (this.#headerLength < HEADER_LENGTH) return HEADER_LENGTH
    return BLOCK_HEADER_LENGTH
  }

  #headerArrived(length: number): Fault | undefined {
    const frameLength = readUint32(this.#header, 0)
    if (length === 4) {
      if (frameLength > 0) return undefined
      this.#headerLength = 0
      this.#sink.onKeepAlive()
      return undefined
    }
    if (length === HEADER_LENGTH) {
      this.#type = this.#header[4]!
      const fault = this.#checkLength(frameLength - 1)
      if (fault || this.#type === MESSAGE.piece) return fault
      return this.#expect(frameLength - 1)
    }
    this.#piece = readUint32(this.#header, 5)
    this.#begin = readUint32(this.#header, 9)
    this.#blockLength = frameLength - 9
    this.target = undefined
    const fault = this.#sink.onBlockStart(this.#piece, this.#begin, this.#blockLength)
    return fault ?? this.#expect(this.#blockLength)
  }

  #checkLength(length: number): Fault | undefined {
    const type = this.#type
    if (type === MESSAGE.piece) {
      if (length < 8) return fault('wire/bad-length', type, length)
      return length - 8 <= LIMITS.blockLengthMax.value
        ? undefined
        : fault('wire/block-too-large', type, length)
    }
    const fixed = FIXED_LENGTHS.get(type)
    if (fixed !== undefined) return length === fixed ? undefined : fault('wire/bad-length', type, length)
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

  /** The header is complete and `length` payload bytes follow. */
  #expect(length: number): Fault | undefined {
    this.#headerLength = 0
    this.#remaining = length
    this.#payload = undefined
    this.#payloadAt = 0
    return length === 0 ? this.#finish() : undefined
  }

  #takePayload(bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.#remaining, bytes.length - at)
    if (this.#type === MESSAGE.piece) {
      if (this.target !== undefined) {
        this.#copy(bytes, at, at + taken, this.target, this.targetAt)
        this.targetAt += taken
      }
    } else if (this.#payload === undefined && taken === this.#remaining) {
      this.#payload = bytes.subarray(at, at + taken)
    } else {
      this.#payload ??= new Uint8Array(this.#remaining)
      this.#payload.set(bytes.subarray(at, at + taken), this.#payloadAt)
      this.#payloadAt += taken
    }
    this.#remaining -= taken
    return at + taken
  }

  #finish(): Fault | undefined {
    this.#remaining = -1
    if (this.#type === MESSAGE.piece) {
      const fault = this.#sink.onBlockEnd(this.#piece, this.#begin, this.#blockLength)
      this.target = undefined
      return fault
    }
    const payload = this.#payload ?? EMPTY
    this.#payload = undefined
    return this.#sink.onMessage(this.#type, payload)
  }
}

const EMPTY = new Uint8Array(0)

function fault(code: string, type: number, length: number): Fault {
  return fail(code, `message of type ${type} with ${length} bytes of payload`).error
}
