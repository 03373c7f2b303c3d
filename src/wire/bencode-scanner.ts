/**
 * The reading half of bencode (BEP 3): one pass without recursion that notes on a tape where every value
 * begins and which value follows it. `bencode.ts` makes nodes of it.
 * Invariant: a finished tape is well formed, so its readers check nothing again.
 * Bounded by bencodeDepthMax and bencodeTokensMax; the tape takes 8 bytes for a token.
 */
import { compareBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Fault } from '../base/result.ts'

export interface DecodeOptions {
  /** Ignore bytes after the value. */
  readonly allowTrailing?: boolean
  /** A value may stand inside fewer than this many lists and dictionaries. */
  readonly depthMax?: number
  /** Values, keys and ends of lists and dictionaries. */
  readonly tokensMax?: number
  readonly lenient?: boolean
}

export const ZERO = 0x30
const NINE = 0x39
export const MINUS = 0x2d
export const COLON = 0x3a
export const DICT = 0x64
export const END = 0x65
export const INTEGER = 0x69
export const LIST = 0x6c

/** Digits of a 64-bit number; nothing in any BEP is longer. */
const INTEGER_DIGITS_MAX = 20

/**
 * Values, keys and ends in source order. Value `t` spans the bytes `starts[t]` up to `starts[nexts[t]]`; what
 * it is, its first byte says. One token more stands for the end of the source.
 */
export interface Tape {
  readonly source: Uint8Array
  readonly starts: Uint32Array
  readonly nexts: Uint32Array
}

/** What is open: a list, or a dictionary between two keys or between a key and its value. */
interface Frame {
  readonly token: number
  readonly isDict: boolean
  expectsKey: boolean
  /** Span of the key before, to see that keys ascend. */
  lastKey: Uint8Array | undefined
}

export class BencodeScanner {
  readonly #source: Uint8Array
  readonly #depthMax: number
  readonly #tokensMax: number
  readonly #lenient: boolean
  readonly #keepsTape: boolean
  /** Bounded by bencodeDepthMax. */
  readonly #frames: Frame[] = []
  /** Bounded by bencodeTokensMax. */
  #starts = new Uint32Array(64)
  #nexts = new Uint32Array(64)
  #count = 0
  at = 0

  /** @param keepsTape false to learn only whether the value is well formed */
  constructor(source: Uint8Array, options: DecodeOptions, keepsTape = true) {
    this.#source = source
    this.#keepsTape = keepsTape
    this.#depthMax = options.depthMax ?? LIMITS.bencodeDepthMax.value
    this.#tokensMax = options.tokensMax ?? LIMITS.bencodeTokensMax.value
    this.#lenient = options.lenient === true
  }

  /** Reads one value with all it contains, or says what is wrong with it. */
  scan(): Fault | undefined {
    do {
      const frame = this.#frames.at(-1)
      if (this.#frames.length >= this.#depthMax)
        return this.#fault('bencode/too-deep', 'is nested too deeply')
      if (this.#count >= this.#tokensMax)
        return this.#fault('bencode/too-many-tokens', 'holds too many values')
      const fault = frame?.isDict === true ? this.#scanMember(frame) : this.#scanValue(frame)
      if (fault !== undefined) return fault
    } while (this.#frames.length > 0)
    return undefined
  }

  finish(): Tape {
    this.#push(this.at)
    return { source: this.#source, starts: this.#starts, nexts: this.#nexts }
  }

  #scanMember(frame: Frame): Fault | undefined {
    const first = this.#source[this.at]
    if (!frame.expectsKey) {
      if (first === END) return this.#fault('bencode/missing-value', 'has a key without a value')
      frame.expectsKey = true
      return this.#scanValue(frame)
    }
    if (first === END) return this.#scanValue(frame)
    const start = this.at
    const fault = this.#scanString(true)
    if (fault !== undefined) return fault
    frame.expectsKey = false
    if (this.#lenient) return undefined
    const key = stringBytes(this.#source, start, this.at)
    if (frame.lastKey !== undefined && compareBytes(frame.lastKey, key) >= 0)
      return this.#fault('bencode/unsorted-keys', 'has keys that are out of order or repeat')
    frame.lastKey = key
    return undefined
  }

  #scanValue(frame: Frame | undefined): Fault | undefined {
    const first = this.#source[this.at]
    switch (first) {
      case INTEGER:
        return this.#scanInteger()
      case LIST:
      case DICT:
        this.#frames.push({
          token: this.#count,
          isDict: first === DICT,
          expectsKey: true,
          lastKey: undefined,
        })
        this.#push(this.at++)
        return undefined
      case END:
        if (frame === undefined) return this.#fault('bencode/unexpected-byte', 'ends before it begins')
        this.#push(this.at++)
        if (this.#keepsTape) this.#nexts[frame.token] = this.#count
        this.#frames.pop()
        return undefined
      default:
        return this.#scanString(false)
    }
  }

  #scanInteger(): Fault | undefined {
    const source = this.#source
    const start = this.at
    let at = start + 1
    const isNegative = source[at] === MINUS
    if (isNegative) at++
    const digitsAt = at
    while (at < source.length && isDigit(source[at]!)) at++
    if (at >= source.length) return this.#truncated()
    const digitCount = at - digitsAt
    if (source[at] !== END || digitCount === 0 || digitCount > INTEGER_DIGITS_MAX)
      return this.#fault('bencode/bad-integer', 'has an integer that is none')
    if (!this.#lenient && source[digitsAt] === ZERO && (digitCount > 1 || isNegative))
      return this.#fault('bencode/bad-integer', 'has an integer with a zero in front')
    this.#push(start)
    this.at = at + 1
    return undefined
  }

  #scanString(isKey: boolean): Fault | undefined {
    const source = this.#source
    const start = this.at
    if (start >= source.length) return this.#truncated()
    if (!isDigit(source[start]!))
      return this.#fault(
        'bencode/unexpected-byte',
        isKey ? 'has a key that is no string' : 'has an unknown kind of value',
      )
    let at = start
    let length = 0
    while (at < source.length && isDigit(source[at]!)) {
      length = length * 10 + (source[at]! - ZERO)
      if (length > source.length)
        return this.#fault('bencode/bad-length', 'has a string longer than the data')
      at++
    }
    if (at >= source.length) return this.#truncated()
    if (source[at] !== COLON)
      return this.#fault('bencode/unexpected-byte', 'has a string length without a colon')
    if (!this.#lenient && source[start] === ZERO && at - start > 1)
      return this.#fault('bencode/bad-length', 'has a string length with a zero in front')
    if (length > source.length - at - 1) return this.#truncated()
    this.#push(start)
    this.at = at + 1 + length
    return undefined
  }

  #push(start: number): void {
    const token = this.#count++
    if (!this.#keepsTape) return
    if (token === this.#starts.length) {
      this.#starts = doubled(this.#starts)
      this.#nexts = doubled(this.#nexts)
    }
    this.#starts[token] = start
    this.#nexts[token] = token + 1
  }

  #truncated(): Fault {
    return this.#fault('bencode/truncated', 'is cut off')
  }

  #fault(code: string, what: string): Fault {
    return { code, message: `the bencoded data ${what} (at byte ${this.at})` }
  }
}

/** What stands after the colon of the bencoded string in this span. */
export function stringBytes(source: Uint8Array, start: number, end: number): Uint8Array {
  return source.subarray(source.indexOf(COLON, start) + 1, end)
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}

function doubled(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2)
  larger.set(array)
  return larger
}
