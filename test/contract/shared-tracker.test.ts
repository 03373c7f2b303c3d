/** Two trackers on one Redis, asked over HTTP and UDP: one view, also after an outage. */
import { expect, onTestFinished, test } from 'vitest'
import { RedisConnection } from '../../src/nodejs/redis-connection.ts'
import { SharedTracker } from '../../src/nodejs/shared-tracker.ts'
import { TrackerServer } from '../../src/nodejs/tracker-server.ts'
import { TRACKER_DEFAULTS } from '../../src/tracker/announce-policy.ts'
import { announceHttp, announceUdp } from '../kit/raw-announce.ts'
import { RedisServer } from '../kit/redis-server.ts'
import { until } from '../kit/waiting.ts'

const INFO_HASH = Buffer.alloc(20, 7)
const member = (number: number) => ({
  infoHash: INFO_HASH,
  peerId: Buffer.alloc(20, number),
  port: 6000 + number,
  from: '127.0.0.1',
})

async function startTracker(redis: RedisServer) {
  const news: string[] = []
  const connection = await RedisConnection.open(redis.url, {
    lost: () => news.push('lost'),
    regained: () => news.push('regained'),
    failed: ({ code, message }) => news.push(`${code}: ${message}`),
  })
  const desk = new SharedTracker(connection, TRACKER_DEFAULTS)
  const server = await TrackerServer.listen({ host: '127.0.0.1', port: 0, udpPort: 0, desk })
  onTestFinished(async () => {
    await server.close()
    desk.close()
  })
  return { server, news, http: server.endpoint, udp: server.udpEndpoint! }
}

test('an announce to one tracker is in the answer of the other, whichever transport carries it', async () => {
  const redis = await RedisServer.start()
  const [a, b] = [await startTracker(redis), await startTracker(redis)]
  await announceHttp(a.http, member(1))
  expect((await announceUdp(b.udp, member(2))).peers).toEqual([{ host: '127.0.0.1', port: 6001 }])
  expect((await announceHttp(a.http, { ...member(3), compact: 0 })).peers.length).toBe(2)
  await announceUdp(a.udp, { ...member(1), event: 'stopped' })
  await announceHttp(b.http, { ...member(3), event: 'stopped' })
  expect((await announceUdp(b.udp, { ...member(4), left: 1 })).peers).toEqual([
    { host: '127.0.0.1', port: 6002 },
  ])
})

test('one tracker gone, the other goes on with all peers', async () => {
  const redis = await RedisServer.start()
  const [a, b] = [await startTracker(redis), await startTracker(redis)]
  for (let i = 1; i <= 20; i++) await announceHttp(a.http, member(i))
  await a.server.close()
  const reply = await announceHttp(b.http, { ...member(1), event: '' })
  expect(reply.peers.length).toBe(19)
  expect(reply.members.get('complete')).toBe(20)
})

test('while Redis is away clients are told so; then announces work and count once', async () => {
  const redis = await RedisServer.start()
  const tracker = await startTracker(redis)
  await announceHttp(tracker.http, member(1))
  await redis.kill()
  await until('loss', () => tracker.news.includes('lost'))
  expect((await announceHttp(tracker.http, member(1))).failure).toBe('the store of this tracker is away')
  await redis.startAgain()
  await until('return', () => tracker.news.includes('regained'))
  for (let i = 0; i < 5; i++) await announceHttp(tracker.http, member(1))
  const reply = await announceHttp(tracker.http, member(2))
  expect([reply.members.get('complete'), reply.peers.length]).toEqual([2, 1])
})

test('a Redis that answers with an error is no Redis that is away: clients hear little, the operator all', async () => {
  const redis = await RedisServer.start()
  const tracker = await startTracker(redis)
  await announceHttp(tracker.http, member(1))
  // What a key holds that another program wrote: every script about this swarm fails.
  redis.command('FLUSHALL')
  await announceHttp(tracker.http, { ...member(1), infoHash: Buffer.alloc(20, 8) })
  const keys = redis.command('KEYS', '*').trim().split('\n')
  for (const key of keys) redis.command('SET', key, 'nonsense')
  const ask = () => announceHttp(tracker.http, { ...member(1), infoHash: Buffer.alloc(20, 8) })
  for (let i = 0; i < 20; i++) expect((await ask()).failure).toBe('an internal failure of this tracker')
  expect(tracker.news).toEqual([expect.stringMatching(/^store\/failed: .*WRONGTYPE/)])
  // Other swarms are as they were.
  expect((await announceHttp(tracker.http, member(2))).failure).toBeUndefined()
  expect((await announceUdp(tracker.udp, member(3))).peers).toHaveLength(1)
})

test('no memory and no writes are told as such, and are over when Redis says so', async () => {
  const redis = await RedisServer.start()
  const tracker = await startTracker(redis)
  await announceHttp(tracker.http, member(1))
  redis.command('CONFIG', 'SET', 'maxmemory', '1')
  expect((await announceHttp(tracker.http, member(2))).failure).toBe('an internal failure of this tracker')
  redis.command('CONFIG', 'SET', 'maxmemory', '0')
  redis.command('REPLICAOF', '127.0.0.1', String(redis.port + 1))
  expect((await announceHttp(tracker.http, member(2))).failure).toBe('an internal failure of this tracker')
  redis.command('REPLICAOF', 'NO', 'ONE')
  expect(tracker.news).toEqual([
    expect.stringContaining('OOM command not allowed'),
    expect.stringContaining('READONLY'),
  ])
  expect((await announceHttp(tracker.http, member(2))).peers).toHaveLength(1)
})
