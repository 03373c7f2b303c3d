/**
 * Bencode (BEP 3). Decoding notes places, not values (`bencode-scanner.ts`); nodes are small views made when
 * asked for, and each knows its span of the source, so an infohash is taken over the original bytes.
 * Strict by default: canonical numbers, keys that ascend and do not repeat, nothing after the
 * value. Lenient reads what other programs have written: zeros before a number, keys in any order
 * (the first of equal keys counts).
 * Encoding is canonical, so equal values give equal bytes; a value that cannot be written
 * is a broken invariant.
 */
import { assert } from '../base/assert.ts'
import { compareBytes } from '../base/bytes.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, encodeUtf8, toLatin1 } from '../base/text.ts'
import {
  BencodeScanner,
  COLON,
  type DecodeOptions,
  DICT,
  INTEGER,
  LIST,
  MINUS,
  nextToken,
  stringBytes,
  type Tape,
  ZERO,
} from './bencode-scanner.ts'

export type BNode = BInteger | BString | BList | BDict

interface Span {
  /** First byte in the source. */
  readonly start: number
  /** One past the last byte in the source. */
  readonly end: number
}

export interface BInteger extends Span {
  readonly kind: 'integer'
  /** A bigint only beyond 2^53. */
  readonly value: number | bigint
}

export interface BString extends Span {
  readonly kind: 'string'
  /** A view of the source. */
  readonly bytes: Uint8Array
}

export interface BList extends Span {
  readonly kind: 'list'
  readonly items: readonly BNode[]
  readonly length: number
  /** What `start` and `end` count in. */
  readonly source: Uint8Array
  /** The item that begins at this byte. */
  memberAt(start: number): BNode
  /** The items one by one, for lists that are too long to have all their nodes at once. */
  members(): Generator<BNode>
}

export interface BDict extends Span {
  readonly kind: 'dict'
  /** What `start` and `end` count in. */
  readonly source: Uint8Array
  /** Keys are Latin-1, one character per byte. For a few known keys `get` is cheaper. */
  readonly entries: ReadonlyMap<string, BNode>
  /** Keys ascend by raw bytes and none repeats. */
  readonly sorted: boolean
  /** The first value with this key (Latin-1). */
  get(key: string): BNode | undefined
  /** Every key with its value, in source order, repeated keys too. */
  members(): Generator<[key: Uint8Array, value: BNode]>
}

/** Fails with `bencode/...`. The source is borrowed by the node. */
export function decodeBencode(bytes: Uint8Array, options: DecodeOptions = {}): Result<BNode> {
  const scanner = new BencodeScanner(bytes, options)
  const fault = scanner.scan()
  if (fault !== undefined) return { ok: false, error: fault }
  if (scanner.at < bytes.length && options.allowTrailing !== true)
    return fail('bencode/trailing-bytes', `bytes follow the bencoded value, which ends at byte ${scanner.at}`)
  return ok(nodeAt(scanner.finish(), 0))
}

/** Whether the bytes are one value in the only form that strict decoding takes. */
export function isCanonicalBencode(bytes: Uint8Array): boolean {
  const scanner = new BencodeScanner(bytes, {}, false)
  return scanner.scan() === undefined && scanner.at === bytes.length
}

/** Reads the value at the front, leniently, and says where it ends: messages of peers (BEP 9). */
export function decodeBencodePrefix(bytes: Uint8Array): Result<{ node: BNode; end: number }> {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  return decoded.ok ? ok({ node: decoded.value, end: decoded.value.end }) : decoded
}

/**
 * Text is written as UTF-8; keys are Latin-1, one character per byte; members that are
 * undefined are left out.
 */
export type BValue =
  | number
  | bigint
  | string
  | Uint8Array
  | BencodedBytes
  | readonly BValue[]
  | ReadonlyMap<string, BValue | undefined>
  | { readonly [key: string]: BValue | undefined }

/** A value that is bencoded already and goes in as it is. */
export class BencodedBytes {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export function encodeBencode(value: BValue): Uint8Array {
  const writer = new BencodeWriter()
  writer.value(value)
  return writer.finish()
}

/** The number under a key, when it is one and exact in a double. */
export function getInteger(dict: BDict, key: string): number | undefined {
  const node = dict.get(key)
  return node?.kind === 'integer' && typeof node.value === 'number' ? node.value : undefined
}

export function getBytes(dict: BDict, key: string): Uint8Array | undefined {
  const node = dict.get(key)
  return node?.kind === 'string' ? node.bytes : undefined
}

/** The text under a key, when it is well-formed UTF-8. */
export function getString(dict: BDict, key: string): string | undefined {
  const bytes = getBytes(dict, key)
  return bytes === undefined ? undefined : decodeUtf8(bytes)
}

export function getList(dict: BDict, key: string): BList | undefined {
  const node = dict.get(key)
  return node?.kind === 'list' ? node : undefined
}

export function getDict(dict: BDict, key: string): BDict | undefined {
  const node = dict.get(key)
  return node?.kind === 'dict' ? node : undefined
}

function nodeAt(tape: Tape, token: number): BNode {
  const start = tape.starts[token]!
  const end = tape.starts[nextToken(tape, token)]!
  switch (tape.source[start]) {
    case INTEGER:
      return { kind: 'integer', value: integerValue(tape.source, start + 1, end - 1), start, end }
    case LIST:
      return new ListNode(tape, token, start, end)
    case DICT:
      return new DictNode(tape, token, start, end)
    default:
      return { kind: 'string', bytes: stringBytes(tape.source, start, end), start, end }
  }
}

class ListNode implements BList {
  readonly kind = 'list'
  readonly start: number
  readonly end: number
  readonly #tape: Tape
  readonly #token: number
  #items: readonly BNode[] | undefined

  constructor(tape: Tape, token: number, start: number, end: number) {
    this.#tape = tape
    this.#token = token
    this.start = start
    this.end = end
  }

  get items(): readonly BNode[] {
    this.#items ??= [...this.members()]
    return this.#items
  }

  get length(): number {
    const tape = this.#tape
    const endToken = nextToken(tape, this.#token) - 1
    let length = 0
    for (let token = this.#token + 1; token < endToken; token = nextToken(tape, token)) length++
    return length
  }

  get source(): Uint8Array {
    return this.#tape.source
  }

  memberAt(start: number): BNode {
    const { starts } = this.#tape
    let first = this.#token + 1
    let end = nextToken(this.#tape, this.#token)
    while (end - first > 1) {
      const middle = (first + end) >>> 1
      if (starts[middle]! > start) end = middle
      else first = middle
    }
    assert(starts[first] === start, 'an item begins there')
    return nodeAt(this.#tape, first)
  }

  *members(): Generator<BNode> {
    const tape = this.#tape
    const endToken = nextToken(tape, this.#token) - 1
    for (let token = this.#token + 1; token < endToken; token = nextToken(tape, token))
      yield nodeAt(tape, token)
  }
}

class DictNode implements BDict {
  readonly kind = 'dict'
  readonly start: number
  readonly end: number
  readonly #tape: Tape
  readonly #token: number
  #entries: ReadonlyMap<string, BNode> | undefined

  constructor(tape: Tape, token: number, start: number, end: number) {
    this.#tape = tape
    this.#token = token
    this.start = start
    this.end = end
  }

  get source(): Uint8Array {
    return this.#tape.source
  }

  get entries(): ReadonlyMap<string, BNode> {
    if (this.#entries !== undefined) return this.#entries
    const entries = new Map<string, BNode>()
    for (const [bytes, value] of this.members()) {
      const key = toLatin1(bytes)
      if (!entries.has(key)) entries.set(key, value)
    }
    this.#entries = entries
    return entries
  }

  get sorted(): boolean {
    let last: Uint8Array | undefined
    for (const [key] of this.members()) {
      if (last !== undefined && compareBytes(last, key) >= 0) return false
      last = key
    }
    return true
  }

  get(key: string): BNode | undefined {
    const tape = this.#tape
    const { source, starts } = tape
    const endToken = nextToken(tape, this.#token) - 1
    for (let token = this.#token + 1; token < endToken; token = nextToken(tape, token + 1))
      if (endsWithText(source, starts[token]!, starts[token + 1]!, key)) return nodeAt(tape, token + 1)
    return undefined
  }

  *members(): Generator<[key: Uint8Array, value: BNode]> {
    const tape = this.#tape
    const { source, starts } = tape
    const endToken = nextToken(tape, this.#token) - 1
    for (let token = this.#token + 1; token < endToken; token = nextToken(tape, token + 1))
      yield [stringBytes(source, starts[token]!, starts[token + 1]!), nodeAt(tape, token + 1)]
  }
}

/**
 * Whether the bencoded string in this span is `text` (Latin-1); compared in place, for it
 * is asked for every key.
 */
function endsWithText(source: Uint8Array, start: number, end: number, text: string): boolean {
  const textAt = end - text.length
  if (textAt <= start || source[textAt - 1] !== COLON) return false
  for (let i = 0; i < text.length; i++) if (source[textAt + i] !== text.charCodeAt(i)) return false
  return source.indexOf(COLON, start) === textAt - 1
}

function integerValue(source: Uint8Array, start: number, end: number): number | bigint {
  let value = 0
  const isNegative = source[start] === MINUS
  for (let at = isNegative ? start + 1 : start; at < end; at++) value = value * 10 + (source[at]! - ZERO)
  if (value > Number.MAX_SAFE_INTEGER) return BigInt(toLatin1(source.subarray(start, end)))
  return isNegative && value !== 0 ? -value : value
}

const SHORT = 32
/**
 * From here on the buffer grows in smaller steps, and what is written is not copied to be cut to its length.
 */
const LONG = 1024 * 1024

/**
 * For long lists of one shape, part by part; whoever writes parts sees to it that they
 * are canonical together.
 */
export class BencodeWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  value(value: BValue): void {
    if (typeof value === 'number' || typeof value === 'bigint') this.#integer(value)
    else if (typeof value === 'string') this.#text(value)
    else if (value instanceof Uint8Array) this.#string(value)
    else if (value instanceof BencodedBytes) this.#append(value.bytes)
    else if (isList(value)) {
      this.ascii('l')
      for (const item of value) this.value(item)
      this.ascii('e')
    } else if (value instanceof Map) this.#dict([...value.keys()], (key) => value.get(key))
    else
      this.#dict(Object.keys(value), (key) => (value as { readonly [key: string]: BValue | undefined })[key])
  }

  /** Bytes by now. */
  get length(): number {
    return this.#length
  }

  finish(): Uint8Array {
    return this.#length < LONG ? this.#bytes.slice(0, this.#length) : this.#bytes.subarray(0, this.#length)
  }

  #integer(value: number | bigint): void {
    assert(typeof value === 'bigint' || Number.isSafeInteger(value), 'a bencoded number is a whole one')
    this.ascii(`i${value === 0 ? 0 : value}e`)
  }

  #string(bytes: Uint8Array): void {
    this.ascii(`${bytes.length}:`)
    this.#append(bytes)
  }

  /**
   * Made for the tens of thousands of small dictionaries of a file list: no list of pairs, no copies of keys.
   */
  #dict(keys: string[], memberOf: (key: string) => BValue | undefined): void {
    // The default order compares UTF-16 units, which in Latin-1 are the bytes.
    if (!isAscending(keys)) keys.sort((a, b) => (a < b ? -1 : 1))
    this.ascii('d')
    for (const key of keys) {
      const value = memberOf(key)
      if (value === undefined) continue
      this.ascii(`${key.length}:`)
      this.ascii(key)
      this.value(value)
    }
    this.ascii('e')
  }

  #text(text: string): void {
    if (!isAscii(text)) return this.#string(encodeUtf8(text))
    this.ascii(`${text.length}:`)
    this.ascii(text)
  }

  /** One byte for each character; also for Latin-1. */
  ascii(text: string): void {
    const { length } = text
    this.#reserve(length)
    // V8 makes a call of each store to a field's array at a field's place, until TurboFan has seen it.
    const bytes = this.#bytes
    const at = this.#length
    for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    this.#length = at + length
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    // For a name, `set` costs more than it copies.
    const { length } = bytes
    const target = this.#bytes
    const at = this.#length
    if (length < SHORT) for (let i = 0; i < length; i++) target[at + i] = bytes[i]!
    else target.set(bytes, at)
    this.#length = at + length
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return
    const factor = this.#bytes.length < LONG ? 2 : 1.25
    const larger = new Uint8Array(Math.ceil(Math.max(this.#bytes.length * factor, this.#length + length)))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

function isAscending(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! >= keys[i]!) return false
  return true
}

/** `Array.isArray` does not narrow readonly arrays. */
function isList(value: object): value is readonly BValue[] {
  return Array.isArray(value)
}
