/**
 * Two `shoal tracker` processes on one Redis: they share the probes of peers, and answer alike about them.
 * Counted where the probes arrive, at fake peers.
 */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { type OwnTracker, startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp, getJson, postJson } from '../kit/raw-announce.ts'
import { RedisServer } from '../kit/redis-server.ts'
import { type TorrentFixture, torrentFixture } from '../kit/torrent-fixture.ts'
import { until } from '../kit/waiting.ts'

const PEERS = 40
const PERIOD_MS = 3000
/** A window of one second, and what a lease is longer (`src/nodejs/shared-heartbeat.ts`). */
const LEASE_MS = 6000

function start(redis: RedisServer, heartbeat: string): Promise<OwnTracker> {
  return startOwnTracker('--store', redis.url, '--heartbeat', heartbeat, '--heartbeat-window', '1s')
}

function listen(torrent: TorrentFixture, count: number): Promise<FakePeer[]> {
  const hosts = Array.from({ length: count }, (_, i) => `127.0.0.${i + 2}`)
  return Promise.all(hosts.map((host) => FakePeer.listen(torrent, { host })))
}

async function announce(tracker: OwnTracker, peer: FakePeer): Promise<void> {
  const { peerId, port, host } = peer
  await announceHttp(tracker.http, { infoHash: peer.torrent.infoHash, peerId, port, from: host })
}

/** When a tracker shook hands with the peer, in milliseconds. */
function probesOf(peer: FakePeer): number[] {
  return peer.connections.items.filter(({ hasHandshake }) => hasHandshake).map(({ openedAt }) => openedAt)
}

async function listed(tracker: OwnTracker, torrent: TorrentFixture): Promise<string[]> {
  const path = `/api/v1/peers?all=true&info_hash=${torrent.infoHash.toString('hex')}`
  const { json } = await getJson(tracker.http, path)
  const rows: { hostaddr: string; port: number }[] = json.peers ?? []
  return rows.map(({ hostaddr, port }) => `${hostaddr}:${port}`).sort()
}

test('no peer is probed twice in a period; of two processes one is killed, and the other has all', async () => {
  const redis = await RedisServer.start()
  const trackers = [await start(redis, '3s'), await start(redis, '3s')] as const
  const [a, b] = trackers
  const peers = await listen(torrentFixture(), PEERS)
  for (const [i, peer] of peers.entries()) await announce(trackers[i % 2]!, peer)
  await until('four rounds', () => peers.every((peer) => probesOf(peer).length >= 4), 60_000)
  for (const peer of peers) {
    const times = probesOf(peer)
    for (let i = 1; i < times.length; i++)
      // As they arrive, which may be late for one and in time for the next.
      expect(times[i]! - times[i - 1]!).toBeGreaterThan(PERIOD_MS / 4)
    const rounds = (times.at(-1)! - times[0]!) / PERIOD_MS
    expect(times.length - 1).toBeLessThanOrEqual(rounds + 1)
  }
  // Both had their share, and each probe is told by one of them.
  for (const { shoal } of trackers) expect(shoal.all('heartbeat').length).toBeGreaterThan(0)
  await a.shoal.kill()
  const killedAt = performance.now()
  const before = peers.map((peer) => probesOf(peer).length)
  const isSeenAgain = (peer: FakePeer, i: number) => probesOf(peer).length >= before[i]! + 2
  await until('two more rounds by one', () => peers.every(isSeenAgain), 60_000)
  for (const [i, peer] of peers.entries()) {
    const taken = probesOf(peer)[before[i]!]!
    // One period, or the lease of a probe that died, and time for a loaded machine.
    expect(taken - killedAt).toBeLessThan(Math.max(PERIOD_MS, LEASE_MS) + 4000)
  }
  expect(await listed(b, torrentFixture())).toHaveLength(PEERS)
}, 180_000)

test('a probe that died with its process is made again by the other', async () => {
  const redis = await RedisServer.start()
  const args = ['--store', redis.url, '--heartbeat', '1h', '--heartbeat-window', '4s']
  const a = await startOwnTracker(...args)
  const mute = await FakePeer.listen(torrentFixture(), { host: '127.0.0.2', silent: true })
  await announce(a, mute)
  await until('a probe', () => probesOf(mute).length === 1)
  await a.shoal.kill()
  const b = await startOwnTracker(...args)
  const removed = await b.shoal.event('removed', undefined, 60_000)
  expect(removed).toMatchObject({ address: mute.address, reason: 'heartbeat-timeout' })
  expect(probesOf(mute)).toHaveLength(2)
  expect(await listed(b, mute.torrent)).toEqual([])
})

test('a dead peer is gone in both; a false report keeps the peer', async () => {
  const redis = await RedisServer.start()
  const trackers = [await start(redis, '1h'), await start(redis, '1h')] as const
  const [a, b] = trackers
  const torrent = torrentFixture()
  const info_hash = torrent.infoHash.toString('hex')
  const [gone, alive, by] = (await listen(torrent, 3)) as [FakePeer, FakePeer, FakePeer]
  for (const peer of [gone, alive, by]) await announce(a, peer)
  await until('first probes', () => [gone, alive, by].every((peer) => probesOf(peer).length === 1))
  const told = (event: string, peer: FakePeer) => () =>
    trackers.some(({ shoal }) => shoal.all(event).some(({ address }) => address === peer.address))
  for (const peer of [gone, alive, by]) await until('what was found', told('heartbeat', peer))
  await gone.stop()
  const report = async (tracker: OwnTracker, { host: ip, port }: FakePeer, from?: string) =>
    (await postJson(tracker.http, '/api/v1/report', { info_hash, ip, port }, from)).json
  expect(await report(b, gone, '127.0.0.99')).toEqual({ accepted: false, reason: 'not-a-member' })
  expect(await report(b, gone, by.host)).toEqual({ accepted: true })
  await until('removal', told('removed', gone))
  const left = [alive.address, by.address].sort()
  for (const tracker of trackers) expect(await listed(tracker, torrent)).toEqual(left)
  expect(await report(b, alive, by.host)).toEqual({ accepted: true })
  expect(await report(a, alive, by.host)).toEqual({ accepted: false, reason: 'probed-lately' })
  await until('the news that it was kept', told('kept', alive))
  expect([probesOf(alive).length, probesOf(by).length]).toEqual([2, 1])
  for (const tracker of trackers) expect(await listed(tracker, torrent)).toEqual(left)
})

test('the routes about peers answer alike in both, and say so while Redis is away', async () => {
  const redis = await RedisServer.start()
  const args = ['--store', redis.url, '--heartbeat', 'off']
  const [a, b] = [await startOwnTracker(...args), await startOwnTracker(...args)]
  const me = { peer_id: '-XX0001-abcdefghijkl', hostaddr: '127.0.0.1', port: 4000 }
  const info_hash = 'ab'.repeat(20)
  const answers = async (path: string) => {
    const [one, other] = [await getJson(a.http, path), await getJson(b.http, path)]
    expect([one.status, one.json]).toEqual([other.status, other.json])
    return one
  }
  expect((await answers('/api/v1/peers')).json).toEqual({ total: 0, peers: [] })
  expect((await answers(`/api/v1/peers?info_hash=${info_hash}`)).status).toBe(404)
  expect((await postJson(a.http, '/api/v1/register', { ...me, info_hash, left: 0 })).status).toBe(201)
  expect((await postJson(b.http, '/api/v1/register', { ...me, info_hash, left: 0 })).status).toBe(200)
  const rows = (await answers(`/api/v1/peers?info_hash=${info_hash}`)).json.peers
  expect(rows).toEqual([expect.objectContaining({ ...me, seed: true, reach: 'untried' })])
  const told = { info_hash, peer_id: me.peer_id, port: me.port }
  const first = await postJson(a.http, '/api/v1/have', { ...told, have: [[5, 9]] })
  expect(first.json).toEqual({ accepted: true, count: 5 })
  const have = [
    [0, 1],
    [10, 11],
  ]
  await postJson(b.http, '/api/v1/have', { ...told, have })
  const { peers } = (await answers(`/api/v1/locations?info_hash=${info_hash}`)).json
  expect(peers).toMatchObject([{ ip: '127.0.0.1', port: 4000, seed: true }])
  expect(peers[0].have).toEqual([
    [0, 1],
    [5, 11],
  ])
  const report = await postJson(b.http, '/api/v1/report', { info_hash, ip: '127.0.0.1', port: 4000 })
  expect(report.json).toEqual({ accepted: false, reason: 'off' })
  const leave = async (body: object) => (await postJson(b.http, '/api/v1/deregister', body)).json.removed
  expect(await leave({ ...me, info_hash, peer_id: 'thief' })).toBe(false)
  expect([await leave({ ...me, info_hash }), await leave({ ...me, info_hash })]).toEqual([true, false])
  expect((await answers(`/api/v1/locations?info_hash=${info_hash}`)).status).toBe(404)
  await redis.kill()
  await a.shoal.event('store-lost')
  const away = await getJson(a.http, '/api/v1/peers')
  expect([away.status, away.json.code]).toEqual([503, 'store/away'])
  await redis.startAgain()
  await a.shoal.event('store-regained')
  expect((await getJson(a.http, '/api/v1/peers')).json.total).toBe(0)
})
