/** A client with many torrents: what is quiet costs nothing, and what happens to one concerns no other. */
import { describe, expect, it } from 'vitest'
import { ok } from '../../src/base/result.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { blockFrame, type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf } from './small-world.ts'

function made(seed: number): Content {
  const bytes = content(8 * BLOCK, seed)
  return { bytes, metainfo: metainfoOf(bytes, 2 * BLOCK) }
}

const ALL = [0, 1, 2, 3]
const TRACKERS = [['http://127.0.0.1/announce']]

/** Answers every announce, and counts the wake-ups until so many seconds have passed. */
function wakesIn(world: OneClient, seconds: number): number {
  let wakes = 0
  for (const end = world.now + seconds * 1e6; ; wakes++) {
    for (const output of world.outputs.splice(0))
      if (output.kind === 'announce') {
        const result = ok({ intervalSeconds: 1800, peers: [] })
        world.input({ kind: 'announce-answered', torrent: output.torrent, announce: output.announce, result })
      }
    const at = world.client.nextTimeout() ?? Number.POSITIVE_INFINITY
    if (at > end) return wakes
    world.pass((at - world.now) / 1e6)
  }
}

function withTorrents(count: number, pieces: number[]): OneClient {
  const world = new OneClient(made(1), { trackers: TRACKERS }, {}, pieces)
  for (let id = 2; id <= count; id++) world.add(id, made(id), { trackers: TRACKERS }, pieces)
  return world
}

describe('a client that nobody talks to', () => {
  it('wakes for its announces only while it seeds', () => {
    const world = withTorrents(20, ALL)
    wakesIn(world, 60)
    expect(wakesIn(world, 6 * 1800)).toBeLessThanOrEqual(6 * 2 * 20)
  })

  it('wakes when an address may be dialled again', () => {
    const world = withTorrents(1, [])
    world.input({ kind: 'add-peers', torrent: 1, peers: [{ host: '10.0.0.1', port: 1 }], source: 'manual' })
    for (let dials = 1, waits = 0; dials <= 4; waits++) {
      expect(waits).toBeLessThan(60)
      const dial = world.outputs.splice(0).find((output) => output.kind === 'connect')
      if (dial !== undefined) {
        world.input({ kind: 'closed', connection: dial.connection, reason: 'refused' })
        dials++
      }
      world.pass(1)
    }
  })

  it('asks its tracker the moment the last useful peer has left', () => {
    const world = withTorrents(1, [])
    const seed = world.seed()
    wakesIn(world, 30)
    expect(world.outputs.filter((output) => output.kind === 'announce')).toEqual([])
    world.leave(seed)
    expect(world.outputs.filter((output) => output.kind === 'announce')).toHaveLength(1)
  })

  it('wakes once a second for peers that are only connected', () => {
    const world = withTorrents(20, ALL)
    world.peer()
    wakesIn(world, 60)
    expect(wakesIn(world, 100)).toBeLessThanOrEqual(102)
  })
})

describe('what happens to one torrent', () => {
  it('asks nothing of the others', () => {
    const world = withTorrents(3, [])
    const seed = world.seed()
    const other = world.client.torrents.get(2)!
    let askedCount = 0
    other.nextTimeout = () => {
      askedCount++
      return undefined
    }
    for (let asked = world.asked(seed); asked.length > 0; asked = world.asked(seed))
      for (const [piece, block] of asked) world.receive(seed, blockFrame(made(1), piece, block))
    expect(world.torrent.isComplete).toBe(true)
    expect(askedCount).toBe(0)
  })
})

describe('news of pieces', () => {
  const CONTENT = made(1)
  const isHave = (bytes: Uint8Array) => bytes[4] === MESSAGE.have

  function told(world: OneClient, connection: number): Uint8Array[] {
    return world.outputs
      .splice(0)
      .flatMap((output) => (output.kind === 'send' && output.connection === connection ? [output.bytes] : []))
      .filter(isHave)
  }

  function give(world: OneClient, seed: number, piece: number): void {
    for (const block of [0, 1]) world.receive(seed, blockFrame(CONTENT, piece, block))
  }

  it('goes out at once, and together when more pieces come right after', () => {
    const world = new OneClient(CONTENT)
    const listener = world.peer()
    const seed = world.seed()
    world.outputs.splice(0)
    give(world, seed, 0)
    expect(told(world, listener).map((bytes) => bytes.length)).toEqual([9])
    give(world, seed, 1)
    give(world, seed, 2)
    expect(told(world, listener)).toEqual([])
    world.pass(0.03)
    expect(told(world, listener).map((bytes) => bytes.length)).toEqual([18])
  })

  it('does not wait with the last piece, and never tells of one that was lost again', () => {
    const world = new OneClient(CONTENT)
    const listener = world.peer()
    const seed = world.seed()
    give(world, seed, 0)
    give(world, seed, 1)
    world.outputs.splice(0)
    world.input({ kind: 'pieces-lost', torrent: 1, pieces: [1] })
    world.pass(0.03)
    expect(told(world, listener)).toEqual([])
    for (const piece of [2, 3]) give(world, seed, piece)
    world.outputs.splice(0)
    give(world, seed, 1)
    expect(world.torrent.isComplete).toBe(true)
    expect(told(world, listener)).toHaveLength(1)
  })
})
