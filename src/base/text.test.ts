import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeUtf8, encodeUtf8, fromLatin1, percentDecode, percentEncode, toLatin1 } from './text.ts'

describe('UTF-8', () => {
  it('agrees with the platform on every byte sequence', () => {
    const platform = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 8 }).map((text) => new TextEncoder().encode(text)),
    )
    fc.assert(
      fc.property(bytes, (input) => {
        let expected: string | undefined
        try {
          expected = platform.decode(input)
        } catch {
          expected = undefined
        }
        expect(decodeUtf8(input)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })

  it('encodes as the platform does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(encodeUtf8(text)).toEqual(new Uint8Array(new TextEncoder().encode(text)))
      }),
    )
  })

  it.each([
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['a code past the end', [0xf4, 0x90, 0x80, 0x80]],
  ])('refuses %s', (_, bytes) => {
    expect(decodeUtf8(Uint8Array.from(bytes))).toBeUndefined()
  })
})

describe('percent encoding', () => {
  it('brings back any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(percentDecode(percentEncode(bytes))).toEqual(bytes)
        expect(fromLatin1(toLatin1(bytes))).toEqual(bytes)
      }),
    )
  })

  it('refuses broken escapes', () => {
    for (const text of [
      '%',
      '%4',
      '%zz',
      'a%4',
      '%%%',
      '%%41',
      '%4%',
      '%4g',
      '%/0',
      '%:0',
      '%@0',
      '%`0',
      '\u0141',
      '%\u01410',
    ])
      expect(percentDecode(text)).toBeUndefined()
  })

  it('reads digits of either case and a plus', () => {
    expect(percentDecode('a+%aF%fA%09%90')).toEqual(Uint8Array.of(0x61, 0x20, 0xaf, 0xfa, 0x09, 0x90))
  })
})
