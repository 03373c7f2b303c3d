/**
 * More peers than places: who is let in, who has to go, and in which order addresses are dialled (BEP 40).
 */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import { ok } from '../../src/base/result.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { peerPriority } from '../../src/wire/peer-priority.ts'
import { OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf, SmallWorld } from './small-world.ts'

const bytes = content(8 * BLOCK)
const CONTENT = { bytes, metainfo: metainfoOf(bytes, BLOCK) }
const OWN = '203.0.113.7'
const TRACKED = { trackers: [['http://tracker.test/announce']] }

/** A client that the tracker sees as `OWN`, with so many places. */
function seenByTracker(connectionsMax: number, peers: readonly string[] = []): OneClient {
  const world = new OneClient(CONTENT, { ...TRACKED, connectionsMax }, { connectionsMax })
  const announce = world.outputs.find((output) => output.kind === 'announce')!
  const reply = {
    intervalSeconds: 1800,
    peers: peers.map((host) => ({ host, port: 6881 })),
    externalIp: OWN,
    from: '203.0.113.1',
  }
  world.input({ kind: 'announce-answered', torrent: 1, announce: announce.announce, result: ok(reply) })
  return world
}

/** Hosts of the Internet in networks of their own, the one with the lowest priority for `OWN` first. */
function hostsByPriority(count: number): string[] {
  const priorityOf = (host: string) => peerPriority({ host: OWN, port: 1 }, { host, port: 1 })!
  const hosts = Array.from({ length: count }, (_, index) => `${20 + index}.${3 * index}.7.9`)
  return hosts.sort((a, b) => priorityOf(a) - priorityOf(b))
}

function closed(world: OneClient): [number, string][] {
  return world.outputs.flatMap((output) =>
    output.kind === 'close' ? [[output.connection, output.reason] as [number, string]] : [],
  )
}

describe('when all places are taken', () => {
  it('a peer of higher priority takes the place of the lowest', () => {
    const [lowest, low, high, highest] = hostsByPriority(4) as [string, string, string, string]
    const world = seenByTracker(2)
    const middle = world.peer(undefined, high)
    const loser = world.peer(undefined, low)
    const refused = world.peer(undefined, lowest)
    expect(closed(world)).toEqual([[refused, 'too-many-peers']])
    const newcomer = world.peer(undefined, highest)
    expect(closed(world).slice(1)).toEqual([[loser, 'too-many-peers']])
    expect([middle, newcomer].map((id) => world.session(id) !== undefined)).toEqual([true, true])
  })

  it('who owes us blocks is not sent away for it', () => {
    const [low, high] = hostsByPriority(2) as [string, string]
    const world = seenByTracker(1)
    const serving = world.peer(undefined, low)
    world.say(serving, (writer) => {
      writer.plain(MESSAGE.haveAll)
      writer.plain(MESSAGE.unchoke)
    })
    expect(world.asked(serving).length).toBeGreaterThan(0)
    const newcomer = world.peer(undefined, high)
    expect(closed(world)).toEqual([[newcomer, 'too-many-peers']])
  })

  it('nobody is sent away while we do not know how others see us', () => {
    const world = new OneClient(CONTENT, { connectionsMax: 1 }, { connectionsMax: 1 })
    world.peer(undefined, '20.1.1.1')
    const others = hostsByPriority(8).map((host) => world.peer(undefined, host))
    expect(closed(world)).toEqual(others.map((id) => [id, 'too-many-peers']))
  })

  it('the same host of low priority does not push others out by coming again and again', () => {
    const [low, high, higher] = hostsByPriority(3) as [string, string, string]
    const world = seenByTracker(2)
    const kept = [high, higher].map((host) => world.peer(undefined, host))
    for (let i = 0; i < 100; i++) world.peer(undefined, low)
    expect(kept.every((id) => world.session(id) !== undefined)).toBe(true)
  })
})

it('addresses are dialled in the order of their priority', () => {
  const hosts = hostsByPriority(20)
  const world = seenByTracker(50, hosts)
  const dialled = world.outputs.flatMap((o) => (o.kind === 'connect' ? [o.endpoint.host] : []))
  expect(dialled).toEqual([...hosts].reverse())
})

describe('connections without end (S16)', () => {
  /** Connects and says nothing. */
  function stranger(world: OneClient, id: number, host: string): void {
    world.input({ kind: 'incoming', connection: -10_000 - id, address: { host, port: 1 + id } })
  }

  it('from one host are cut off, and leave room for others', () => {
    const world = new OneClient(CONTENT)
    for (let i = 0; i < 1000; i++) stranger(world, i, '198.51.100.1')
    expect(world.client.connectionCount).toBe(LIMITS.connectionsPerHostMax.value)
    const honest = world.peer(undefined, '192.0.2.1')
    expect(world.session(honest)).toBeDefined()
  })

  it('that say nothing from many hosts push out one another, not those who introduce themselves', () => {
    const world = new OneClient(CONTENT, {}, { connectionsMax: 20 })
    const friends = Array.from({ length: 10 }, (_, i) => world.peer(undefined, `192.0.2.${i}`))
    for (let i = 0; i < 5000; i++) stranger(world, i, `198.51.${i >> 8}.${i & 255}`)
    expect(world.client.connectionCount).toBeLessThanOrEqual(20 + LIMITS.strangersMax.value)
    const late = world.peer(undefined, '192.0.2.99')
    expect([...friends, late].every((id) => world.session(id) !== undefined)).toBe(true)
    world.pass(11)
    expect(world.client.connectionCount).toBe(11)
  })

  it('that drip a byte now and then are over with the time for the handshake', () => {
    const world = new OneClient(CONTENT)
    for (let i = 0; i < 40; i++) stranger(world, i, '198.51.100.1')
    for (let second = 0; second < 12; second++) {
      for (let i = 0; i < 40; i++) world.receive(-10_000 - i, Uint8Array.of(second === 0 ? 19 : 66))
      world.pass(1)
    }
    expect(world.client.connectionCount).toBe(0)
  })
})

it.each([1, 2, 3])('one liar among twenty peers spoils three pieces at most (S14, seed %i)', (seed) => {
  const truth = content(64 * 2 * BLOCK, seed)
  const metainfo = metainfoOf(truth, 2 * BLOCK)
  const all = Array.from({ length: 64 }, (_, piece) => piece)
  const world = new SmallWorld(metainfo, truth, seed)
  const options = { role: 'seed-only' } as const
  const spoil = (_piece: number, block: Uint8Array) => void block.fill(0)
  const honest = Array.from({ length: 19 }, () => world.add({ pieces: all, options }))
  const liar = world.add({ pieces: all, options, spoil })
  const leecher = world.add({})
  for (const peer of [liar, ...honest]) world.introduce(leecher, peer)
  expect(world.runUntil(() => leecher.torrent.isComplete, 300)).toBe(true)
  const failed = leecher.events.filter(({ event }) => event === 'piece-failed')
  const banned = leecher.events.flatMap((e) => (e.event === 'peer-banned' ? [e.address] : []))
  expect(banned).toEqual([`127.0.0.1:${liar.id}`])
  expect(failed.length).toBeGreaterThan(0)
  expect(failed.length).toBeLessThanOrEqual(3)
})
