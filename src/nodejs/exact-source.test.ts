import type http from 'node:http'
import { describe, expect, test } from 'vitest'
import { torrentFixture } from '../../test/kit/torrent-fixture.ts'
import { serveWeb } from '../../test/kit/web-server.ts'
import { LIMITS } from '../base/limits.ts'
import { exactSourcesOf, fetchExactSource } from './exact-source.ts'

const torrent = torrentFixture({ files: { 'a.bin': 100_000 }, format: 'hybrid' })
const other = torrentFixture({ files: { 'b.bin': 100_000 }, format: 'hybrid' })
const hashes = { infoHashV1: torrent.infoHashV1!, infoHashV2: torrent.infoHashV2! }
const V1 = torrent.infoHashV1!.toString('hex')
const V2 = torrent.infoHashV2!.toString('hex')
const TRACKER = 'http://tracker.example:6969/announce'

/** A catalog, and what it was asked. */
async function serve(answer: (response: http.ServerResponse) => void) {
  const asked: http.IncomingMessage[] = []
  const base = await serveWeb((request, response) => {
    asked.push(request)
    answer(response)
  })
  return { asked, base }
}

/** Of the link of a tracker at `base`, with its record at `base`. */
function fetchFrom(base: string, trackers = [`${base}/announce`], of = hashes) {
  const [source] = exactSourcesOf([`${base}/api/v1/libraries/${V1}`], hashes, trackers)
  return fetchExactSource(source!, of, { signal: new AbortController().signal })
}

describe('which of a link are asked', () => {
  const urlsOf = (...links: string[]) => exactSourcesOf(links, hashes, [TRACKER]).map(({ url }) => url.href)

  test('records of this very torrent, by either hash', () => {
    const base = 'http://other.example/api/v1/libraries'
    expect(urlsOf(`${base}/${V1}`, `${base}/${V2.toUpperCase()}`, `${base}/${V1}`)).toEqual([
      `${base}/${V1}/torrent`,
      `${base}/${V2.toUpperCase()}/torrent`,
    ])
  })

  test.for([
    `http://x.example/api/v1/libraries/${'0'.repeat(40)}`,
    'http://x.example/api/v1/libraries/1',
    `http://x.example/api/v1/libraries/${V1}/torrent`,
    `http://x.example/api/v1/libraries/${V1}?set=1`,
    `http://x.example/a/../api/v1/libraries/${V1}/`,
    `http://user:password@x.example/api/v1/libraries/${V1}`,
    `ftp://x.example/api/v1/libraries/${V1}`,
    `file:///api/v1/libraries/${V1}`,
    'http://x.example/some.torrent',
    'urn:btih:1',
    '',
  ])('not %s', (link) => {
    expect(urlsOf(link)).toEqual([])
  })

  test('a few at most', () => {
    const many = [...Array(50).keys()].map((i) => `http://host${i}.example/api/v1/libraries/${V1}`)
    expect(urlsOf(...many)).toHaveLength(LIMITS.exactSourcesMax.value)
  })

  test('the passkey of a tracker goes to that tracker alone', () => {
    const passkey = 'p'.repeat(43)
    const trackers = [`http://tracker.example:6969/${passkey}/announce`]
    const links = [
      'http://tracker.example:6969',
      'http://tracker.example:6970',
      'https://tracker.example:6969',
    ]
    const sources = exactSourcesOf(
      links.map((base) => `${base}/api/v1/libraries/${V1}`),
      hashes,
      trackers,
    )
    expect(sources.map((source) => [source.passkey, source.scopeMin])).toEqual([
      [passkey, 'machine'],
      [undefined, 'global'],
      [undefined, 'global'],
    ])
  })
})

test('the torrent of the link comes', async () => {
  const { base, asked } = await serve((response) => response.end(torrent.bytes))
  const metainfo = await fetchFrom(base)
  expect(metainfo.infoHashV2).toEqual(torrent.infoHashV2)
  expect(asked.map(({ url }) => url)).toEqual([`/api/v1/libraries/${V1}/torrent`])
})

test.for([
  ['another torrent', (response: http.ServerResponse) => response.end(other.bytes)],
  ['no torrent', (response: http.ServerResponse) => response.end('<html>')],
  ['an error', (response: http.ServerResponse) => response.writeHead(404).end(torrent.bytes)],
  ['a redirect', (response: http.ServerResponse) => response.writeHead(302, { location: '/x' }).end()],
  [
    'half of it',
    (response: http.ServerResponse) => response.writeHead(200, { 'content-length': 9e5 }).end('d'),
  ],
  ['nothing', (response: http.ServerResponse) => response.destroy()],
] as const)('%s is refused, and nothing else is asked', async ([, answer]) => {
  const { base, asked } = await serve(answer)
  await expect(fetchFrom(base)).rejects.toMatchObject({ code: 'magnet/bad-source' })
  expect(asked).toHaveLength(1)
})

test('an answer without end is cut off', async () => {
  const { base } = await serve((response) => {
    const chunk = Buffer.alloc(1024 * 1024, 0x64)
    const more = () => {
      while (!response.destroyed && response.write(chunk)) {}
    }
    response.on('drain', more)
    more()
  })
  await expect(fetchFrom(base)).rejects.toThrow('is too long')
})

test('what is no tracker of the link has to be public, by number and by name (S39)', async () => {
  const { base, asked } = await serve((response) => response.end(torrent.bytes))
  const named = base.replace('127.0.0.1', 'localhost')
  for (const place of [base, named, base.replace('127.0.0.1', '[::ffff:127.0.0.1]')])
    await expect(fetchFrom(place, [TRACKER])).rejects.toThrow('private network')
  expect(asked).toEqual([])
})

test('a link that knows one hash takes the torrent that has it', async () => {
  const { base } = await serve((response) => response.end(torrent.bytes))
  const metainfo = await fetchFrom(base, undefined, { ...hashes, infoHashV2: null as never })
  expect(metainfo.name).toBe(torrent.name)
})
