/** Requirements of the `memes` system about its repository's heartbeat: who is really there. */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { type OwnTracker, startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp, postJson } from '../kit/raw-announce.ts'
import { peerIdText, stage, startGet, startSeed } from '../kit/stage.ts'
import { type TorrentFixture, torrentFixture } from '../kit/torrent-fixture.ts'
import { sleep, until } from '../kit/waiting.ts'

const PROBE = /^-SHtrk0-/

/** The fake peer announces itself, as whoever listens there. */
async function announce(tracker: OwnTracker, peer: FakePeer, left = 0): Promise<void> {
  const { peerId, port, host } = peer
  await announceHttp(tracker.http, { infoHash: peer.torrent.infoHash, peerId, port, left, from: host })
}

/** Addresses of everybody in the swarm, asked as one who only looks. */
async function members(tracker: OwnTracker, torrent: TorrentFixture): Promise<string[]> {
  const who = { infoHash: torrent.infoHash, peerId: Buffer.alloc(20, 'x'), port: 9, from: '127.0.0.99' }
  const { peers } = await announceHttp(tracker.http, { ...who, numwant: 200 })
  await announceHttp(tracker.http, { ...who, event: 'stopped' })
  return peers.map(({ host, port }) => `${host}:${port}`)
}

/** When the tracker shook hands with the peer, in milliseconds. */
function probesOf(peer: FakePeer): number[] {
  return peer.connections.items.filter(({ hasHandshake }) => hasHandshake).map(({ openedAt }) => openedAt)
}

test('M20 the repository asks each reader whether it is there, at a set frequency', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1s')
  const torrent = torrentFixture()
  const peer = await FakePeer.listen(torrent, { host: '127.0.0.3' })
  await announce(tracker, peer)
  await until('five probes', () => probesOf(peer).length >= 5, 20_000)
  const { bytes, infoHash, peerId } = await peer.connection().then((connection) => connection.handshake())
  expect(bytes.length).toBe(68)
  expect(infoHash).toEqual(torrent.infoHash)
  expect(peerIdText(peerId)).toMatch(PROBE)
  const times = probesOf(peer)
  // On the average of the rounds, so that a loaded machine may be late with one of them.
  const gap = ((times[4] ?? 0) - (times[0] ?? 0)) / 4
  expect(gap).toBeGreaterThan(900)
  expect(gap).toBeLessThan(1500)
  expect(await tracker.shoal.event('heartbeat')).toMatchObject({
    address: peer.address,
    infoHash: torrent.infoHash.toString('hex'),
    result: 'ok',
  })
})

test('M21 it goes to all readers, and one that does not answer delays no other', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1s', '--heartbeat-window', '20s')
  const torrent = torrentFixture()
  const mute = await FakePeer.listen(torrent, { host: '127.0.0.2', silent: true })
  const others = await Promise.all(
    Array.from({ length: 19 }, (_, i) => FakePeer.listen(torrent, { host: `127.0.0.${10 + i}` })),
  )
  for (const peer of [mute, ...others]) await announce(tracker, peer)
  await until('three rounds', () => others.every((peer) => probesOf(peer).length >= 3), 20_000)
  for (const peer of others) {
    const [first = 0, , third = 0] = probesOf(peer)
    expect(third - first).toBeLessThan(4000)
  }
  expect(mute.connections.items.length).toBe(1)
  const rounds = tracker.shoal.all('heartbeat').map(({ address }) => address)
  for (const peer of others)
    expect(rounds.filter((address) => address === peer.address).length).toBeGreaterThan(1)
})

test('M22 who does not answer within the window is removed', async () => {
  const tracker = await startOwnTracker('--heartbeat', '2s', '--heartbeat-window', '1s')
  const torrent = torrentFixture()
  const mute = await FakePeer.listen(torrent, { host: '127.0.0.2', silent: true })
  const alive = await FakePeer.listen(torrent, { host: '127.0.0.3' })
  await announce(tracker, mute)
  await announce(tracker, alive)
  const announcedAt = performance.now()
  const removed = await tracker.shoal.event('removed', undefined, 20_000)
  expect(removed).toMatchObject({ address: mute.address, reason: 'heartbeat-timeout' })
  expect(removed.at - announcedAt).toBeLessThan(3000 + 2000)
  expect(await members(tracker, torrent)).toEqual([alive.address])
})

test('M23 a crashed reader is removed, within a period and a window', async () => {
  const tracker = await startOwnTracker('--heartbeat', '2s', '--heartbeat-window', '1s')
  const { file, source, torrent } = stage()
  const url = `http://127.0.0.1:${tracker.http.port}/announce`
  const seeds = [1, 2].map((i) => startSeed(file, source, { host: `127.0.0.${i + 1}`, tracker: url }))
  const [crashing, staying] = seeds as [(typeof seeds)[0], (typeof seeds)[0]]
  for (const seed of seeds) await seed.event('announced')
  const at = async (seed: typeof crashing) => {
    const { host, port } = await seed.peerEndpoint()
    return `${host}:${port}`
  }
  const gone = await at(crashing)
  await tracker.shoal.event('heartbeat', ({ address }) => address === gone)
  crashing.signal('SIGKILL')
  const removed = await tracker.shoal.event('removed', undefined, 20_000)
  expect(removed).toMatchObject({ address: gone, reason: 'heartbeat-timeout' })
  expect(await members(tracker, torrent)).toEqual([await at(staying)])
})

test('M23 one that leaves without deregistering, and one nobody could ever reach, who stays listed last', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1s', '--heartbeat-window', '1s')
  const torrent = torrentFixture()
  const leaving = await FakePeer.listen(torrent, { host: '127.0.0.2' })
  const hidden = await FakePeer.listen(torrent, { host: '127.0.0.3' })
  await hidden.stop()
  const staying = await FakePeer.listen(torrent, { host: '127.0.0.4' })
  for (const peer of [hidden, leaving, staying]) await announce(tracker, peer)
  await until('a probe', () => probesOf(leaving).length > 0)
  await leaving.stop()
  await tracker.shoal.event('removed', ({ address }) => address === leaving.address, 20_000)
  await sleep(1500)
  expect(await members(tracker, torrent)).toEqual([staying.address, hidden.address])
  expect(tracker.shoal.all('removed')).toHaveLength(1)
})

test('M20 peers that insist on encryption, and those that talk to one at a time, are found alive', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1s', '--heartbeat-window', '2s')
  const { file, source, torrent } = stage()
  const url = `http://127.0.0.1:${tracker.http.port}/announce`
  const strict = startSeed(file, source, {
    host: '127.0.0.2',
    tracker: url,
    args: ['--encryption', 'require'],
  })
  const single = startSeed(file, source, { host: '127.0.0.3', tracker: url, args: ['--one-at-a-time'] })
  const addresses: string[] = []
  for (const seed of [strict, single]) {
    await seed.event('announced')
    const { host, port } = await seed.peerEndpoint()
    addresses.push(`${host}:${port}`)
  }
  const guest = await FakePeer.leecher(torrent).dial(await single.readyEndpoint())
  await guest.handshake()
  for (const address of addresses)
    await until(
      `three answers of ${address}`,
      () =>
        tracker.shoal.all('heartbeat').filter((e) => e.address === address && e.result === 'ok').length >= 3,
      20_000,
    )
  expect(tracker.shoal.all('removed')).toEqual([])
  // A probe is no session.
  expect(strict.all('peer-connected')).toEqual([])
})

/** The report of one who is in the swarm, as JSON. */
async function report(
  tracker: OwnTracker,
  accused: FakePeer,
  by?: FakePeer,
): Promise<Record<string, unknown>> {
  const { torrent, host, port } = accused
  const reporter = by && { peer_id: by.peerId.toString('hex'), peer_port: by.port }
  const { json } = await postJson(
    tracker.http,
    '/api/v1/report',
    { info_hash: torrent.infoHash.toString('hex'), ip: host, port, ...reporter },
    by?.host,
  )
  return json
}

test('M34 a reader that gets no answer from another tells the repository, once', async () => {
  const { file, target, torrent } = stage({ files: { 'a.bin': 400_000 } })
  const alive = await FakePeer.listen(torrent, { host: '127.0.0.2', bytesPerSecond: 100_000 })
  const dead = await FakePeer.listen(torrent, { host: '127.0.0.4' })
  await dead.stop()
  const fake = await FakeTracker.start({
    reply: { peers: [alive, dead], api: '/api/v1', intervalSeconds: 5 },
  })
  const get = startGet(file, target, { tracker: fake, host: '127.0.0.3' })
  const told = await get.event('reported')
  expect(told.address).toBe(dead.address)
  await get.event('complete', undefined, 30_000)
  const reports = fake.calls.items.filter(({ path }) => path === '/api/v1/report')
  const { port } = await get.peerEndpoint()
  expect(reports.map(({ method, body }) => [method, body])).toEqual([
    [
      'POST',
      {
        info_hash: torrent.infoHash.toString('hex'),
        ip: dead.host,
        port: dead.port,
        peer_id: expect.stringMatching(/^2d5348/),
        peer_port: port,
      },
    ],
  ])
})

test('M34 a tracker that does not offer it is told nothing', async () => {
  const { file, target, torrent } = stage({ files: { 'a.bin': 100_000 } })
  const alive = await FakePeer.listen(torrent, { host: '127.0.0.2' })
  const dead = await FakePeer.listen(torrent, { host: '127.0.0.4' })
  await dead.stop()
  const fake = await FakeTracker.start({ reply: { peers: [dead, alive] } })
  const get = startGet(file, target, { tracker: fake, args: ['--refresh-locations', '1s'] })
  await get.event('complete')
  await get.end()
  expect(fake.calls.items).toEqual([])
})

test('M35 on a report the repository asks that very reader, out of its turn', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1h')
  const torrent = torrentFixture()
  const [accused, by, other] = (await Promise.all(
    [2, 3, 4].map((i) => FakePeer.listen(torrent, { host: `127.0.0.${i}` })),
  )) as [FakePeer, FakePeer, FakePeer]
  for (const peer of [accused, by, other]) await announce(tracker, peer)
  await until('first probes', () => [accused, by, other].every((peer) => probesOf(peer).length === 1))
  const reportedAt = performance.now()
  expect(await report(tracker, accused, by)).toEqual({ accepted: true })
  await until('a second probe', () => probesOf(accused).length === 2)
  expect((probesOf(accused)[1] ?? 0) - reportedAt).toBeLessThan(1000)
  await tracker.shoal.event('probe', ({ address }) => address === accused.address)
  expect([by, other].map((peer) => probesOf(peer).length)).toEqual([1, 1])
})

test('M36 it is removed if it does not answer, and kept if it does', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1h', '--heartbeat-window', '1s')
  const torrent = torrentFixture()
  const gone = await FakePeer.listen(torrent, { host: '127.0.0.2' })
  const alive = await FakePeer.listen(torrent, { host: '127.0.0.3' })
  for (const peer of [gone, alive]) {
    await announce(tracker, peer)
    await tracker.shoal.event('heartbeat', ({ address }) => address === peer.address)
  }
  await gone.stop()
  expect(await report(tracker, gone, alive)).toEqual({ accepted: true })
  await tracker.shoal.event('removed', ({ address }) => address === gone.address)
  // A false report, and a thousand more.
  expect(await report(tracker, alive)).toEqual({ accepted: false, reason: 'not-a-member' })
  expect((await report(tracker, alive, alive)).accepted).toBe(true)
  await tracker.shoal.event('kept', ({ address }) => address === alive.address)
  for (let i = 0; i < 1000; i++) await report(tracker, alive, alive)
  expect(await members(tracker, torrent)).toEqual([alive.address])
  expect(probesOf(alive).length).toBeLessThan(20)
}, 60_000)

test('M36 end to end: Shoal finds a dead peer, and its tracker forgets that one', async () => {
  const tracker = await startOwnTracker('--heartbeat', '1h', '--heartbeat-window', '1s')
  const { file, target, torrent } = stage({ files: { 'a.bin': 200_000 } })
  const alive = await FakePeer.listen(torrent, { host: '127.0.0.2' })
  const dead = await FakePeer.listen(torrent, { host: '127.0.0.4' })
  for (const peer of [dead, alive]) await announce(tracker, peer)
  await tracker.shoal.event('heartbeat', ({ address }) => address === dead.address)
  await dead.stop()
  const get = startGet(file, target, {
    tracker: `http://127.0.0.1:${tracker.http.port}/announce`,
    host: '127.0.0.3',
  })
  await tracker.shoal.event('removed', ({ address }) => address === dead.address)
  await get.event('complete')
})
