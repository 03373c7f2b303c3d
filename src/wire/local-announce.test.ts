import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { fromLatin1, toLatin1 } from '../base/text.ts'
import { decodeLocalAnnounce, encodeLocalAnnounce, LOCAL_HASHES_MAX } from './local-announce.ts'

const HASH = new Uint8Array(20).fill(0xab)

test('what is encoded decodes to itself and fits a packet', () => {
  const announce = fc.record({
    port: fc.integer({ min: 1, max: 0xffff }),
    infoHashes: fc.array(fc.uint8Array({ minLength: 20, maxLength: 20 }), {
      minLength: 1,
      maxLength: LOCAL_HASHES_MAX,
    }),
    cookie: fc.option(fc.stringMatching(/^[0-9a-z]{0,64}$/), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.constantFrom('v4', 'v6'), announce, (group, announced) => {
      const bytes = encodeLocalAnnounce(group, announced)
      expect(bytes.length).toBeLessThanOrEqual(LIMITS.localPacketBytesMax.value)
      expect(decodeLocalAnnounce(bytes)).toEqual({ ok: true, value: announced })
    }),
  )
})

test('the bytes are those of BEP 14', () => {
  const bytes = encodeLocalAnnounce('v6', { port: 6881, infoHashes: [HASH], cookie: 'abc' })
  expect(toLatin1(bytes)).toBe(
    `BT-SEARCH * HTTP/1.1\r\nHost: [ff15::efc0:988f]:6771\r\nPort: 6881\r\nInfohash: ${'ab'.repeat(20)}\r\ncookie: abc\r\n\r\n\r\n`,
  )
})

const LINES = `\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: ${'AB'.repeat(20)}\r\n\r\n\r\n`

test.each([
  ['as others write it', `BT-SEARCH * HTTP/1.1${LINES}`, true],
  [
    'with headers of the future, in any case',
    `BT-SEARCH * HTTP/1.1\r\nX-New: 1\r\n: \r\nno header${LINES.replace('Port', 'PORT')}`,
    true,
  ],
  ['another request', `M-SEARCH * HTTP/1.1${LINES}`, false],
  ['nothing', '', false],
  ['no port', `BT-SEARCH * HTTP/1.1${LINES.replace('Port', 'Part')}`, false],
  ['port 0', `BT-SEARCH * HTTP/1.1${LINES.replace('6881', '0')}`, false],
  ['a port beyond ports', `BT-SEARCH * HTTP/1.1${LINES.replace('6881', '65536')}`, false],
  ['an infohash that is none', `BT-SEARCH * HTTP/1.1${LINES.replace('AB', 'xy')}`, false],
  ['a packet that is too long', `BT-SEARCH * HTTP/1.1${LINES}${' '.repeat(1400)}`, false],
])('%s', (_what, text, isRead) => {
  const decoded = decodeLocalAnnounce(fromLatin1(text))
  expect(decoded.ok ? decoded.value : decoded.error.code).toEqual(
    isRead ? { port: 6881, infoHashes: [HASH], cookie: undefined } : 'wire/bad-local-announce',
  )
})
