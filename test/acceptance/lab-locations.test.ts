/**
 * Requirements of the `lab` system about its server's knowledge of chunks: who has which,
 * and how it learns that.
 */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { type ApiCall, FakeTracker } from '../kit/fake-tracker.ts'
import { type OwnTracker, startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp, getJson, postJson } from '../kit/raw-announce.ts'
import { runShoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { until } from '../kit/waiting.ts'

const PIECES = { files: { 'book.bin': 40 * 16_384 }, pieceLength: 16_384 }
const API = { api: '/api/v1' }

function announceUrl(tracker: OwnTracker): string {
  return `http://127.0.0.1:${tracker.http.port}/announce`
}

async function locations(tracker: OwnTracker, infoHash: Buffer) {
  const { json } = await getJson(tracker.http, `/api/v1/locations?info_hash=${infoHash.toString('hex')}`)
  return json
}

/** Every index in the ranges, in order. */
function indexes(ranges: [number, number][] | 'unknown'): number[] {
  if (ranges === 'unknown') return []
  return ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
}

function toldPieces(calls: ApiCall[]): Set<number> {
  return new Set(calls.flatMap(({ body }) => indexes(body.have)))
}

function callsTo(fake: FakeTracker, route: string): ApiCall[] {
  return fake.calls.items.filter(({ path }) => path.startsWith(`/api/v1/${route}`))
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

test.for([3000, 1500])(
  'L8 locations are asked again every %i ms, while it downloads and no longer',
  { timeout: 90_000 },
  async (everyMs) => {
    const { file, target, torrent } = stage(PIECES)
    const peer = await FakePeer.listen(torrent, { bytesPerSecond: (40 * 16_384 * 1000) / (everyMs * 3.5) })
    const fake = await FakeTracker.start({ reply: { ...API, peers: [peer], intervalSeconds: 1800 } })
    fake.answerCall = () => ({
      accepted: true,
      total: 1,
      peers: [{ ip: peer.host, port: peer.port, have: 'unknown', seed: true }],
    })
    const get = startGet(file, target, {
      tracker: fake,
      args: ['--refresh-locations', `${everyMs}ms`, '--register-every', 'off'],
    })
    const complete = await get.event('complete', undefined, 60_000)
    expect(await get.event('locations-refreshed')).toMatchObject({ tracker: fake.url, sources: 1 })
    const queries = callsTo(fake, 'locations')
    expect(queries.length).toBeGreaterThanOrEqual(3)
    for (const { path } of queries)
      expect(path).toBe(`/api/v1/locations?info_hash=${torrent.infoHash.toString('hex')}`)
    const mean = ((queries.at(-1)?.at ?? 0) - (queries[0]?.at ?? 0)) / (queries.length - 1)
    expect(mean).toBeGreaterThan(everyMs - 500)
    expect(mean).toBeLessThan(everyMs + 500)
    const announces = fake.announces.items.filter(({ event }) => event === '')
    expect(announces.length).toBeGreaterThanOrEqual(2)
    // Nothing is asked any more once there is nothing to fetch.
    await until('a while', () => performance.now() > complete.at + everyMs * 2, everyMs * 3)
    expect(callsTo(fake, 'locations').filter(({ at }) => at > complete.at + 200)).toEqual([])
    expect(fake.announces.items.filter(({ at, event }) => at > complete.at + 200 && event === '')).toEqual([])
  },
)

test('L35 starting a download asks where the chunks are', async () => {
  const { file, target, torrent } = stage(PIECES)
  const peer = await FakePeer.listen(torrent)
  const tracker = await startOwnTracker()
  const { infoHash } = torrent
  await announceHttp(tracker.http, { infoHash, peerId: peer.peerId, port: peer.port })
  const get = startGet(file, target, { tracker: announceUrl(tracker), args: ['--profile', 'lab'] })
  expect((await get.event('locations-refreshed')).sources).toBeGreaterThanOrEqual(1)
  await get.event('complete')
})

test('L27 the reply names each source with its chunks, as its bitfield does', async () => {
  const { file, target, torrent } = stage(PIECES)
  const { infoHash } = torrent
  const tracker = await startOwnTracker()
  // Two that tell their tracker, and one that does not.
  const half = await FakePeer.listen(torrent, { host: '127.0.0.2', has: upTo(20) })
  const scattered = await FakePeer.listen(torrent, { host: '127.0.0.3', has: [0, 5, 6, 7] })
  const mute = await FakePeer.listen(torrent, { host: '127.0.0.4', has: [1] })
  for (const { peerId, port, host } of [half, scattered, mute])
    await announceHttp(tracker.http, { infoHash, peerId, port, from: host, left: 1 })
  const told: [FakePeer, [number, number][]][] = [
    [half, [[0, 19]]],
    [
      scattered,
      [
        [5, 7],
        [0, 0],
      ],
    ],
  ]
  for (const [{ peerId, port, host }, have] of told) {
    const body = { info_hash: infoHash.toString('hex'), peer_id: peerId.toString('hex'), port, have }
    expect((await postJson(tracker.http, '/api/v1/have', body, host)).json.accepted).toBe(true)
  }
  const get = startGet(file, target, {
    tracker: announceUrl(tracker),
    host: '127.0.0.5',
    args: ['--no-pex'],
  })
  // What it has, it tells the tracker and a peer alike.
  const witness = FakePeer.leecher(torrent)
  await get.event('piece-verified', undefined, 20_000)
  await until(
    'twenty pieces told',
    async () => {
      const { peers } = await locations(tracker, infoHash)
      return (
        indexes(peers.find(({ ip }: { ip: string }) => ip === '127.0.0.5')?.have ?? 'unknown').length === 20
      )
    },
    20_000,
  )
  const connection = await witness.dial(await get.readyEndpoint())
  await until('its bitfield', () => connection.theirs.size === 20)
  const { total, peers } = await locations(tracker, infoHash)
  expect(total).toBe(4)
  const of = (host: string) => peers.find(({ ip }: { ip: string }) => ip === host)
  expect(indexes(of('127.0.0.2').have)).toEqual([...half.has])
  expect(of('127.0.0.3')).toMatchObject({
    port: scattered.port,
    have: [
      [0, 0],
      [5, 7],
    ],
  })
  expect(of('127.0.0.4').have).toBe('unknown')
  expect(indexes(of('127.0.0.5').have)).toEqual([...connection.theirs].sort((a, b) => a - b))
  const { code, stdout } = await runShoal(
    ['locations', infoHash.toString('hex'), '--tracker', announceUrl(tracker)],
    { json: false },
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(new RegExp(`127\\.0\\.0\\.3 +${scattered.port} +0, 5-7`))
  expect(stdout).toMatch(/127\.0\.0\.4 +[0-9]+ +unknown/)
}, 60_000)

test('L29 every chunk received is told to the tracker, so that others see a new source', async () => {
  const { file, target, torrent } = stage(PIECES)
  const tracker = await startOwnTracker()
  const peer = await FakePeer.listen(torrent, { has: upTo(20) })
  const get = startGet(file, target, { tracker: announceUrl(tracker), host: '127.0.0.5', peers: [peer] })
  for (let piece = 0; piece < 20; piece++) await get.event('piece-verified', (e) => e.piece === piece)
  await until(
    'its pieces',
    async () => {
      const [me] = (await locations(tracker, torrent.infoHash)).peers
      return JSON.stringify(me?.have) === '[[0,19]]'
    },
    10_000,
  )
  expect(await get.event('registered', ({ pieces }) => pieces === 20)).toMatchObject({
    pieces: 20,
    total: 40,
  })
})

test('L30 chunks are told as a set, at most once a second', async () => {
  const count = 500
  const { file, target, torrent } = stage({ files: { 'a.bin': count * 16_384 }, pieceLength: 16_384 })
  const peer = await FakePeer.listen(torrent, { bytesPerSecond: (count * 16_384) / 3 })
  const fake = await FakeTracker.start({ reply: { ...API, peers: [peer] } })
  const get = startGet(file, target, { tracker: fake })
  await get.event('complete', undefined, 60_000)
  await until('all told', () => toldPieces(callsTo(fake, 'have')).size === count, 20_000)
  const calls = callsTo(fake, 'have')
  const verified = get.all('piece-verified')
  const seconds = ((verified.at(-1)?.at ?? 0) - (verified[0]?.at ?? 0)) / 1000
  expect(calls.length).toBeLessThanOrEqual(Math.ceil(seconds) + 1)
  expect([...toldPieces(calls)].sort((a, b) => a - b)).toEqual(upTo(count))
  // Nothing twice.
  expect(calls.flatMap(({ body }) => indexes(body.have)).length).toBe(count)
}, 90_000)

test('L30 it can be switched off', async () => {
  const { file, target, torrent } = stage(PIECES)
  const peer = await FakePeer.listen(torrent)
  const fake = await FakeTracker.start({ reply: { ...API, peers: [peer] } })
  const get = startGet(file, target, { tracker: fake, args: ['--register-every', 'off'] })
  await get.event('complete')
  expect((await get.end()).code).toBe(0)
  expect(callsTo(fake, 'have')).toEqual([])
})

test('L32 telling is answered with a truth value and a count', async () => {
  const tracker = await startOwnTracker()
  const me = { info_hash: '07'.repeat(20), peer_id: 'ab'.repeat(20), port: 4000 }
  const tell = async (body: object, from?: string) =>
    (await postJson(tracker.http, '/api/v1/have', body, from)).json
  const have = [
    [0, 9],
    [20, 20],
  ]
  expect(await tell({ ...me, have })).toEqual({ accepted: false, count: 0 })
  await announceHttp(tracker.http, {
    infoHash: Buffer.alloc(20, 7),
    peerId: Buffer.alloc(20, 0xab),
    port: 4000,
    left: 1,
  })
  expect(await tell({ ...me, have })).toEqual({ accepted: true, count: 11 })
  expect((await locations(tracker, Buffer.alloc(20, 7))).peers[0].have).toEqual(have)
  // Nobody tells for another.
  expect((await tell({ ...me, have }, '127.0.0.2')).accepted).toBe(false)
  expect((await tell({ ...me, peer_id: 'cd'.repeat(20), have })).accepted).toBe(false)
  expect((await postJson(tracker.http, '/api/v1/have', { ...me, have: [[-1, 4]] })).status).toBe(400)
  expect((await postJson(tracker.http, '/api/v1/have', { ...me, have: [[5, 4]] })).json.count).toBe(0)
})

test('L36 a download tells its chunks, a seeder and a tracker without the API do not', async () => {
  const { file, source, target, torrent, folder } = stage(PIECES)
  const peer = await FakePeer.listen(torrent)
  const fake = await FakeTracker.start({ reply: { ...API, peers: [peer] } })
  const plain = await FakeTracker.start({ reply: { peers: [peer] } })
  const seed = startSeed(file, source, { tracker: fake })
  await seed.event('announced')
  const other = startGet(file, folder('other'), { tracker: plain })
  const get = startGet(file, target, { tracker: fake })
  await get.event('complete')
  await other.event('complete')
  await until('all told', () => toldPieces(callsTo(fake, 'have')).size === 40)
  const { port } = await get.peerEndpoint()
  expect(new Set(callsTo(fake, 'have').map(({ body }) => body.port))).toEqual(new Set([port]))
  expect(plain.calls.items).toEqual([])
})

test('L49 every verified piece is told in the end, after a crash and a refusal too', async () => {
  const { file, target, torrent } = stage(PIECES)
  const peer = await FakePeer.listen(torrent, { bytesPerSecond: 200_000 })
  const fake = await FakeTracker.start({ reply: { ...API, peers: [peer] } })
  const crashing = startGet(file, target, { tracker: fake })
  await until('twelve pieces', () => crashing.all('piece-verified').length >= 12, 20_000)
  crashing.signal('SIGKILL')
  await crashing.exit
  const crashedAt = performance.now()
  // The first answers it gets are a failure and a tracker that has forgotten it.
  const answers = [500, { accepted: false, count: 0 }]
  fake.answerCall = () => answers.shift() ?? { accepted: true, count: 0 }
  const get = startGet(file, target, { tracker: fake })
  const checked = await get.event('checked')
  expect(checked.pieces).toBeGreaterThan(0)
  await get.event('complete', undefined, 30_000)
  await get.event('registered', ({ pieces }) => pieces === 40, 30_000)
  const later = callsTo(fake, 'have').filter(({ at }) => at > crashedAt)
  expect(later.length).toBeGreaterThan(2)
  // What came before the last refusal may be lost on the tracker, so it is told again.
  expect([...toldPieces(later.slice(2))].sort((a, b) => a - b)).toEqual(upTo(40))
}, 90_000)
