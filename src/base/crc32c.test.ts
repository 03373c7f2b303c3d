import { expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'
import { fromLatin1 } from './text.ts'

/** RFC 3720, appendix B.4, read as numbers. */
test.each([
  ['nothing', new Uint8Array(0), 0],
  ['the usual nine digits', fromLatin1('123456789'), 0xe306_9283],
  ['32 zeros', new Uint8Array(32), 0x8a91_36aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
  ['counting up', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd_794e],
  ['counting down', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113f_db5c],
])('%s', (_what, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected)
})
