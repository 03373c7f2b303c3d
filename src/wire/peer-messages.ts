/**
 * The peer protocol's messages as numbers and the writer that encodes them: BEP 3, 5, 6, 10, 52.
 * A frame is a 4-byte big-endian length, one byte of type, then the payload; length 0 is a keep-alive.
 * Invariant: the writer only ever appends whole frames, so `take` may be called between any two of them.
 */
import { readUint32, writeUint32 } from '../base/bytes.ts'

export const MESSAGE = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
  hashes: 22,
  hashReject: 23,
} as const

/** Length prefix, type, piece index, begin: what stands before a block on the wire. */
export const PIECE_HEADER_LENGTH = 13

const FIRST_CAPACITY = 1024

export class MessageWriter {
  #bytes = new Uint8Array(FIRST_CAPACITY)
  #length = 0
  readonly #began: () => void

  /** @param began called with the first byte after each `take` */
  constructor(began: () => void = () => {}) {
    this.#began = began
  }

  get isEmpty(): boolean {
    return this.#length === 0
  }

  /** Everything written since the last call. The receiver owns it. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return bytes
  }

  /** Bytes that are no frame: the handshake. */
  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  keepAlive(): void {
    writeUint32(this.#bytes, this.#reserve(4), 0)
  }

  /** A message without payload: choke, unchoke, interested, not interested, have all, have none. */
  plain(type: number): void {
    this.#begin(type, 0)
  }

  /** A message of one number: have, allowed fast, suggest. */
  number(type: number, value: number): void {
    const at = this.#begin(type, 4)
    writeUint32(this.#bytes, at, value)
  }

  /** request, cancel and reject share one shape. */
  block(type: number, piece: number, begin: number, length: number): void {
    const at = this.#begin(type, 12)
    writeUint32(this.#bytes, at, piece)
    writeUint32(this.#bytes, at + 4, begin)
    writeUint32(this.#bytes, at + 8, length)
  }

  bitfield(bits: Uint8Array): void {
    const at = this.#begin(MESSAGE.bitfield, bits.length)
    this.#bytes.set(bits, at)
  }

  /** BEP 10: `id` 0 is the handshake, others are what the receiver named in its own. */
  extended(id: number, payload: Uint8Array): void {
    const at = this.#begin(MESSAGE.extended, 1 + payload.length)
    this.#bytes[at] = id
    this.#bytes.set(payload, at + 1)
  }

  /** Any message whose payload is written already. */
  bytes(type: number, payload: Uint8Array): void {
    const at = this.#begin(type, payload.length)
    this.#bytes.set(payload, at)
  }

  /** Where the payload goes. `#bytes` may be another buffer afterwards. */
  #begin(type: number, payloadLength: number): number {
    const at = this.#reserve(5 + payloadLength)
    writeUint32(this.#bytes, at, 1 + payloadLength)
    this.#bytes[at + 4] = type
    return at + 5
  }

  #reserve(count: number): number {
    const at = this.#length
    if (at + count > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, at + count))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    this.#length = at + count
    if (at === 0) this.#began()
    return at
  }
}

/** Writes the 13 bytes before a block of `length` bytes. */
export function writePieceHeader(
  into: Uint8Array,
  at: number,
  piece: number,
  begin: number,
  length: number,
): void {
  writeUint32(into, at, 9 + length)
  into[at + 4] = MESSAGE.piece
  writeUint32(into, at + 5, piece)
  writeUint32(into, at + 9, begin)
}

export interface BlockRange {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

/** Payload of request, cancel or reject; its 12 bytes were checked by the frame reader. */
export function readBlockRange(payload: Uint8Array): BlockRange {
  return { piece: readUint32(payload, 0), begin: readUint32(payload, 4), length: readUint32(payload, 8) }
}
