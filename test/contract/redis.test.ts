/** Swarms and tables in a real Redis: the rules of those in memory, seen by two processes, and outages. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Prng } from '../../src/base/prng.ts'
import { RedisConnection } from '../../src/nodejs/redis-connection.ts'
import { RedisStore } from '../../src/nodejs/redis-store.ts'
import { RedisSwarms } from '../../src/nodejs/redis-swarms.ts'
import { AnnouncePolicy } from '../../src/tracker/announce-policy.ts'
import { SwarmTable } from '../../src/tracker/swarm-table.ts'
import type { AnnounceEvent, AnnounceRequest } from '../../src/wire/tracker-announce.ts'
import { RedisServer, startRedisCluster } from '../kit/redis-server.ts'
import { until } from '../kit/waiting.ts'

const INFO_HASH = new Uint8Array(20).fill(7)
const NOBODY = { seeders: 0, leechers: 0, completed: 0 }

function peer(number: number, rest: Partial<AnnounceRequest> = {}): AnnounceRequest {
  const peerId = new Uint8Array(20).fill(number)
  return { infoHash: INFO_HASH, peerId, port: 6881, uploaded: 0, downloaded: 0, left: 1, key: 1, ...rest }
}

const at = (last: number): Uint8Array => Uint8Array.of(10, 0, 0, last)
const atV6 = (last: number): Uint8Array => Uint8Array.from([32, 1, 13, 184, ...Array(11).fill(0), last])

function policyOf(sample: number, lifetimeSeconds = 60): AnnouncePolicy {
  const options = { intervalSeconds: 30, fullListPeers: sample, samplePeers: sample }
  return Object.assign(new AnnouncePolicy(options), { lifetimeSeconds })
}

async function open(server: RedisServer, rest: Partial<{ lifetimeSeconds: number; sample: number }> = {}) {
  const news: string[] = []
  const connection = await RedisConnection.open(server.url, {
    lost: () => news.push('lost'),
    regained: () => news.push('regained'),
  })
  const { lifetimeSeconds = 60, sample = 50 } = rest
  const swarms = new RedisSwarms(connection, policyOf(sample, lifetimeSeconds))
  return { connection, swarms, news }
}

test('what one process is told the other knows at once', async () => {
  const server = await RedisServer.start()
  const [a, b] = [await open(server), await open(server)]
  await a.swarms.announce(at(1), peer(1, { left: 0 }))
  const view = await b.swarms.announce(at(2), peer(2))
  expect(view).toMatchObject({ seeders: 1, leechers: 1, completed: 0 })
  expect([...view.peersV4]).toEqual([10, 0, 0, 1, 0x1a, 0xe1])
  expect([...view.peerIds]).toEqual(Array(20).fill(1))
  expect(await a.swarms.counts(INFO_HASH)).toEqual({ seeders: 1, leechers: 1, completed: 0 })
  a.connection.close()
  b.connection.close()
})

test('the same announce to both processes counts once, and completed once', async () => {
  const server = await RedisServer.start()
  const [a, b] = [await open(server), await open(server)]
  const request = peer(1, { left: 0, event: 'completed' })
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => [a, b][i % 2]!.swarms.announce(at(1), { ...request, numwant: 10 })),
  )
  expect(await b.swarms.counts(INFO_HASH)).toEqual({ seeders: 1, leechers: 0, completed: 1 })
  a.connection.close()
  b.connection.close()
})

test('only the peer id that announced may leave; a new id takes the endpoint over', async () => {
  const { connection, swarms } = await open(await RedisServer.start())
  await swarms.announce(at(1), peer(1, { left: 0 }))
  await swarms.announce(at(1), peer(9, { event: 'stopped' }))
  expect(await swarms.counts(INFO_HASH)).toMatchObject({ seeders: 1 })
  await swarms.announce(at(1), peer(2))
  expect(await swarms.counts(INFO_HASH)).toEqual({ seeders: 0, leechers: 1, completed: 0 })
  await swarms.announce(at(1), peer(2, { event: 'stopped' }))
  expect(await swarms.counts(INFO_HASH)).toEqual(NOBODY)
  connection.close()
})

test('a sample has the size asked for, other members only, the own family first', async () => {
  const { connection, swarms } = await open(await RedisServer.start(), { sample: 5 })
  for (let i = 1; i <= 12; i++) await swarms.announce(at(i), peer(i, { numwant: 0 }))
  for (let i = 1; i <= 3; i++) await swarms.announce(atV6(i), peer(100 + i, { numwant: 0 }))
  for (let round = 0; round < 20; round++) {
    const view = await swarms.announce(atV6(1), peer(101))
    expect([view.peersV6.length, view.peersV4.length]).toEqual([2 * 18, 3 * 6])
    expect(view.peerIds).not.toContain(101)
  }
  expect((await swarms.announce(at(1), peer(1, { numwant: 200 }))).peersV4.length).toBe(11 * 6)
  expect((await swarms.announce(at(1), peer(1, { numwant: 0 }))).peersV4.length).toBe(0)
  connection.close()
})

test('who is silent for its lifetime is gone', async () => {
  const { connection, swarms } = await open(await RedisServer.start(), { lifetimeSeconds: 1 })
  await swarms.announce(at(1), peer(1, { left: 0 }))
  await until('expiry', async () => (await swarms.counts(INFO_HASH)).seeders === 0)
  expect(await swarms.counts(INFO_HASH)).toEqual(NOBODY)
  connection.close()
})

test('while Redis is away calls fail at once with a reason, and work again when it is back', async () => {
  const server = await RedisServer.start()
  const { connection, swarms, news } = await open(server)
  await swarms.announce(at(1), peer(1))
  await server.kill()
  await until('loss', () => news.includes('lost'))
  await expect(swarms.announce(at(1), peer(1))).rejects.toMatchObject({ code: 'store/away' })
  await server.startAgain()
  await until('return', () => news.includes('regained'))
  await swarms.announce(at(1), peer(1))
  expect(await swarms.counts(INFO_HASH)).toEqual({ seeders: 0, leechers: 1, completed: 0 })
  expect(news).toEqual(['lost', 'regained'])
  connection.close()
})

test('a Redis that takes calls and answers none is away, until it answers again', async () => {
  const server = await RedisServer.start()
  const news: string[] = []
  const listener = { lost: () => void news.push('lost'), regained: () => void news.push('regained') }
  const connection = await RedisConnection.open(server.url, listener, 500)
  const swarms = new RedisSwarms(connection, policyOf(50))
  await swarms.announce(at(1), peer(1))
  server.pause()
  await expect(swarms.announce(at(2), peer(2))).rejects.toMatchObject({ code: 'store/away' })
  expect(news).toEqual(['lost'])
  expect(connection.isAway).toBe(true)
  server.resume()
  await until('an answer', () => !connection.isAway)
  expect(news).toEqual(['lost', 'regained'])
  await swarms.announce(at(2), peer(2))
  expect(await swarms.counts(INFO_HASH)).toMatchObject({ leechers: 2 })
  connection.close()
})

test('a Redis that is not there, or no URL, is said so', async () => {
  const silent = { lost: () => {}, regained: () => {} }
  await expect(RedisConnection.open('redis://u:secret@127.0.0.1:1', silent)).rejects.toMatchObject({
    code: 'store/unreachable',
    message: expect.not.stringContaining('secret'),
  })
  await expect(RedisConnection.open('redis://', silent)).rejects.toMatchObject({ code: 'store/bad-url' })
})

test('counts are those of the table in memory, whatever peers say', async () => {
  const { connection, swarms } = await open(await RedisServer.start())
  let run = 0
  const event = fc.constantFrom<AnnounceEvent | undefined>('started', 'completed', 'stopped', undefined)
  const step = fc.record({ host: fc.integer({ min: 1, max: 3 }), id: fc.nat(2), left: fc.nat(1), event })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const infoHash = new Uint8Array(20).fill(++run)
      const table = new SwarmTable(new Prng(1))
      for (const { host, id, left, event } of steps) {
        const request = { ...peer(id, { left, event }), infoHash }
        if (event === 'stopped') table.leave(at(host), request)
        else table.join(1, at(host), request)
        await swarms.announce(at(host), { ...request, numwant: 0 })
        const expected = table.counts(infoHash)
        // A swarm that nobody is in does not exist in memory; Redis forgets it a lifetime later.
        if (expected.seeders + expected.leechers > 0) expect(await swarms.counts(infoHash)).toEqual(expected)
      }
    }),
    { numRuns: 100 },
  )
  connection.close()
})

test('one source brings only so many newcomers in an hour, the others as many as they like (S25)', async () => {
  const { connection } = await open(await RedisServer.start())
  const swarms = new RedisSwarms(connection, policyOf(50), 30)
  const made = new Prng(2)
  const flood = async (address: () => Uint8Array) => {
    let taken = 0
    for (let i = 0; i < 50; i++) {
      const request = { ...peer(1), infoHash: made.bytes(20) }
      const { isRefused } = await swarms.announce(address(), request)
      if (isRefused) expect(await swarms.counts(request.infoHash)).toEqual(NOBODY)
      else taken++
    }
    return taken
  }
  await swarms.announce(at(9), peer(9))
  await swarms.announce(at(1), peer(1))
  expect(await flood(() => at(1))).toBe(29)
  // Of IPv6 a /48 is one source.
  expect(await flood(() => Uint8Array.from([32, 1, 13, 184, 0, 0, ...made.bytes(10)]))).toBe(30)
  // Who is there is served, also under a new id, and so is everybody else, in old and new swarms.
  expect(await swarms.announce(at(1), peer(1))).toMatchObject({
    isRefused: false,
    wasThere: true,
    leechers: 2,
  })
  expect(await swarms.announce(at(1), peer(3))).toMatchObject({ isRefused: false, leechers: 2 })
  const fresh = { ...peer(2), infoHash: made.bytes(20) }
  expect(await swarms.announce(at(2), fresh)).toMatchObject({ isRefused: false, leechers: 1 })
  expect(await swarms.announce(at(2), peer(2))).toMatchObject({ isRefused: false, leechers: 3 })
  expect(await swarms.announce(at(1), { ...fresh, port: 1 })).toMatchObject({ isRefused: true, leechers: 1 })
  // This machine's own addresses are not limited: a proxy may stand there.
  expect(await flood(() => Uint8Array.of(127, 0, 0, 1))).toBe(50)
  connection.close()
})

test('a cluster serves swarms in all of its slots', async () => {
  const silent = { lost: () => {}, regained: () => {} }
  const connection = await RedisConnection.open(await startRedisCluster(), silent)
  const swarms = new RedisSwarms(connection, policyOf(50))
  for (let i = 0; i < 30; i++) {
    const infoHash = new Uint8Array(20).fill(i)
    await swarms.announce(at(1), { ...peer(1, { left: 0 }), infoHash })
    expect(await swarms.counts(infoHash)).toEqual({ seeders: 1, leechers: 0, completed: 0 })
  }
  connection.close()
})

test('a store in Redis gives back what was put, also what was put while it was away', async () => {
  const server = await RedisServer.start()
  const { connection, news } = await open(server)
  const store = new RedisStore(connection)
  store.put('a', '2', Uint8Array.of(2))
  store.put('a', '1', Uint8Array.of(0, 255))
  store.put('b', '1', Uint8Array.of(3))
  expect(await store.get('a', '1')).toEqual(Uint8Array.of(0, 255))
  await store.flush()
  expect(await store.get('c', '1')).toBeUndefined()
  await server.kill()
  await until('loss', () => news.includes('lost'))
  store.put('a', '3', Uint8Array.of(4))
  store.delete('b', '1')
  expect(await store.get('a', '3')).toEqual(Uint8Array.of(4))
  await expect(store.flush()).rejects.toMatchObject({ code: 'store/away' })
  await server.startAgain()
  await until('what waited is written', () =>
    store.flush().then(
      () => true,
      () => false,
    ),
  )
  const other = new RedisStore((await open(server)).connection)
  expect((await other.rows('a')).map(({ key, value }) => [key, ...value])).toEqual([['3', 4]])
  store.put('a', '1', Uint8Array.of(0, 255))
  await store.close()
  expect((await other.rows('a')).map(({ key, value }) => [key, ...value])).toEqual([
    ['1', 0, 255],
    ['3', 4],
  ])
  connection.close()
})
