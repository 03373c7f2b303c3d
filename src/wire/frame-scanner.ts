/**
 * Names the messages in one direction of a peer connection as they pass, for logs: it reads the heads of
 * frames and skips what follows, and never says that anything is wrong. BEP 3, 6, 10, 52.
 * Invariant: it holds at most the 68 bytes of a handshake, and stops at the first thing that is none.
 */
import { readUint32 } from '../base/bytes.ts'
import { HANDSHAKE_LENGTH, isHandshakeStart } from './handshake.ts'
import { MESSAGE } from './peer-messages.ts'

export interface ScannedMessage {
  /** `handshake`, `keep-alive`, `have`, `request`, ...; `type-99` of one that has no name. */
  readonly message: string
  /** Of have, request, piece, cancel, reject, suggest and allowed fast. */
  readonly piece?: number
  readonly begin?: number
  /** Of a block: its bytes; of other messages: those of the payload. */
  readonly length?: number
  /** Of an extension message: its number; 0 is the extension handshake. */
  readonly extension?: number
}

const NAMES = new Map<number, string>(
  Object.entries(MESSAGE).map(([name, type]) => [type, name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)]),
)
const RANGES: ReadonlySet<number> = new Set([MESSAGE.request, MESSAGE.cancel, MESSAGE.reject])
const NUMBERS: ReadonlySet<number> = new Set([MESSAGE.have, MESSAGE.suggest, MESSAGE.allowedFast])

export class FrameScanner {
  readonly #tell: (message: ScannedMessage) => void
  readonly #head = new Uint8Array(HANDSHAKE_LENGTH)
  #headLength = 0
  #wanted = HANDSHAKE_LENGTH
  #isGreeted = false
  #isLost = false
  /** Bytes of the frame that nobody needs. */
  #skip = 0

  constructor(tell: (message: ScannedMessage) => void) {
    this.#tell = tell
  }

  /** @param bytes borrowed */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isLost; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at)
        this.#skip -= skipped
        at += skipped
        continue
      }
      const taken = Math.min(this.#wanted - this.#headLength, bytes.length - at)
      this.#head.set(bytes.subarray(at, at + taken), this.#headLength)
      this.#headLength += taken
      at += taken
      if (this.#headLength === this.#wanted) this.#headIsThere()
    }
  }

  #headIsThere(): void {
    if (!this.#isGreeted) {
      this.#isGreeted = true
      this.#isLost = !isHandshakeStart(this.#head)
      if (!this.#isLost) this.#tell({ message: 'handshake' })
      return this.#next(0)
    }
    const length = readUint32(this.#head, 0)
    if (this.#wanted === 4) {
      if (length > 0) {
        this.#wanted = 4 + Math.min(length, 13)
        return
      }
      this.#tell({ message: 'keep-alive' })
      return this.#next(0)
    }
    this.#tell(this.#read(length))
    this.#next(length - (this.#wanted - 4))
  }

  #read(length: number): ScannedMessage {
    const type = this.#head[4]!
    const message = NAMES.get(type) ?? `type-${type}`
    const piece = readUint32(this.#head, 5)
    if (NUMBERS.has(type) && length === 5) return { message, piece }
    if (RANGES.has(type) && length === 13)
      return { message, piece, begin: readUint32(this.#head, 9), length: readUint32(this.#head, 13) }
    if (type === MESSAGE.piece && length >= 9)
      return { message, piece, begin: readUint32(this.#head, 9), length: length - 9 }
    if (type === MESSAGE.extended && length >= 2)
      return { message, extension: this.#head[5]!, length: length - 2 }
    return length === 1 ? { message } : { message, length: length - 1 }
  }

  #next(skip: number): void {
    this.#skip = skip
    this.#wanted = 4
    this.#headLength = 0
  }
}
