/** Whole downloads between swarm machines in virtual time: what must hold whatever the chances. */
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/base/bytes.ts'
import { BLOCK, content, metainfoOf, type Peer, SmallWorld } from './small-world.ts'

const PIECE = 4 * BLOCK
const BYTES = content(20 * PIECE + 5000)
const METAINFO = metainfoOf(BYTES, PIECE)
const ALL = Array.from({ length: METAINFO.pieceCount }, (_, piece) => piece)
const SEEDS = [1, 2, 3, 4, 5]

function isWhole(peer: Peer): boolean {
  return ALL.every((piece) => {
    const stored = peer.disk.get(piece)
    return stored !== undefined && equalBytes(stored, BYTES.subarray(piece * PIECE, (piece + 1) * PIECE))
  })
}

describe.each(SEEDS)('a swarm (seed %i)', (seed) => {
  it('carries everything from one seed to five others that know one another', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const origin = world.add({ pieces: ALL })
    const leechers = Array.from({ length: 5 }, () => world.add({}))
    for (const [i, peer] of leechers.entries()) {
      world.introduce(peer, origin)
      for (const other of leechers.slice(0, i)) world.introduce(peer, other)
    }
    expect(world.runUntil(() => leechers.every((peer) => peer.torrent.isComplete), 60)).toBe(true)
    expect(leechers.every(isWhole)).toBe(true)
    expect(leechers.some((peer) => peer.torrent.core.uploaded.total > 0)).toBe(true)
  })

  it('takes hardly more than one copy from a seed whose upload is limited', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const origin = world.add({ pieces: ALL, uploadBytesPerSecond: 40_000 })
    const leechers = Array.from({ length: 4 }, () => world.add({ uploadBytesPerSecond: 400_000 }))
    for (const [i, peer] of leechers.entries()) {
      world.introduce(peer, origin)
      for (const other of leechers.slice(0, i)) world.introduce(peer, other)
    }
    expect(world.runUntil(() => leechers.every((peer) => peer.torrent.isComplete), 300)).toBe(true)
    // Serving in the order of the requests takes 1.4 to 1.5.
    expect(origin.torrent.core.uploaded.total).toBeLessThan(1.3 * BYTES.length)
  })

  it('finishes when the seed dies after every piece is out', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const origin = world.add({ pieces: ALL })
    const half = ALL.filter((piece) => piece % 2 === 0)
    const a = world.add({ pieces: half })
    const b = world.add({ pieces: ALL.filter((piece) => piece % 2 === 1) })
    for (const peer of [a, b]) world.introduce(peer, origin)
    world.introduce(a, b)
    world.runUntil(() => a.disk.size > half.length + 2, 60)
    world.kill(origin)
    expect(world.runUntil(() => a.torrent.isComplete && b.torrent.isComplete, 60)).toBe(true)
    expect(isWhole(a) && isWhole(b)).toBe(true)
  })

  it('bans a peer that sends wrong bytes and completes from an honest one', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const honest = world.add({ pieces: ALL, uploadBytesPerSecond: 200_000 })
    const liar = world.add({ pieces: ALL, spoil: (_, bytes) => bytes.fill(0xee) })
    const leecher = world.add({})
    world.introduce(leecher, liar)
    world.introduce(leecher, honest)
    expect(world.runUntil(() => leecher.torrent.isComplete, 120)).toBe(true)
    expect(isWhole(leecher)).toBe(true)
    const failed = leecher.events.filter((event) => event.event === 'piece-failed')
    expect(failed.length).toBeGreaterThan(0)
    expect(leecher.events.some((event) => event.event === 'peer-banned')).toBe(true)
    expect(
      leecher.events.some((event) => event.event === 'peer-banned' && event.address.endsWith(':1')),
    ).toBe(false)
  })

  it('gives the blocks of a silent peer to another one', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const silent = world.add({ pieces: ALL, uploadBytesPerSecond: 1 })
    const honest = world.add({ pieces: ALL })
    const leecher = world.add({})
    world.introduce(leecher, silent)
    world.runUntil(() => leecher.torrent.core.pieces.gathering.size > 0, 10)
    world.introduce(leecher, honest)
    expect(world.runUntil(() => leecher.torrent.isComplete, 60)).toBe(true)
    expect(isWhole(leecher)).toBe(true)
  })

  it('keeps one piece at a time at each peer when told to', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const sources = [1, 2, 3].map(() => world.add({ pieces: ALL, uploadBytesPerSecond: 500_000 }))
    const leecher = world.add({ options: { piecesPerPeerMax: 1 } })
    for (const source of sources) world.introduce(leecher, source)
    let worst = 0
    const done = world.runUntil(() => {
      for (const session of leecher.torrent.core.sessions.values())
        worst = Math.max(worst, new Set([...session.outstanding].map((o) => o.gathering.piece)).size)
      return leecher.torrent.isComplete
    }, 120)
    expect(done).toBe(true)
    expect(worst).toBe(1)
    expect(isWhole(leecher)).toBe(true)
  })

  it('never asks two peers for one piece before the endgame', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const sources = [1, 2, 3, 4].map(() => world.add({ pieces: ALL, uploadBytesPerSecond: 500_000 }))
    const leecher = world.add({})
    for (const source of sources) world.introduce(leecher, source)
    const done = world.runUntil(() => {
      const { picker, sessions } = leecher.torrent.core
      if (picker.obtainableCount > 0) {
        const askedOf = new Map<number, number>()
        for (const session of sessions.values())
          for (const { gathering } of session.outstanding) {
            expect(askedOf.get(gathering.piece) ?? session.id).toBe(session.id)
            askedOf.set(gathering.piece, session.id)
          }
      }
      return leecher.torrent.isComplete
    }, 120)
    expect(done).toBe(true)
  })

  it('keeps to an upload limit', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const origin = world.add({ pieces: ALL, uploadBytesPerSecond: 100_000 })
    const leecher = world.add({})
    world.introduce(leecher, origin)
    expect(world.runUntil(() => leecher.torrent.isComplete, 60)).toBe(true)
    const seconds = world.now / 1_000_000
    expect(seconds).toBeGreaterThan((BYTES.length / 100_000) * 0.9)
    expect(seconds).toBeLessThan((BYTES.length / 100_000) * 1.15 + 1)
  })

  it('drops a connection to itself and double connections', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const a = world.add({ pieces: ALL.slice(0, 3) })
    const b = world.add({ pieces: ALL.slice(3, 6) })
    world.introduce(a, a)
    world.introduce(a, b)
    world.introduce(b, a)
    world.runUntil(() => false, 5)
    expect(a.torrent.core.sessions.size).toBe(1)
    expect(b.torrent.core.sessions.size).toBe(1)
    expect(a.disk.size).toBe(6)
  })
})
