/**
 * What the machine keeps up to date instead of searching for it must be what a search would find, after every
 * step of whole downloads with slow, lying and leaving peers.
 */
import { describe, expect, it } from 'vitest'
import { BLOCK, content, metainfoOf, type Peer, SmallWorld } from './small-world.ts'

const PIECE = 2 * BLOCK
const BYTES = content(40 * PIECE + 5000)
const METAINFO = metainfoOf(BYTES, PIECE)
const ALL = Array.from({ length: METAINFO.pieceCount }, (_, piece) => piece)
const SLOTS = 3

function check({ client, torrent, setup }: Peer, now: Parameters<Peer['torrent']['nextTimeout']>[0]): void {
  const { pieces, picker, sessions } = torrent.core
  const due = torrent.nextTimeout(now)
  // A budget says when there will be a whole byte, and gives from the first fraction on.
  const slack = 1 + 1e6 / (setup.uploadBytesPerSecond ?? Number.POSITIVE_INFINITY)
  if (due !== undefined) expect(client.nextTimeout()!).toBeLessThanOrEqual(due + slack)
  let unchokedCount = 0
  let waitingCount = 0
  for (const session of sessions.values()) {
    expect(session.writer.isEmpty).toBe(true)
    if (!session.amChoking) unchokedCount++
    else if (session.peerInterested) waitingCount++
    const needed = ALL.filter((piece) => session.have.has(piece) && !pieces.have.has(piece)).length
    expect(session.neededCount).toBe(needed)
    expect(session.amInterested).toBe(needed > 0)
    if (session.nothingAtOpenings === picker.openings) expect(picker.pick(session.have)).toBe(-1)
    if (!session.hasFreed)
      for (const gathering of session.gathering)
        expect(gathering.freeCount === 0 || gathering === session.current).toBe(true)
  }
  const interesting = [...sessions.values()].filter((session) => session.amInterested)
  expect(torrent.usefulPeerCount).toBe(interesting.length)
  expect(unchokedCount).toBeLessThanOrEqual(SLOTS)
  if (unchokedCount < SLOTS) expect(waitingCount).toBe(0)
}

describe.each([1, 2, 3])('a swarm that changes all the time (seed %i)', (seed) => {
  it('is what the machines believe it to be', () => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const options = { uploadSlotCount: SLOTS }
    const origin = world.add({ pieces: ALL, options, uploadBytesPerSecond: 400_000 })
    const liar = world.add({ pieces: ALL.slice(0, 9), options, spoil: (_, bytes) => bytes.fill(1) })
    const silent = world.add({ pieces: ALL, options, uploadBytesPerSecond: 1 })
    const leechers = Array.from({ length: 5 }, () => world.add({ options }))
    for (const [i, peer] of leechers.entries()) {
      for (const other of [origin, liar, silent, ...leechers.slice(0, i)]) world.introduce(peer, other)
    }
    const done = (count: number) => () => {
      for (const peer of world.peers) if (!peer.isDead) check(peer, world.now)
      return leechers.slice(0, -1).every((peer) => peer.disk.size >= count)
    }
    expect(world.runUntil(done(15), 60)).toBe(true)
    world.kill(silent)
    world.kill(leechers.at(-1)!)
    expect(world.runUntil(done(ALL.length), 120)).toBe(true)
    world.runUntil(() => done(ALL.length)() && false, 15)
  })
})
