import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromLatin1, toLatin1 } from '../base/text.ts'
import {
  type BDict,
  BencodedBytes,
  type BNode,
  type BValue,
  decodeBencode,
  decodeBencodePrefix,
  encodeBencode,
  getBytes,
  getDict,
  getInteger,
  getList,
  getString,
  isCanonicalBencode,
} from './bencode.ts'
import type { DecodeOptions } from './bencode-scanner.ts'

function decode(text: string, options?: DecodeOptions): BNode {
  const decoded = decodeBencode(fromLatin1(text), options)
  if (!decoded.ok) throw new Error(`${decoded.error.code}: ${decoded.error.message}`)
  return decoded.value
}

function faultOf(text: string, options?: DecodeOptions): string | undefined {
  const decoded = decodeBencode(fromLatin1(text), options)
  return decoded.ok ? undefined : decoded.error.code
}

function dictOf(text: string, options?: DecodeOptions): BDict {
  const node = decode(text, options)
  if (node.kind !== 'dict') throw new Error('no dictionary')
  return node
}

/** The node as a plain value: bytes as Latin-1 text. */
function plain(node: BNode): unknown {
  switch (node.kind) {
    case 'integer':
      return node.value
    case 'string':
      return toLatin1(node.bytes)
    case 'list':
      return node.items.map(plain)
    case 'dict':
      return new Map([...node.entries].map(([key, value]) => [key, plain(value)]))
  }
}

const BYTES = fc.uint8Array({ maxLength: 20 })
const { value: VALUE } = fc.letrec<{ value: BValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    BYTES,
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .array(fc.tuple(BYTES.map(toLatin1), tie('value')), { maxLength: 5 })
      .map((members): BValue => new Map(members)),
  ),
}))

describe('decoding', () => {
  test('gives values with their places', () => {
    const root = dictOf('d3:cowli-7e0:e4:spamd1:ai1eee')
    expect(plain(root)).toEqual(
      new Map<string, unknown>([
        ['cow', [-7, '']],
        ['spam', new Map([['a', 1]])],
      ]),
    )
    expect([root.start, root.end, getList(root, 'cow')?.length]).toEqual([0, 29, 2])
    const spam = getDict(root, 'spam')!
    expect([spam.start, spam.end]).toEqual([20, 28])
    expect([...spam.members()].map(([key, value]) => [toLatin1(key), value.start, value.end])).toEqual([
      ['a', 24, 27],
    ])
  })

  test('keeps integers exact: numbers up to 2^53, bigints beyond', () => {
    expect(plain(decode('i9007199254740991e'))).toBe(9007199254740991)
    expect(plain(decode('i9007199254740992e'))).toBe(9007199254740992n)
    expect(plain(decode('i-9223372036854775808e'))).toBe(-9223372036854775808n)
    expect(plain(decode('i-0e', { lenient: true }))).toBe(0)
  })

  test('what is encoded canonically comes back byte for byte (S07)', () => {
    fc.assert(
      fc.property(VALUE, (value) => {
        const bytes = encodeBencode(value)
        const decoded = decodeBencode(bytes)
        expect(decoded.ok && toLatin1(encodeBencode(contentOf(decoded.value)))).toBe(toLatin1(bytes))
        expect(isCanonicalBencode(bytes)).toBe(true)
      }),
    )
  })

  test('no cut of a value is a value', () => {
    fc.assert(
      fc.property(VALUE, fc.nat(), (value, at) => {
        const bytes = encodeBencode(value)
        expect(decodeBencode(bytes.subarray(0, at % bytes.length)).ok).toBe(false)
      }),
    )
  })

  test.each([
    ['', 'bencode/truncated'],
    ['i', 'bencode/truncated'],
    ['i1', 'bencode/truncated'],
    ['ie', 'bencode/bad-integer'],
    ['i-e', 'bencode/bad-integer'],
    ['i--1e', 'bencode/bad-integer'],
    ['i+1e', 'bencode/bad-integer'],
    ['i1.0e', 'bencode/bad-integer'],
    ['i01e', 'bencode/bad-integer'],
    ['i-0e', 'bencode/bad-integer'],
    ['i-01e', 'bencode/bad-integer'],
    ['i123456789012345678901e', 'bencode/bad-integer'],
    ['3:ab', 'bencode/truncated'],
    ['3', 'bencode/bad-length'],
    ['03:abc', 'bencode/bad-length'],
    ['00:', 'bencode/bad-length'],
    ['99999999999999999999:a', 'bencode/bad-length'],
    ['-1:a', 'bencode/unexpected-byte'],
    ['1a', 'bencode/unexpected-byte'],
    ['x', 'bencode/unexpected-byte'],
    ['e', 'bencode/unexpected-byte'],
    ['l', 'bencode/truncated'],
    ['li1e', 'bencode/truncated'],
    ['d1:ae', 'bencode/missing-value'],
    ['di1ei2ee', 'bencode/unexpected-byte'],
    ['dlei2ee', 'bencode/unexpected-byte'],
    ['d1:bi1e1:ai1ee', 'bencode/unsorted-keys'],
    ['d1:ai1e1:ai1ee', 'bencode/unsorted-keys'],
    ['d2:aai1e1:ai1ee', 'bencode/unsorted-keys'],
    ['i1ei2e', 'bencode/trailing-bytes'],
  ])('refuses %j with %s', (text, code) => {
    expect(faultOf(text)).toBe(code)
    expect(isCanonicalBencode(fromLatin1(text))).toBe(false)
  })

  test('lenient takes zeros in front and keys in any order; the first of equal keys counts', () => {
    const dict = dictOf('d1:bi-0e1:ai007e1:ai8e02:cci1ee', { lenient: true })
    expect([getInteger(dict, 'a'), getInteger(dict, 'b'), getInteger(dict, 'cc')]).toEqual([7, 0, 1])
    expect(dict.entries.size).toBe(3)
    expect(plain(dict.entries.get('a')!)).toBe(7)
    expect(dict.sorted).toBe(false)
    expect(dictOf('d1:ai1e1:bi1ee').sorted).toBe(true)
    expect(dictOf('de').sorted).toBe(true)
  })

  test('lenient is no laxer about anything else', () => {
    for (const text of ['ie', 'i1.0e', '3:ab', 'd1:ae', 'di1ei2ee', 'i1ei2e', 'l'])
      expect(faultOf(text, { lenient: true })).toBeDefined()
  })

  test('a value stands inside fewer lists than the limit, and the limit costs no stack (S06)', () => {
    const nested = (depth: number) => `${'l'.repeat(depth)}${'e'.repeat(depth)}`
    expect(faultOf(nested(99))).toBeUndefined()
    expect(faultOf(nested(100))).toBe('bencode/too-deep')
    expect(faultOf('l'.repeat(1_000_000))).toBe('bencode/too-deep')
    expect(faultOf(nested(500_000), { depthMax: 500_001 })).toBeUndefined()
  })

  test('values, keys and ends are counted (S06)', () => {
    expect(faultOf('d1:ali1eee', { tokensMax: 6 })).toBeUndefined()
    expect(faultOf('d1:ali1eee', { tokensMax: 5 })).toBe('bencode/too-many-tokens')
  })

  test('keys may hold any byte, the colon too', () => {
    const dict = dictOf('d0:i1e3::b:i2e1:\xffi3ee')
    expect([getInteger(dict, ''), getInteger(dict, ':b:'), getInteger(dict, '\xff')]).toEqual([1, 2, 3])
    expect(dict.get('b:')).toBeUndefined()
    expect(dict.get('3::b:')).toBeUndefined()
  })

  test('getters take only what they are named for', () => {
    const dict = dictOf('d1:ai1e1:b2:\xc3\xa41:c1:\xff1:dle1:edee')
    expect([getInteger(dict, 'a'), getInteger(dict, 'b'), getInteger(dict, 'z')]).toEqual([
      1,
      undefined,
      undefined,
    ])
    expect([getString(dict, 'b'), getString(dict, 'c'), getString(dict, 'a')]).toEqual([
      'ä',
      undefined,
      undefined,
    ])
    expect(getBytes(dict, 'c')).toEqual(Uint8Array.of(0xff))
    expect([getList(dict, 'd')?.items, getList(dict, 'e'), getDict(dict, 'd')]).toEqual([
      [],
      undefined,
      undefined,
    ])
    expect(getInteger(dictOf('d1:ai9007199254740993ee'), 'a')).toBeUndefined()
  })

  test('a value in front of other bytes is read with its end, as in metadata messages', () => {
    const bytes = fromLatin1('d8:msg_typei1e5:piecei0eeDATA')
    const prefix = decodeBencodePrefix(bytes)
    expect(prefix.ok && toLatin1(bytes.subarray(prefix.value.end))).toBe('DATA')
    expect(faultOf('i1eDATA', { allowTrailing: true })).toBeUndefined()
    expect(decodeBencodePrefix(fromLatin1('DATA')).ok).toBe(false)
  })
})

describe('encoding', () => {
  test('sorts keys by raw bytes and leaves undefined members out', () => {
    const members = new Map<string, BValue | undefined>([
      ['b', 1],
      ['\xff', 2],
      ['a\x80', 3],
      ['a', 4],
      ['gone', undefined],
    ])
    expect(toLatin1(encodeBencode(members))).toBe('d1:ai4e2:a\x80i3e1:bi1e1:\xffi2ee')
    expect(toLatin1(encodeBencode({ z: 'ä', y: undefined, a: [] }))).toBe('d1:ale1:z2:\xc3\xa4e')
  })

  test('puts bencoded bytes in as they are', () => {
    const raw = new BencodedBytes(fromLatin1('d1:bi1e1:ai1ee'))
    expect(toLatin1(encodeBencode({ info: raw }))).toBe('d4:infod1:bi1e1:ai1eee')
  })

  test('a number that is not whole is a broken invariant', () => {
    expect(() => encodeBencode(1.5)).toThrow('whole')
    expect(() => encodeBencode(2 ** 53)).toThrow('whole')
    expect(toLatin1(encodeBencode([-0, 2n ** 63n]))).toBe('li0ei9223372036854775808ee')
  })
})

function contentOf(node: BNode): BValue {
  switch (node.kind) {
    case 'integer':
      return node.value
    case 'string':
      return node.bytes
    case 'list':
      return node.items.map(contentOf)
    case 'dict':
      return new Map([...node.entries].map(([key, value]) => [key, contentOf(value)]))
  }
}

test('what is longer than the first steps of the buffer is written whole', () => {
  const item = 'x'.repeat(1000)
  const count = 3000
  const written = encodeBencode({
    a: new Array<string>(count).fill(item),
    b: new Uint8Array(5_000_000).fill(7),
  })
  const text = `d1:al${`1000:${item}`.repeat(count)}e1:b5000000:${'\x07'.repeat(5_000_000)}e`
  expect(written.length).toBe(text.length)
  expect(Buffer.from(written.buffer, written.byteOffset, written.length).toString('latin1') === text).toBe(
    true,
  )
})
