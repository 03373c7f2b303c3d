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

export class BencodeScanner {
  readonly #source: Uint8Array
  readonly #depthMax: number
  readonly #tokensMax: number
  readonly #lenient: boolean
  readonly #keepsTape: boolean
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

  /**
   * Reads one value with all it contains, or says what is wrong with it.
   * One loop that calls nothing for most tokens: a `.torrent` of 20,000 files has 180,000 of them, and they
   * are the first thing that a program does, before V8 has compiled anything well.
   */
  scan(): Fault | undefined {
    const source = this.#source
    const { length } = source
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
      if (open.length >= this.#depthMax) return this.#fault('bencode/too-deep', 'is nested too deeply')
      if (this.#count >= this.#tokensMax)
        return this.#fault('bencode/too-many-tokens', 'holds too many values')
      if (isDigit(first)) {
        let size = 0
        for (; at < length && isDigit(source[at]!); at++) {
          size = 10 * size + source[at]! - ZERO
          if (size > length) return this.#fault('bencode/bad-length', 'has a string longer than the data')
        }
        if (at >= length) return this.#truncated()
        if (source[at] !== COLON)
          return this.#fault('bencode/unexpected-byte', 'has a string length without a colon')
        if (first === ZERO && at - start > 1 && !this.#lenient)
          return this.#fault('bencode/bad-length', 'has a string length with a zero in front')
        if (size > length - at - 1) return this.#truncated()
        this.#push(start)
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
        this.#push(start)
        at++
        const token = open.pop()!
        if (this.#keepsTape) this.#nexts[token] = this.#count
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
        open.push(this.#count)
        isDict = first === DICT
        areDicts.push(isDict)
        lastKeys.push(undefined)
        this.#push(start)
        at++
        isKeyDue = true
      } else return this.#fault('bencode/unexpected-byte', 'has an unknown kind of value')
    } while (open.length > 0)
    this.at = at
    return undefined
  }

  finish(): Tape {
    this.#push(this.at)
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
    this.#push(start)
    this.at = at + 1
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
