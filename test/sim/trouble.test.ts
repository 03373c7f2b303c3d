/** Trackers that die, networks that go away: what a swarm makes of it, over days of virtual time. */
import { describe, expect, it } from 'vitest'
import type { AnnounceReply, AnnounceRequest } from '../../src/wire/tracker-announce.ts'
import { BLOCK, content, metainfoOf, type Peer, type PeerSetup, SmallWorld } from './small-world.ts'

const BYTES = content(20 * BLOCK)
const METAINFO = metainfoOf(BYTES, BLOCK)
const ALL = Array.from({ length: 20 }, (_, piece) => piece)
const OPTIONS = { trackers: [['http://tracker.test/announce']] }
const HOUR = 3600
const DAY = 24 * HOUR

/** A tracker that can be switched off; it remembers nothing of what it did not hear. */
class Tracker {
  isUp = true
  readonly members = new Set<number>()
  asked = 0

  readonly answer = (
    peer: Peer,
    request: AnnounceRequest,
  ): AnnounceReply | { code: string; message: string } => {
    this.asked++
    if (!this.isUp) return { code: 'tracker/unreachable', message: 'the tracker cannot be reached' }
    const peers = [...this.members]
      .filter((id) => id !== peer.id)
      .map((port) => ({ host: '127.0.0.1', port }))
    if (request.event === 'stopped') this.members.delete(peer.id)
    else this.members.add(peer.id)
    return { intervalSeconds: 1800, peers }
  }
}

function made(seed: number): { world: SmallWorld; tracker: Tracker; add: (setup?: PeerSetup) => Peer } {
  const world = new SmallWorld(METAINFO, BYTES, seed)
  const tracker = new Tracker()
  world.tracker = tracker.answer
  return { world, tracker, add: (setup = {}) => world.add({ options: OPTIONS, ...setup }) }
}

function pass(world: SmallWorld, seconds: number): void {
  const end = world.now + seconds * 1_000_000
  world.runUntil(() => world.now >= end, seconds)
}

const sessions = (peer: Peer) => peer.torrent.core.sessions.size

describe.each([1, 2, 3])('trouble (chance %i)', (chance) => {
  it('a tracker that is dead for a day is asked sparingly, and used as soon as it is back', () => {
    const { world, tracker, add } = made(chance)
    tracker.isUp = false
    const peers = [add({ pieces: ALL }), add(), add()]
    const leechers = peers.slice(1)
    pass(world, DAY)
    expect(leechers.some((peer) => peer.torrent.core.pieces.have.count > 0)).toBe(false)
    // about every quarter of an hour, after the first few
    expect(tracker.asked / peers.length).toBeGreaterThan(50)
    expect(tracker.asked / peers.length).toBeLessThan(200)
    tracker.isUp = true
    expect(world.runUntil(() => leechers.every((peer) => peer.torrent.isComplete), HOUR)).toBe(true)
  })

  it('peers that know one another do not need the tracker any more, and register when it is back', () => {
    const { world, tracker, add } = made(chance)
    const origin = add({ pieces: ALL, uploadBytesPerSecond: 2000 })
    const leecher = add()
    expect(world.runUntil(() => leecher.torrent.core.pieces.have.count > 2, HOUR)).toBe(true)
    tracker.isUp = false
    tracker.members.clear()
    expect(world.runUntil(() => leecher.torrent.isComplete, HOUR)).toBe(true)
    tracker.isUp = true
    expect(world.runUntil(() => tracker.members.size === 2, HOUR)).toBe(true)
    expect(origin.torrent.core.uploaded.total).toBeGreaterThan(0)
  })

  it.each([30, HOUR, DAY])('a network that is gone for %i s, and back, delays and loses nothing', (gone) => {
    const { world, add } = made(chance)
    add({ pieces: ALL, uploadBytesPerSecond: 4000 })
    const leechers = [add(), add()]
    expect(
      world.runUntil(() => leechers.every((peer) => peer.torrent.core.pieces.have.count > 3), HOUR),
    ).toBe(true)
    world.isCut = true
    pass(world, gone)
    const before = leechers.map((peer) => peer.torrent.core.pieces.have.count)
    expect(before.every((count) => count < ALL.length)).toBe(true)
    if (gone >= HOUR) expect(world.peers.map(sessions)).toEqual([0, 0, 0])
    world.isCut = false
    // no dial waits longer than ten minutes, no announce longer than a quarter of an hour
    expect(world.runUntil(() => leechers.every((peer) => peer.torrent.isComplete), HOUR)).toBe(true)
    expect(leechers.every((peer, i) => peer.torrent.core.pieces.have.count >= before[i]!)).toBe(true)
  })

  it('a swarm of ten whose every second peer crashes completes among those that are left', () => {
    const { world, add } = made(chance)
    const origin = add({ pieces: ALL })
    const leechers = Array.from({ length: 10 }, () => add({ uploadBytesPerSecond: 20_000 }))
    world.runUntil(() => leechers.some((peer) => peer.torrent.core.pieces.have.count > 5), HOUR)
    for (const [i, peer] of leechers.entries()) if (i % 2 === 0) world.kill(peer)
    const left = leechers.filter((peer) => !peer.isDead)
    expect(world.runUntil(() => left.every((peer) => peer.torrent.isComplete), HOUR)).toBe(true)
    expect(origin.isDead).toBe(false)
  })
})
