import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../base/bytes.ts'
import { encodeUtf8, fromLatin1, toLatin1 } from '../base/text.ts'
import { decodeBencode } from './bencode.ts'
import { encodeCompact, formatAddress } from './endpoint.ts'
import type { AnnounceAnswer } from './tracker-announce.ts'
import {
  decodeAnnounceReply,
  decodeScrapeReply,
  encodeCompactReply,
  encodeDictionaryReply,
  encodeFailure,
  encodeScrapeReply,
} from './tracker-http-reply.ts'

const COUNT = fc.nat()
const PORT = fc.integer({ min: 1, max: 0xffff })
const V4 = fc.record({ host: fc.ipV4(), port: PORT })
const V6 = fc
  .record({ address: fc.uint8Array({ minLength: 16, maxLength: 16 }), port: PORT })
  // An IPv4-mapped address would come back as IPv4.
  .filter(({ address }) => address[0] !== 0)
  .map(({ address, port }) => ({ host: formatAddress(address), port }))
const ADDRESS = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  V6.map((peer) => encodeCompact(peer)!.slice(0, 16)),
)

interface Case {
  v4: { host: string; port: number }[]
  v6: { host: string; port: number }[]
  counts: { seeders: number; leechers: number; completed: number }
  intervalSeconds: number
  minIntervalSeconds: number
  address: Uint8Array
}

const CASE: fc.Arbitrary<Case> = fc.record({
  v4: fc.array(V4),
  v6: fc.array(V6),
  counts: fc.record({ seeders: COUNT, leechers: COUNT, completed: COUNT }),
  intervalSeconds: COUNT,
  minIntervalSeconds: COUNT,
  address: ADDRESS,
})

function answerOf({ v4, v6, counts, intervalSeconds, minIntervalSeconds }: Case): AnnounceAnswer {
  const compact = (peers: Case['v4']) => concatBytes(peers.map((peer) => encodeCompact(peer)!))
  return { ...counts, intervalSeconds, minIntervalSeconds, peersV4: compact(v4), peersV6: compact(v6) }
}

function readReply(text: string | Uint8Array) {
  return decodeAnnounceReply(typeof text === 'string' ? fromLatin1(text) : text)
}

describe('announce replies', () => {
  test('what a tracker writes in either form, a client reads', () => {
    fc.assert(
      fc.property(CASE, (sample) => {
        const { counts, intervalSeconds, minIntervalSeconds, address } = sample
        const peers = [...sample.v4, ...sample.v6]
        const peerIds = Uint8Array.from({ length: peers.length * 20 }, (_, i) => i)
        const expected = {
          intervalSeconds,
          minIntervalSeconds,
          seeders: counts.seeders,
          leechers: counts.leechers,
          externalIp: formatAddress(address),
        }
        const answer = answerOf(sample)
        expect(readReply(encodeCompactReply(answer, address))).toEqual({
          ok: true,
          value: { ...expected, peers },
        })
        const withIds = peers.map((peer, i) => ({ ...peer, peerId: peerIds.slice(i * 20, i * 20 + 20) }))
        expect(readReply(encodeDictionaryReply({ ...answer, peerIds }, address))).toEqual({
          ok: true,
          value: { ...expected, peers: withIds },
        })
        expect(readReply(encodeDictionaryReply(answer, address))).toEqual({
          ok: true,
          value: { ...expected, peers },
        })
      }),
    )
  })

  test('what a tracker writes is canonical bencode', () => {
    fc.assert(
      fc.property(CASE, (sample) => {
        const answer = answerOf(sample)
        for (const bytes of [
          fromLatin1(encodeCompactReply(answer, sample.address)),
          encodeDictionaryReply(answer, sample.address),
          fromLatin1(encodeCompactReply(answer, sample.address, true)),
          encodeDictionaryReply(answer, sample.address, true),
          encodeFailure('no', 5),
          encodeScrapeReply([[new Uint8Array(20), sample.counts]]),
        ])
          expect(decodeBencode(bytes).ok).toBe(true)
      }),
    )
  })

  test('a tracker with an API says so in either form', () => {
    fc.assert(
      fc.property(CASE, (sample) => {
        const answer = answerOf(sample)
        for (const encode of [encodeCompactReply, encodeDictionaryReply])
          expect(readReply(encode(answer, sample.address, true))).toMatchObject({
            ok: true,
            value: { api: '/api/v1' },
          })
      }),
    )
  })

  test.each(['', 'api', '/', '//evil.example/x', '/a/../b', '/a?b', 'http://evil.example/', '/a b', '/%2e'])(
    'an API at %j is none',
    (path) => {
      const reply = decodeAnnounceReply(
        fromLatin1(`d8:intervali5e5:peers0:5:shoald3:api${path.length}:${path}ee`),
      )
      expect(reply).toMatchObject({ ok: true })
      expect(reply.ok && reply.value.api).toBeUndefined()
    },
  )

  test.each<[string, string, object]>([
    ['unsorted keys and a line end', 'd5:peers0:8:intervali5ee\r\n', { intervalSeconds: 5, peers: [] }],
    ['no interval', 'd5:peers0:e', { intervalSeconds: 1800 }],
    ['no peers', 'd8:intervali5ee', { peers: [] }],
    ['a warning', 'd8:intervali5e15:warning message5:w\x1b[0me', { warning: 'w\x1b[0m' }],
    ['a tracker id', 'd8:intervali5e10:tracker id2:\xff\x00e', { trackerId: Uint8Array.of(255, 0) }],
    ['an external ip of a strange length', 'd11:external ip3:abc8:intervali5ee', {}],
    [
      'a peer nobody can dial',
      'd8:intervali5e5:peers12:\x7f\0\0\x01\0\0\x7f\0\0\x02\0\x07e',
      { peers: [{ host: '127.0.0.2', port: 7 }] },
    ],
    [
      'named hosts, ports out of range and things that are no peer',
      'd8:intervali5e5:peersld2:ip9:localhost4:porti1eed2:ip7:1.2.3.44:porti0eed2:ip7:1.2.3.44:porti65536eei5ed2:ip7:1.2.3.44:porti5eeee',
      { peers: [{ host: '1.2.3.4', port: 5 }] },
    ],
  ])('%s', (_what, text, expected) => {
    const decoded = readReply(text)
    expect(decoded).toMatchObject({ ok: true, value: expected })
  })

  test.each([
    ['', 'nothing'],
    ['<html>', 'a web page'],
    ['i5e', 'a number'],
    ['de', 'an empty dictionary'],
    ['d8:intervali5e5:peers5:12345e', 'half a peer'],
    ['d8:intervali5e6:peers61:1e', 'half an IPv6 peer'],
  ])('%j is refused: %s', (text) => {
    expect(readReply(text)).toMatchObject({ ok: false, error: { code: 'tracker/bad-reply' } })
  })

  test('no more peers are taken than a torrent remembers', () => {
    const peers = new Uint8Array(6 * 10_000).fill(1)
    const decoded = readReply(concatBytes([encodeUtf8(`d5:peers${peers.length}:`), peers, encodeUtf8('e')]))
    expect(decoded.ok && decoded.value.peers.length).toBe(4000)
  })
})

describe('failures', () => {
  test('the reason is shown, as one harmless line', () => {
    const decoded = readReply(encodeFailure('no\x1b[2J such\n\u202etorrent'))
    expect(decoded).toMatchObject({ ok: false, error: { code: 'tracker/failure' } })
    expect(decoded.ok || decoded.error.message).toBe('the tracker refused the announce: no [2J such torrent')
  })

  test.each([
    [undefined, undefined],
    [0, 0],
    [5, 300],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ])('a retry in %s minutes is one in %s seconds (BEP 31)', (minutes, retryInSeconds) => {
    const decoded = readReply(encodeFailure('busy', minutes))
    expect(decoded.ok || decoded.error.retryInSeconds).toBe(retryInSeconds)
  })

  test('minutes may come as digits', () => {
    const decoded = readReply('d14:failure reason1:x8:retry in2:15e')
    expect(decoded.ok || decoded.error.retryInSeconds).toBe(900)
  })
})

describe('scrapes', () => {
  test('what a tracker writes, a client reads', () => {
    const counts = fc.record({ seeders: COUNT, leechers: COUNT, completed: COUNT })
    const entries = fc.uniqueArray(fc.tuple(fc.uint8Array({ minLength: 20, maxLength: 20 }), counts), {
      selector: ([infoHash]) => toLatin1(infoHash),
    })
    fc.assert(
      fc.property(entries, (files) => {
        const decoded = decodeScrapeReply(encodeScrapeReply(files))
        const expected = new Map(files.map(([infoHash, value]) => [toLatin1(infoHash), value]))
        expect(decoded).toEqual({ ok: true, value: expected })
      }),
    )
  })

  test.each([['d5:filesi1ee'], ['de'], ['x']])('%s is refused', (text) => {
    expect(decodeScrapeReply(fromLatin1(text))).toMatchObject({
      ok: false,
      error: { code: 'tracker/bad-reply' },
    })
  })

  test('a failure is a failure', () => {
    expect(decodeScrapeReply(encodeFailure('no'))).toMatchObject({
      ok: false,
      error: { code: 'tracker/failure' },
    })
  })
})
