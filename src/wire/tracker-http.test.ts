import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromLatin1 } from '../base/text.ts'
import type { AnnounceRequest } from './tracker-announce.ts'
import {
  announceUrl,
  decodeAnnounceQuery,
  decodeScrapeQuery,
  encodeAnnounceQuery,
  scrapeUrl,
} from './tracker-http.ts'

const BYTES_20 = fc.uint8Array({ minLength: 20, maxLength: 20 })
const SIZE = fc.maxSafeNat()

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined })
}

const REQUEST: fc.Arbitrary<AnnounceRequest> = fc.record({
  infoHash: BYTES_20,
  peerId: BYTES_20,
  port: fc.integer({ min: 1, max: 0xffff }),
  uploaded: SIZE,
  downloaded: SIZE,
  left: SIZE,
  event: optional(fc.constantFrom('started', 'completed', 'stopped')),
  numwant: optional(fc.nat()),
  key: fc.nat({ max: 0xffff_ffff }),
  trackerId: optional(fc.uint8Array({ maxLength: 40 })),
  ip: optional(fc.ipV6()),
  compact: optional(fc.boolean()),
  noPeerId: optional(fc.boolean()),
})

const HASH = '%aa'.repeat(20)
const ID = '-XX0001-012345678901'

function decode(query: string): AnnounceRequest {
  const decoded = decodeAnnounceQuery(query)
  if (!decoded.ok) throw new Error(decoded.error.message)
  return decoded.value
}

describe('announce', () => {
  test('what a client writes, a tracker reads', () => {
    fc.assert(
      fc.property(REQUEST, (request) => {
        expect(decode(encodeAnnounceQuery(request))).toEqual(request)
      }),
    )
  })

  test('bytes are escaped one at a time, not as text', () => {
    const infoHash = Uint8Array.from(
      { length: 20 },
      (_, i) => [0, 0x25, 0x2b, 0x26, 0xe9, 0xff, 0x61][i % 7]!,
    )
    const query = encodeAnnounceQuery({ ...decode(`info_hash=${HASH}&peer_id=${ID}&port=1`), infoHash })
    expect(query).toMatch(/^info_hash=%00%25%2B%26%E9%FFa%00/)
  })

  test('raw bytes above 127, as some clients send them, are bytes', () => {
    const raw = '\xe9'.repeat(20)
    expect(decode(`info_hash=${raw}&peer_id=${ID}&port=1`).infoHash).toEqual(fromLatin1(raw))
  })

  test('what is left out: a leecher that takes what it is given', () => {
    expect(decode(`info_hash=${HASH}&peer_id=${ID}&port=6881`)).toEqual({
      infoHash: new Uint8Array(20).fill(0xaa),
      peerId: fromLatin1(ID),
      port: 6881,
      uploaded: 0,
      downloaded: 0,
      left: Number.MAX_SAFE_INTEGER,
      key: 0,
    })
  })

  test.each([
    ['numwant=-1', { numwant: undefined }],
    ['numwant=abc', { numwant: undefined }],
    ['numwant=5&numwant=9', { numwant: 5 }],
    ['left=99999999999999999999', { left: Number.MAX_SAFE_INTEGER }],
    ['left=-5', { left: Number.MAX_SAFE_INTEGER }],
    ['event=paused', { event: undefined }],
    ['event=', { event: undefined }],
    ['compact=2', { compact: undefined }],
    ['key=not-hex', { key: 0 }],
    ['__proto__=1&constructor=2', {}],
    ['&&&=&x', {}],
  ])('%s is read as %o', (more, expected) => {
    expect(decode(`info_hash=${HASH}&peer_id=${ID}&port=1&${more}`)).toMatchObject(expected)
  })

  test.each([
    ['', 'info_hash'],
    [`peer_id=${ID}&port=1`, 'info_hash'],
    [`info_hash=%aa&peer_id=${ID}&port=1`, 'info_hash'],
    [`info_hash=${HASH}%aa&peer_id=${ID}&port=1`, 'info_hash'],
    [`info_hash=${HASH}&peer_id=short&port=1`, 'peer_id'],
    [`info_hash=${HASH}&peer_id=${ID}`, 'port'],
    [`info_hash=${HASH}&peer_id=${ID}&port=0`, 'port'],
    [`info_hash=${HASH}&peer_id=${ID}&port=65536`, 'port'],
    [`info_hash=${HASH}&peer_id=${ID}&port=1e3`, 'port'],
    [`info_hash=%zz&peer_id=${ID}&port=1`, 'escape'],
    [`info_hash=${HASH}&peer_id=%f&port=1`, 'escape'],
    [`info_hash=\u0100${HASH.slice(3)}&peer_id=${ID}&port=1`, 'escape'],
  ])('%j is refused for its %s', (query, reason) => {
    const decoded = decodeAnnounceQuery(query)
    expect(decoded).toMatchObject({ ok: false, error: { code: 'tracker/bad-request' } })
    expect(decoded.ok || decoded.error.message).toContain(reason)
  })
})

describe('URLs', () => {
  test('say that connections may or must be encrypted', () => {
    const request = decode(`info_hash=${HASH}&peer_id=${ID}&port=1`)
    const query = (mode: 'off' | 'prefer' | 'require') =>
      new URL(announceUrl('http://t.example/announce', request, mode)).search
    expect(query('off')).not.toContain('crypto')
    expect(query('prefer')).toContain('&supportcrypto=1')
    expect(query('require')).toContain('&requirecrypto=1')
  })

  const request = decode(`info_hash=${HASH}&peer_id=${ID}&port=1`)

  test.each([
    ['http://t/announce', 'http://t/announce?info_hash='],
    ['http://t/announce?passkey=1', 'http://t/announce?passkey=1&info_hash='],
    ['http://t/announce?', 'http://t/announce?info_hash='],
    ['http://t/announce?a=1&', 'http://t/announce?a=1&info_hash='],
    ['http://t/announce#part', 'http://t/announce?info_hash='],
  ])('%s keeps its own parameters', (url, start) => {
    expect(announceUrl(url, request).startsWith(start)).toBe(true)
  })

  test.each([
    ['http://t/announce', 'http://t/scrape?info_hash='],
    ['http://t/x/announce', 'http://t/x/scrape?info_hash='],
    ['http://t/announce.php', 'http://t/scrape.php?info_hash='],
    ['http://t/announce?x=2', 'http://t/scrape?x=2&info_hash='],
    ['http://t/a', undefined],
    ['http://t/announce/x', undefined],
    ['http://t/xannounce', undefined],
    ['http://announce', undefined],
  ])('%s is scraped at %s (BEP 48)', (url, start) => {
    const scrape = scrapeUrl(url, [request.infoHash])
    expect(scrape === undefined ? undefined : scrape.slice(0, start?.length)).toBe(start)
  })
})

describe('scrape', () => {
  test('what a client writes, a tracker reads', () => {
    fc.assert(
      fc.property(fc.array(BYTES_20), (infoHashes) => {
        const query = scrapeUrl('http://t/announce', infoHashes)!.replace(/^[^?]*\?/, '')
        expect(decodeScrapeQuery(query)).toEqual({ ok: true, value: infoHashes })
      }),
    )
  })

  test.each([['info_hash=%aa'], [`info_hash=${HASH}&info_hash=x`], ['info_hash=%']])(
    '%s is refused',
    (query) => {
      expect(decodeScrapeQuery(query)).toMatchObject({ ok: false, error: { code: 'tracker/bad-request' } })
    },
  )
})
