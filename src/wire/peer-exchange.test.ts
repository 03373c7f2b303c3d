import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { fromLatin1, toLatin1 } from '../base/text.ts'
import { formatAddress } from './endpoint.ts'
import { decodePeerExchange, encodePeerExchange, PEX_FLAG } from './peer-exchange.ts'

const HOST = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatAddress),
)
const PEER = fc.record({
  host: HOST,
  port: fc.nat({ max: 0xffff }),
  flags: fc.subarray(Object.values(PEX_FLAG)).map((flags) => flags.reduce((sum, flag) => sum + flag, 0)),
})

test('what is encoded decodes to itself, IPv4 first', () => {
  fc.assert(
    fc.property(fc.array(PEER, { maxLength: LIMITS.pexSentMax.value }), (added) => {
      const decoded = decodePeerExchange(encodePeerExchange({ added, dropped: [] }))
      const sorted = [true, false].flatMap((isV4) => added.filter(({ host }) => !host.includes(':') === isV4))
      expect(decoded).toEqual({ ok: true, value: { added: sorted } })
    }),
  )
})

test('the bytes are those of BEP 11', () => {
  const bytes = encodePeerExchange({
    added: [
      { host: '::1', port: 2, flags: PEX_FLAG.isReachable },
      { host: '1.2.3.4', port: 258, flags: PEX_FLAG.isUploadOnly },
    ],
    dropped: [{ host: '97.98.99.100', port: 0x6566 }],
  })
  const v6 = `${'\0'.repeat(15)}\x01\x00\x02`
  expect(toLatin1(bytes)).toBe(
    `d5:added6:\x01\x02\x03\x04\x01\x027:added.f1:\x026:added618:${v6}8:added6.f1:\x107:dropped6:abcdef8:dropped60:e`,
  )
})

test.each([
  ['no dictionary', 'le', undefined],
  ['nothing', '', undefined],
  ['a field that is no string', 'd5:addedi1ee', []],
  ['addresses that do not come out even', 'd5:added5:abcdee', []],
  ['addresses without flags', 'd5:added6:abcdefe', [{ host: '97.98.99.100', port: 0x6566, flags: 0 }]],
  [
    'flags that are not ours to know',
    'd5:added6:abcdef7:added.f1:\xffe',
    [{ host: '97.98.99.100', port: 0x6566, flags: 19 }],
  ],
])('%s', (_what, text, added) => {
  const decoded = decodePeerExchange(fromLatin1(text))
  expect(decoded.ok ? decoded.value.added : undefined).toEqual(added)
})

test('a megabyte of addresses is read no further than the limit (S17)', () => {
  const text = `d5:added${6 * 100_000}:${'abcdef'.repeat(100_000)}6:added6${18 * 100}:${'x'.repeat(1800)}e`
  const decoded = decodePeerExchange(fromLatin1(text))
  expect(decoded.ok && decoded.value.added.length).toBe(LIMITS.pexPeersMax.value)
})
