/** Peers one by one in a real Redis: the answers of the desk in memory, whichever process is asked. */
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { Prng } from '../../src/base/prng.ts'
import { instant } from '../../src/base/time.ts'
import { RedisConnection } from '../../src/nodejs/redis-connection.ts'
import { keysOf, shardOf } from '../../src/nodejs/redis-keys.ts'
import { RedisPeers } from '../../src/nodejs/redis-peers.ts'
import { type LeasedPeer, RedisProbes } from '../../src/nodejs/redis-probes.ts'
import { RedisSwarms } from '../../src/nodejs/redis-swarms.ts'
import { AnnouncePolicy } from '../../src/tracker/announce-policy.ts'
import type { ProbeResult } from '../../src/tracker/heartbeat.ts'
import type { PeerIdentity, PeerListing, PeerLocation } from '../../src/tracker/peer-desk.ts'
import { Tracker } from '../../src/tracker/tracker.ts'
import { RedisServer, startRedisCluster } from '../kit/redis-server.ts'
import { sleep, until } from '../kit/waiting.ts'

const HEARTBEAT = { periodSeconds: 60, windowSeconds: 3 }
const OPTIONS = { intervalSeconds: 30, fullListPeers: 50, samplePeers: 50, heartbeat: HEARTBEAT }
const POLICY = new AnnouncePolicy(OPTIONS)
/** Longer than any of these tests takes. */
const LEASE_MS = 60_000
const INFO_HASH = new Uint8Array(20).fill(0xff)
const silent = { lost: () => {}, regained: () => {} }

async function open(url: string, periodMs = 60_000, leaseMs = LEASE_MS) {
  const connection = await RedisConnection.open(url, silent)
  onTestFinished(() => connection.close())
  const swarms = new RedisSwarms(connection, POLICY)
  const peers = new RedisPeers(connection, swarms, POLICY)
  const probes = new RedisProbes(connection, swarms, { periodMs, leaseMs })
  const take = async (room = 100) => {
    const taken: LeasedPeer[] = []
    await probes.take(room, (peer) => taken.push(peer))
    return taken
  }
  return { connection, swarms, peers, probes, take }
}

/** Bytes that are no text, and every byte that a script could stumble over. */
function peer(number: number, rest: Partial<PeerIdentity> = {}): PeerIdentity {
  const peerId = Uint8Array.from([number, 0, 10, 13, 255, 37, 92, 42, 91, 63, ...Array(10).fill(0x80)])
  return { infoHash: INFO_HASH, address: Uint8Array.of(10, 0, 42, number), port: 6881, peerId, ...rest }
}

test('answers are those of the desk in memory, from either process', async () => {
  const { url } = await RedisServer.start()
  const both = [await open(url), await open(url)]
  let run = 0
  const who = fc.record({ host: fc.integer({ min: 1, max: 2 }), id: fc.nat(1), isV6: fc.boolean() })
  const range = fc.tuple(fc.nat(40), fc.nat(40))
  const step = fc.record({
    what: fc.constantFrom('register', 'deregister', 'have', 'replace', 'report', 'list'),
    who,
    accused: who,
    isNamed: fc.boolean(),
    left: fc.nat(1),
    ranges: fc.array(range, { maxLength: 5 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const infoHash = new Uint8Array(20).fill(++run)
      const { desk } = new Tracker({ prng: new Prng(1) } as never, OPTIONS)
      const now = instant(1)
      // Anew, so that nobody has used up what it may report.
      const desks = both.map(({ connection, swarms }) => new RedisPeers(connection, swarms, POLICY))
      const identity = ({ host, id, isV6 }: { host: number; id: number; isV6: boolean }) => {
        const address = isV6
          ? Uint8Array.from([32, 1, ...Array(13).fill(0), host])
          : Uint8Array.of(10, 0, 0, host)
        return { infoHash, address, port: 7000, peerId: new Uint8Array(20).fill(id) }
      }
      for (const [i, { what, who, accused, isNamed, left, ranges }] of steps.entries()) {
        const peers = desks[i % 2]!
        const me = identity(who)
        if (what === 'register') expect(await peers.register(me, left)).toBe(desk.register(now, me, left))
        else if (what === 'deregister') expect(await peers.deregister(me)).toBe(desk.deregister(me))
        else if (what === 'report') {
          const reporter = isNamed ? me : { address: me.address }
          const report = { ...identity(accused), reporter }
          expect(await peers.report(report)).toBe(desk.report(now, report))
        } else if (what !== 'list') {
          const replaces = what === 'replace'
          expect(await peers.have(me, ranges, replaces)).toBe(desk.have(me, ranges, replaces))
        }
        expect(plain(await peers.list(infoHash, false))).toEqual(plain(desk.list(infoHash, false)))
        expect(plain(await peers.locations(infoHash))).toEqual(plain(desk.locations(infoHash)))
      }
    }),
    { numRuns: 200 },
  )
})

/** In an order that can be compared, without what only memory knows. */
function plain(listing: PeerListing | undefined): unknown {
  if (listing === undefined) return undefined
  const rows = (listing.peers as readonly PeerLocation[]).map((row) => ({
    infoHash: hex(row.infoHash),
    peer: `${hex(row.address)}:${row.port} ${hex(row.peerId)}`,
    isSeed: row.isSeed,
    reach: row.reach,
    have: row.have,
  }))
  return { total: listing.total, rows: rows.sort((one, other) => (one.peer < other.peer ? -1 : 1)) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

test('a member that is due is handed to one process, once a period; a lease that ends frees it', async () => {
  const { url } = await RedisServer.start()
  const [a, b] = [await open(url, 1, 6000), await open(url, 1, 6000)]
  for (let i = 1; i <= 30; i++) await (i % 2 ? a : b).peers.register(peer(i), 0)
  const taken = (await Promise.all([a.take(10), b.take(10), a.take(), b.take()])).flat()
  // One of them may find the list held by the other for a moment.
  await until('all taken', async () => {
    taken.push(...(await a.take()), ...(await b.take()))
    return taken.length >= 30
  })
  expect(taken).toHaveLength(30)
  expect(new Set(taken.map(({ endpoint }) => endpoint.toString('hex'))).size).toBe(30)
  expect(taken[0]!.infoHash).toEqual(Buffer.from(INFO_HASH))
  // Nothing was heard of them: all are somebody's again.
  const again: LeasedPeer[] = []
  await until('leases that ended', async () => again.push(...(await b.take())) && again.length >= 30)
  expect(await a.probes.ended(taken[0]!, 'silent')).toMatchObject({ fate: 'void' })
  expect((await b.peers.list(INFO_HASH, true))?.total).toBe(30)
})

test('what becomes of a peer after its probe', async () => {
  const { url } = await RedisServer.start()
  const { peers, probes, take } = await open(url, 1)
  const me = peer(1)
  const [other, far] = [peer(2), peer(3)]
  /** Until it is this peer's turn, which the others answer. */
  const probed = async (who: PeerIdentity, result: ProbeResult) => {
    for (const deadline = performance.now() + 20_000; performance.now() < deadline; await sleep(20))
      for (const leased of await take(1))
        if (leased.endpoint.subarray(0, -2).equals(who.address)) return await probes.ended(leased, result)
        else await probes.ended(leased, 'closed')
    throw new Error('it is nobody’s turn')
  }
  const reach = async (who: PeerIdentity) => {
    const { peers: rows = [] } = (await peers.list(INFO_HASH, true)) ?? {}
    return rows.find(({ address }) => Buffer.compare(address, who.address) === 0)?.reach
  }
  for (const who of [me, other, far]) await peers.register(who, 1)
  expect(await reach(me)).toBe('untried')
  await probed(me, 'ok')
  await probed(far, 'unreachable')
  await probed(other, 'closed')
  expect([await reach(me), await reach(far), await reach(other)]).toEqual([
    'reached',
    'unreachable',
    'untried',
  ])
  expect((await peers.list(INFO_HASH, true))?.peers.at(-1)?.peerId).toEqual(Buffer.from(far.peerId))
  const report = { ...me, reporter: other }
  expect(await peers.report(report)).toBe('probing')
  expect(await peers.report(report)).toBe('probed-lately')
  expect(await probed(me, 'ok')).toEqual({ fate: 'stays', isReported: true, isAlive: true })
  // Hung up on without a report it lives; reached once and gone it is dead.
  expect(await probed(me, 'closed')).toMatchObject({ fate: 'stays', isReported: false })
  expect(await probed(me, 'unreachable')).toMatchObject({ fate: 'removed' })
  expect(await probed(far, 'ok')).toMatchObject({ fate: 'stays' })
  expect(await reach(far)).toBe('reached')
  expect(await probed(far, 'silent')).toMatchObject({ fate: 'removed' })
  expect((await peers.list(INFO_HASH, true))?.total).toBe(1)
  expect(await peers.deregister(other)).toBe(true)
  expect(await peers.list(INFO_HASH, true)).toBeUndefined()
  expect(await take()).toEqual([])
})

test('a reported peer comes before all others', async () => {
  const { url } = await RedisServer.start()
  const { peers, take } = await open(url)
  for (let i = 1; i <= 20; i++) await peers.register(peer(i), 0)
  await peers.report({ ...peer(20), reporter: { address: peer(1).address } })
  const [first] = await take(1)
  expect(first).toMatchObject({ isReported: true, peerId: Buffer.from(peer(20).peerId) })
})

test('who registers with the tracker alone is never probed', async () => {
  const { url } = await RedisServer.start()
  const { peers, take } = await open(url)
  expect(await peers.register(peer(1, { infoHash: new Uint8Array(20) }), 0)).toBe('registered')
  expect(await take()).toEqual([])
})

test('ranges of pieces are as many as are kept of one peer', async () => {
  const { url } = await RedisServer.start()
  const { peers } = await open(url)
  await peers.register(peer(1), 1)
  const ranges = Array.from({ length: 512 }, (_, i): [number, number] => [4 * (511 - i), 4 * (511 - i) + 1])
  expect(await peers.have(peer(1), ranges, false)).toBe(true)
  const have = (await peers.locations(INFO_HASH))?.peers[0]?.have
  expect(have?.length).toBe(256)
  expect(have?.slice(0, 2)).toEqual([
    [0, 1],
    [4, 5],
  ])
})

test('a cluster hands out members of swarms in all of its slots', async () => {
  const { peers, probes, take } = await open(await startRedisCluster())
  for (let i = 0; i < 40; i++) await peers.register(peer(1, { infoHash: new Uint8Array(20).fill(i + 1) }), 0)
  const taken: LeasedPeer[] = []
  await until('all taken', async () => {
    taken.push(...(await take(7)))
    return taken.length >= 40
  })
  expect(new Set(taken.map(({ infoHash }) => infoHash[0])).size).toBe(40)
  expect(taken.length).toBe(40)
  for (const leased of taken) expect(await probes.ended(leased, 'ok')).toMatchObject({ fate: 'stays' })
})

test('nothing is left of a swarm that nobody announces to, whatever was told of it', async () => {
  const { url } = await RedisServer.start()
  const { connection, peers, probes, take } = await open(url, 60_000)
  await peers.register(peer(1), 0)
  await peers.register(peer(2), 0)
  await peers.have(peer(1), [[0, 5]], false)
  for (const leased of await take())
    await probes.ended(leased, leased.peerId[0] === 1 ? 'unreachable' : 'closed')
  await peers.report({ ...peer(1), reporter: peer(2) })
  const keys = keysOf(INFO_HASH)
  const isThere = async (key: string) => (await connection.call(key, ['EXISTS', key])) === 1
  const there = await Promise.all(keys.map(isThere))
  const names = keys.map((key) => key.split(':').at(-1))
  expect(names.filter((_, i) => there[i])).toEqual([
    'v4',
    'due',
    'counts',
    'far4',
    'probes',
    'have',
    'reports',
  ])
  for (const [i, key] of keys.entries())
    if (there[i]) expect(await connection.call(key, ['PTTL', key])).toBeGreaterThan(0)
  // What outlives the rest is no member.
  await connection.call(keys[2]!, ['DEL', keys[2]!])
  expect(await peers.list(INFO_HASH, true)).toBeUndefined()
  expect(await Promise.all(keys.map(isThere))).not.toContain(true)
})

test('a swarm that was listed sooner while a process looked into it stays so', async () => {
  const { url } = await RedisServer.start()
  const { connection, swarms, peers, probes } = await open(url)
  await peers.register(peer(1), 0)
  const listed: Promise<void>[] = []
  await probes.take(1, () => void listed.push(swarms.listAt(INFO_HASH, '0')))
  await Promise.all(listed)
  expect(listed).toHaveLength(1)
  const key = shardOf(INFO_HASH)
  expect(String(await connection.call(key, ['ZSCORE', key, Buffer.from(INFO_HASH)]))).toBe('0')
})
