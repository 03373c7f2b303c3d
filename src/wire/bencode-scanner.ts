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
 * Values, keys and ends in source order. Value `t` begins at the byte `starts[t]`, and what is after it is
 * `nextToken(tape, t)`; what it is, its first byte says. One token more stands for the end of the source.
 */
export interface Tape {
  readonly source: Uint8Array
  readonly starts: Uint32Array
  /** Of lists and dictionaries; 0 for whatever holds nothing. */
  readonly nexts: Uint32Array
}

/** Where what is after this value begins on the tape. */
export function nextToken({ nexts }: Tape, token: number): number {
  return nexts[token]! || token + 1
}

export class BencodeScanner {
  readonly #source: Uint8Array
  readonly #depthMax: number
  readonly #tokensMax: number
  readonly #lenient: boolean
  readonly #keepsTape: boolean
  /** Bounded by bencodeTokensMax. */
  #room = 64
  #starts = new Uint32Array(this.#room)
  #nexts = new Uint32Array(this.#room)
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

  /**
   * Reads one value with all it contains, or says what is wrong with it.
   * One loop that calls nothing for most tokens: a `.torrent` of 20,000 files has 180,000 of them, and they
   * are the first thing that a program does, before V8 has compiled anything well.
   */
  scan(): Fault | undefined {
    const source = this.#source
    const { length } = source
    const keepsTape = this.#keepsTape
    const depthMax = this.#depthMax
    const tokensMax = this.#tokensMax
    let starts = this.#starts
    let count = 0
    /** Tokens of what is open, outermost first. Bounded by bencodeDepthMax. */
    const open: number[] = []
    /** Whether each of them is a dictionary, and its key before, to see that keys ascend. */
    const areDicts: boolean[] = []
    const lastKeys: (Uint8Array | undefined)[] = []
    let isDict = false
    /** Between two members of a dictionary, not between a key and its value. */
    let isKeyDue = false
    let { at } = this
    do {
      const start = at
      const first = source[start]!
      this.at = start
      if (open.length >= depthMax) return this.#fault('bencode/too-deep', 'is nested too deeply')
      if (count >= tokensMax) return this.#fault('bencode/too-many-tokens', 'holds too many values')
      const token = count++
      if (keepsTape) {
        if (token >= this.#room) starts = this.#grow()
        starts[token] = start
      }
      if (first >= ZERO && first <= NINE) {
        let size = 0
        for (let byte = first; byte >= ZERO && byte <= NINE; byte = source[++at]!) {
          size = 10 * size + byte - ZERO
          if (size > length) return this.#fault('bencode/bad-length', 'has a string longer than the data')
        }
        if (at >= length) return this.#truncated()
        if (source[at] !== COLON)
          return this.#fault('bencode/unexpected-byte', 'has a string length without a colon')
        if (first === ZERO && at - start > 1 && !this.#lenient)
          return this.#fault('bencode/bad-length', 'has a string length with a zero in front')
        if (size > length - at - 1) return this.#truncated()
        at += 1 + size
        if (isDict && isKeyDue && !this.#lenient) {
          this.at = at
          const key = source.subarray(at - size, at)
          const last = lastKeys.at(-1)
          if (last !== undefined && compareBytes(last, key) >= 0)
            return this.#fault('bencode/unsorted-keys', 'has keys that are out of order or repeat')
          lastKeys[lastKeys.length - 1] = key
        }
        isKeyDue = !isKeyDue
      } else if (first === END) {
        if (open.length === 0) return this.#fault('bencode/unexpected-byte', 'ends before it begins')
        if (isDict && !isKeyDue) return this.#fault('bencode/missing-value', 'has a key without a value')
        at++
        const container = open.pop()!
        if (keepsTape) this.#nexts[container] = count
        areDicts.pop()
        lastKeys.pop()
        isDict = areDicts.at(-1) === true
        isKeyDue = true
      } else if (start >= length) {
        return this.#truncated()
      } else if (isDict && isKeyDue) {
        return this.#fault('bencode/unexpected-byte', 'has a key that is no string')
      } else if (first === INTEGER) {
        const fault = this.#scanInteger()
        if (fault !== undefined) return fault
        at = this.at
        isKeyDue = true
      } else if (first === DICT || first === LIST) {
        open.push(token)
        isDict = first === DICT
        areDicts.push(isDict)
        lastKeys.push(undefined)
        at++
        isKeyDue = true
      } else return this.#fault('bencode/unexpected-byte', 'has an unknown kind of value')
    } while (open.length > 0)
    this.at = at
    this.#count = count
    return undefined
  }

  finish(): Tape {
    if (this.#count >= this.#room) this.#grow()
    this.#starts[this.#count] = this.at
    return { source: this.#source, starts: this.#starts, nexts: this.#nexts }
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
    this.at = at + 1
    return undefined
  }

  #grow(): Uint32Array<ArrayBuffer> {
    this.#room *= 2
    this.#starts = lengthened(this.#starts, this.#room)
    this.#nexts = lengthened(this.#nexts, this.#room)
    return this.#starts
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

function lengthened(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(length)
  larger.set(array)
  return larger
}
