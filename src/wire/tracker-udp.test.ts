import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, fromHex, toHex } from '../base/bytes.ts'
import { encodeUtf8 } from '../base/text.ts'
import type { AnnounceAnswer, AnnounceRequest } from './tracker-announce.ts'
import {
  decodeUdpReply,
  decodeUdpRequest,
  encodeUdpAnnounce,
  encodeUdpAnswer,
  encodeUdpConnect,
  encodeUdpConnected,
  encodeUdpError,
  encodeUdpScrape,
  encodeUdpScraped,
} from './tracker-udp.ts'

const UINT32 = fc.nat({ max: 0xffff_ffff })
const BYTES_20 = fc.uint8Array({ minLength: 20, maxLength: 20 })
const CONNECTION_ID = fc.uint8Array({ minLength: 8, maxLength: 8 })
const SIZE = fc.maxSafeNat()

const REQUEST: fc.Arbitrary<AnnounceRequest> = fc.record({
  infoHash: BYTES_20,
  peerId: BYTES_20,
  port: fc.integer({ min: 1, max: 0xffff }),
  uploaded: SIZE,
  downloaded: SIZE,
  left: SIZE,
  event: fc.option(fc.constantFrom('started', 'completed', 'stopped'), { nil: undefined }),
  numwant: fc.option(fc.nat({ max: 0x7fff_ffff }), { nil: undefined }),
  key: UINT32,
})

const EXAMPLE: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(0x11),
  peerId: new Uint8Array(20).fill(0x22),
  port: 0x1ae1,
  downloaded: 0x100000002,
  left: 3,
  uploaded: 4,
  event: 'started',
  key: 0x55667788,
}

describe('requests', () => {
  test('stand byte for byte where BEP 15 puts them', () => {
    expect(toHex(encodeUdpConnect(0x01020304))).toBe('00000417271019800000000001020304')
    expect(toHex(encodeUdpAnnounce(fromHex('a1a2a3a4a5a6a7a8')!, 9, EXAMPLE))).toBe(
      `a1a2a3a4a5a6a7a80000000100000009${'11'.repeat(20)}${'22'.repeat(20)}` +
        '000000010000000200000000000000030000000000000004' +
        '000000020000000055667788ffffffff1ae1',
    )
  })

  test('an announce is read as it was written, with the URL of the tracker (BEP 41)', () => {
    fc.assert(
      fc.property(
        CONNECTION_ID,
        UINT32,
        REQUEST,
        fc.string({ maxLength: 600 }),
        (connectionId, transactionId, request, text) => {
          const urlData = text.toWellFormed()
          const packet = encodeUdpAnnounce(connectionId, transactionId, request, urlData)
          expect(decodeUdpRequest(packet)).toEqual({
            ok: true,
            value: { kind: 'announce', transactionId, connectionId, request, urlData },
          })
        },
      ),
    )
  })

  test('connect and scrape are read as they were written', () => {
    fc.assert(
      fc.property(
        CONNECTION_ID,
        UINT32,
        fc.array(BYTES_20, { minLength: 1, maxLength: 74 }),
        (connectionId, transactionId, infoHashes) => {
          expect(decodeUdpRequest(encodeUdpConnect(transactionId))).toEqual({
            ok: true,
            value: { kind: 'connect', transactionId },
          })
          expect(decodeUdpRequest(encodeUdpScrape(connectionId, transactionId, infoHashes))).toEqual({
            ok: true,
            value: { kind: 'scrape', transactionId, connectionId, infoHashes },
          })
        },
      ),
    )
  })

  const announce = encodeUdpAnnounce(new Uint8Array(8), 1, EXAMPLE)

  test('an address the client claims is read as text', () => {
    const packet = announce.slice()
    packet.set([192, 0, 2, 7], 84)
    expect(decodeUdpRequest(packet)).toMatchObject({ ok: true, value: { request: { ip: '192.0.2.7' } } })
    expect(decodeUdpRequest(announce)).toMatchObject({ ok: true, value: { request: { ip: undefined } } })
  })

  test.each<[string, Uint8Array, string | undefined]>([
    ['end and padding', Uint8Array.of(1, 1, 2, 1, 0x61, 0, 2, 99), 'a'],
    ['unknown options are passed over', Uint8Array.of(7, 2, 0, 0, 2, 1, 0x61), 'a'],
    ['no options', new Uint8Array(0), ''],
    ['a length beyond the packet', Uint8Array.of(2, 5, 0x61), undefined],
    ['an option without length', Uint8Array.of(2), undefined],
  ])('options: %s', (_what, options, urlData) => {
    const decoded = decodeUdpRequest(concatBytes([announce, options]))
    if (urlData === undefined)
      expect(decoded).toMatchObject({ ok: false, error: { code: 'tracker/bad-request' } })
    else expect(decoded).toMatchObject({ ok: true, value: { urlData } })
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a connect without the magic number', new Uint8Array(16)],
    ['an unknown action', encodeUdpConnect(1).with(11, 9)],
    ['an announce cut short', announce.subarray(0, 97)],
    ['an announce with port 0', announce.with(96, 0).with(97, 0)],
    ['a scrape of nothing', encodeUdpScrape(new Uint8Array(8), 1, [])],
    ['a scrape of half a hash', encodeUdpScrape(new Uint8Array(8), 1, [new Uint8Array(10)])],
    ['a scrape of too much', encodeUdpScrape(new Uint8Array(8), 1, Array(75).fill(new Uint8Array(20)))],
  ])('%s is refused', (_what, packet) => {
    expect(decodeUdpRequest(packet)).toMatchObject({ ok: false, error: { code: 'tracker/bad-request' } })
  })
})

describe('replies', () => {
  const answer: AnnounceAnswer = {
    intervalSeconds: 1800,
    minIntervalSeconds: 60,
    seeders: 2,
    leechers: 3,
    completed: 4,
    peersV4: Uint8Array.of(127, 0, 0, 1, 0, 7, 10, 0, 0, 1, 1, 0),
    peersV6: Uint8Array.of(0xfe, 0x80, ...new Uint8Array(13), 1, 0, 9),
  }

  test('an answer carries the peers of the family it is sent over', () => {
    const common = { intervalSeconds: 1800, seeders: 2, leechers: 3 }
    const v4 = encodeUdpAnswer(5, answer, 'v4')
    expect(toHex(v4)).toBe('0000000100000005000007080000000300000002' + '7f00000100070a0000010100')
    expect(decodeUdpReply(v4, 'v4')).toEqual({
      ok: true,
      value: {
        kind: 'announce',
        transactionId: 5,
        reply: {
          ...common,
          peers: [
            { host: '127.0.0.1', port: 7 },
            { host: '10.0.0.1', port: 256 },
          ],
        },
      },
    })
    expect(decodeUdpReply(encodeUdpAnswer(5, answer, 'v6'), 'v6')).toEqual({
      ok: true,
      value: {
        kind: 'announce',
        transactionId: 5,
        reply: { ...common, peers: [{ host: 'fe80::1', port: 9 }] },
      },
    })
  })

  test('an answer has as many whole peers as fit one frame, the first ones', () => {
    const many = { ...answer, peersV4: new Uint8Array(6 * 500).fill(1), peersV6: new Uint8Array(18 * 500) }
    expect(encodeUdpAnswer(5, many, 'v4')).toHaveLength(20 + 6 * 238)
    expect(encodeUdpAnswer(5, many, 'v6')).toHaveLength(20 + 18 * 79)
  })

  test('connect, scrape and error are read as they were written', () => {
    const count = fc.record({ seeders: UINT32, completed: UINT32, leechers: UINT32 })
    fc.assert(
      fc.property(CONNECTION_ID, UINT32, fc.array(count), (connectionId, transactionId, counts) => {
        const connected = { kind: 'connect', transactionId, connectionId }
        expect(decodeUdpReply(encodeUdpConnected(transactionId, connectionId), 'v4')).toEqual({
          ok: true,
          value: connected,
        })
        const scraped = { kind: 'scrape', transactionId, counts }
        expect(decodeUdpReply(encodeUdpScraped(transactionId, counts), 'v6')).toEqual({
          ok: true,
          value: scraped,
        })
        expect(decodeUdpReply(encodeUdpError(transactionId, 'not ours'), 'v4')).toMatchObject({
          ok: true,
          value: { kind: 'error', transactionId, fault: { code: 'tracker/failure' } },
        })
      }),
    )
  })

  test('half a peer at the end and peers with port 0 are left out', () => {
    const packet = concatBytes([encodeUdpAnswer(1, answer, 'v4'), Uint8Array.of(1, 2, 3, 4, 0, 0, 9, 9, 9)])
    const decoded = decodeUdpReply(packet, 'v4')
    expect(decoded.ok && decoded.value.kind === 'announce' && decoded.value.reply.peers.length).toBe(2)
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a connect without its id', encodeUdpConnected(1, new Uint8Array(4))],
    ['an announce cut short', encodeUdpAnswer(1, answer, 'v4').subarray(0, 19)],
    ['an unknown action', encodeUtf8('\0\0\0\x09abcdefgh')],
  ])('%s is refused', (_what, packet) => {
    expect(decodeUdpReply(packet, 'v4')).toMatchObject({ ok: false, error: { code: 'tracker/bad-reply' } })
  })
})
