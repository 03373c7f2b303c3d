import { expect, test } from 'vitest'
import { SipHash } from './siphash.ts'

/** Key and messages are 00 01 02 …, as in the vectors of the authors. */
const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i)

function hex(length: number, message = counting(length)): string {
  const hash = new SipHash(counting(16))
  hash.hash(message, length)
  const words = [hash.high, hash.low].map((word) => (word >>> 0).toString(16).padStart(8, '0'))
  return words.join('')
}

test.each([
  [0, '726fdb47dd0e0e31'],
  [1, '74f839c593dc67fd'],
  [7, 'ab0200f58b01d137'],
  [8, '93f5f5799a932462'],
  [15, 'a129ca6149be45e5'],
])('the authors’ vector of %s bytes', (length, digest) => {
  expect(hex(length)).toBe(digest)
})

test('bytes beyond the length do not count, every byte before does', () => {
  expect(hex(11, counting(20))).toBe(hex(11))
  for (let i = 0; i < 11; i++) expect(hex(11, counting(11).with(i, 0xee))).not.toBe(hex(11))
})

test('another key gives another digest', () => {
  const hash = new SipHash(counting(16).with(15, 0))
  hash.hash(counting(8), 8)
  expect((hash.high >>> 0).toString(16)).not.toBe('93f5f579')
})
