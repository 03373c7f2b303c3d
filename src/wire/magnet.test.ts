import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { formatAddress } from './endpoint.ts'
import { safeLine } from './file-names.ts'
import { formatMagnet, type Magnet, parseMagnet } from './magnet.ts'

const V1 = 'c12fe1c06bba254a9dc9f519b335aa7c1367a88a'
const V2 = `${'0123456789abcdef'.repeat(4)}`
const XT = `xt=urn:btih:${V1}`

function parse(text: string): Magnet {
  const magnet = parseMagnet(text)
  if (!magnet.ok) throw new Error(magnet.error.code)
  return magnet.value
}

function faultOf(text: string): string | undefined {
  const magnet = parseMagnet(text)
  return magnet.ok ? undefined : magnet.error.code
}

describe('reading', () => {
  test('both hashes, name, addresses, peers and files', () => {
    const magnet = parse(
      `magnet:?${XT}&xt=urn:btmh:1220${V2}&dn=A+%C3%A4%20b&tr=http%3A%2F%2Ft%2Fannounce&tr=udp://u:1&ws=http://w/` +
        '&xs=http://x/a.torrent&x.pe=1.2.3.4:5&x.pe=[::1]:6&x.pe=peer.example:7&so=0,2,4-8',
    )
    expect({
      ...magnet,
      infoHashV1: toHex(magnet.infoHashV1!),
      infoHashV2: toHex(magnet.infoHashV2!),
    }).toEqual({
      infoHashV1: V1,
      infoHashV2: V2,
      name: 'A ä b',
      trackers: ['http://t/announce', 'udp://u:1'],
      webSeeds: ['http://w/'],
      exactSources: ['http://x/a.torrent'],
      peers: [
        { host: '1.2.3.4', port: 5 },
        { host: '::1', port: 6 },
      ],
      selectOnly: [
        { first: 0, last: 0 },
        { first: 2, last: 2 },
        { first: 4, last: 8 },
      ],
    })
  })

  test('a hash in base 32, as old links have it', () => {
    // RFC 4648 of the same 20 bytes, made with Python's base64.b32encode.
    expect(toHex(parse('magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK').infoHashV1!)).toBe(V1)
    expect(toHex(parse('magnet:?xt=urn:btih:yex6dqdlxisuvhoj6um3gnnkpqjwpkek').infoHashV1!)).toBe(V1)
  })

  test('numbers behind keys, letters of any case, unescaped letters of any language', () => {
    const magnet = parse(
      `MAGNET:?XT.1=urn:btih:${V1.toUpperCase()}&tr.1=http://a/&tr.2=http://b/&dn=日本#top`,
    )
    expect([toHex(magnet.infoHashV1!), magnet.trackers, magnet.name]).toEqual([
      V1,
      ['http://a/', 'http://b/'],
      '日本',
    ])
  })

  test.each([
    ['', 'magnet/not-a-magnet'],
    ['http://a/', 'magnet/not-a-magnet'],
    ['magnet:', 'magnet/not-a-magnet'],
    ['magnet:?', 'magnet/missing-hash'],
    ['magnet:?dn=x', 'magnet/missing-hash'],
    ['magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C', 'magnet/missing-hash'],
    ['magnet:?xt=urn:btih:', 'magnet/bad-hash'],
    [`magnet:?xt=urn:btih:${V1.slice(1)}`, 'magnet/bad-hash'],
    [`magnet:?xt=urn:btih:${V1}0`, 'magnet/bad-hash'],
    [`magnet:?xt=urn:btih:${V1.replace('c', 'g')}`, 'magnet/bad-hash'],
    [`magnet:?xt=urn:btmh:${V2}`, 'magnet/bad-hash'],
    [`magnet:?xt=urn:btmh:1114${V1}`, 'magnet/bad-hash'],
    [`magnet:?${XT}&dn=${'x'.repeat(65_536)}`, 'magnet/too-long'],
  ])('refuses %.60s with %s', (text, code) => {
    expect(faultOf(text)).toBe(code)
  })

  test('a hint that cannot be read is left out', () => {
    const magnet = parse(
      `magnet:?${XT}&dn=%zz&tr=%ff&tr=&tr=http://a/%0ab&ws=+&x.pe=1.2.3.4:0&x.pe=a&so=x,5-1,-3,99999999999&y`,
    )
    expect(magnet).toEqual({
      infoHashV1: fromHex(V1),
      infoHashV2: null,
      trackers: [],
      webSeeds: [],
      exactSources: [],
      peers: [],
      selectOnly: [],
    })
  })

  test('a name cannot move the cursor or reorder the line', () => {
    expect(parse(`magnet:?${XT}&dn=%1b%5b2Ja%e2%80%aeb`).name).toBe(' [2Jab')
  })

  test('ranges of files are put in order and joined', () => {
    expect(parse(`magnet:?${XT}&so=5,1-3,2-4,9`).selectOnly).toEqual([
      { first: 1, last: 5 },
      { first: 9, last: 9 },
    ])
  })

  test('no more trackers and peers than the limits', () => {
    const many = (key: string, value: (i: number) => string) =>
      Array.from({ length: 300 }, (_, i) => `&${key}=${value(i)}`).join('')
    const magnet = parse(
      `magnet:?${XT}${many('tr', (i) => `http://${i}/`)}${many('x.pe', (i) => `1.2.3.${i % 250}:${i + 1}`)}`,
    )
    expect([magnet.trackers.length, magnet.peers.length]).toEqual([200, 200])
  })
})

describe('writing', () => {
  test('is read as the same magnet', () => {
    const hash = (length: number) => fc.option(fc.uint8Array({ minLength: length, maxLength: length }))
    const url = fc.webUrl({ withQueryParameters: true, withFragments: true })
    const urls = fc.uniqueArray(url, { maxLength: 4 })
    const host = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatAddress),
    )
    const magnets = fc.record(
      {
        infoHashV1: hash(20),
        infoHashV2: hash(32),
        name: fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => safeLine(name) === name),
        trackers: urls,
        webSeeds: urls,
        exactSources: urls,
        peers: fc.uniqueArray(fc.record({ host, port: fc.integer({ min: 1, max: 0xffff }) }), {
          maxLength: 4,
          selector: ({ host, port }) => `${host} ${port}`,
        }),
        selectOnly: fc.constantFrom(
          [],
          [{ first: 0, last: 0 }],
          [
            { first: 1, last: 4 },
            { first: 6, last: 6 },
          ],
        ),
      },
      {
        requiredKeys: [
          'infoHashV1',
          'infoHashV2',
          'trackers',
          'webSeeds',
          'exactSources',
          'peers',
          'selectOnly',
        ],
      },
    )
    fc.assert(
      fc.property(magnets, (magnet) => {
        fc.pre(magnet.infoHashV1 !== null || magnet.infoHashV2 !== null)
        expect(parse(formatMagnet(magnet))).toEqual(magnet)
      }),
    )
  })

  test('gives a link that other programs take', () => {
    const magnet: Magnet = {
      infoHashV1: fromHex(V1)!,
      infoHashV2: fromHex(V2)!,
      name: 'a & b',
      trackers: ['http://t/announce?k=1&l=2'],
      webSeeds: [],
      exactSources: [],
      peers: [{ host: '::1', port: 6881 }],
      selectOnly: [{ first: 3, last: 5 }],
    }
    expect(formatMagnet(magnet)).toBe(
      `magnet:?xt=urn:btih:${V1}&xt=urn:btmh:1220${V2}&dn=a%20%26%20b&tr=http%3A%2F%2Ft%2Fannounce%3Fk%3D1%26l%3D2&x.pe=[::1]:6881&so=3-5`,
    )
  })
})
