/** Trackers that die, networks that go away: what a swarm makes of it, over days of virtual time. */
import { describe, expect, it } from 'vitest'
import { CONTENT_GONE } from '../../src/swarm/pause.ts'
import { standstill } from '../../src/swarm/standstill.ts'
import { torrentStatus } from '../../src/swarm/torrent-status.ts'
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

  it('F2: the last piece comes although the peers that say they have it stall, refuse or choke', () => {
    const { world, add } = made(chance)
    // They promise everything: one never answers, one never unchokes, one is too slow to matter.
    const bad = [
      add({ pieces: ALL, uploadBytesPerSecond: 1 }),
      add({ pieces: ALL, uploadBytesPerSecond: 1 }),
      add({ pieces: ALL, options: { ...OPTIONS, uploadSlotCount: 0 } }),
    ]
    add({ pieces: ALL.slice(0, -1) })
    const leecher = add()
    expect(world.runUntil(() => leecher.torrent.core.pieces.have.count === ALL.length - 1, HOUR)).toBe(true)
    const status = torrentStatus(leecher.torrent, world.now)
    expect(status.availability.min).toBeGreaterThan(0)
    // One good peer is enough, whatever is still owed by the others.
    add({ pieces: [19] })
    expect(world.runUntil(() => leecher.torrent.isComplete, HOUR)).toBe(true)
    expect(bad.every((peer) => !peer.isDead)).toBe(true)
  })

  it('F2: 99 % with the last piece nowhere is explained, and ends when it turns up', () => {
    const { world, add } = made(chance)
    add({ pieces: ALL.slice(1) })
    const leecher = add()
    expect(world.runUntil(() => leecher.torrent.core.pieces.have.count === 19, HOUR)).toBe(true)
    pass(world, HOUR)
    expect(standstill(leecher.torrent, world.now)).toMatchObject({ cause: 'nobody-has-it' })
    add({ pieces: [0] })
    expect(world.runUntil(() => leecher.torrent.isComplete, HOUR)).toBe(true)
  })

  it('F3: a disk that is full for a while costs no piece twice on disk and no wrong byte', () => {
    const { world, add } = made(chance)
    let isFull = false
    const fault = { code: 'storage/disk-full', message: 'full', hint: 'free some' }
    add({ pieces: ALL, uploadBytesPerSecond: 40_000 })
    const leecher = add({ refuses: () => (isFull ? fault : undefined) })
    const { core } = leecher.torrent
    expect(world.runUntil(() => core.pieces.have.count > 3, HOUR)).toBe(true)
    isFull = true
    for (let tries = 0; tries < 4; tries++) {
      expect(world.runUntil(() => leecher.torrent.phase === 'paused', HOUR)).toBe(true)
      expect(standstill(leecher.torrent, world.now)).toEqual({ cause: fault.code, message: fault.message })
      const have = core.pieces.have.count
      pass(world, 600)
      expect(core.pieces.have.count).toBe(have)
      expect(leecher.disk.size).toBe(have)
      world.tell(leecher, { kind: 'resume', torrent: 1 })
    }
    isFull = false
    world.tell(leecher, { kind: 'resume', torrent: 1 })
    expect(world.runUntil(() => leecher.torrent.isComplete, HOUR)).toBe(true)
    for (const piece of ALL)
      expect(leecher.disk.get(piece)).toEqual(BYTES.slice(piece * BLOCK, (piece + 1) * BLOCK))
    expect(leecher.events.filter(({ event }) => event === 'piece-failed')).toEqual([])
  })

  it('F6: with its content gone a peer fetches and serves nothing, and keeps what it knows', () => {
    const { world, add } = made(chance)
    const holder = add({ pieces: ALL })
    add({ pieces: [0] })
    world.tell(holder, {
      kind: 'pause',
      torrent: 1,
      fault: { code: CONTENT_GONE, message: 'not there' },
    })
    const leecher = add()
    pass(world, HOUR)
    expect(leecher.torrent.core.pieces.have.count).toBeLessThanOrEqual(1)
    expect(holder.torrent.core.downloaded.total).toBe(0)
    expect(holder.torrent.isComplete).toBe(true)
    expect(standstill(leecher.torrent, world.now)).toMatchObject({ cause: 'choked' })
    world.tell(holder, { kind: 'resume', torrent: 1 })
    expect(world.runUntil(() => leecher.torrent.isComplete, HOUR)).toBe(true)
  })

  it('F7: memory for pieces and addresses does not grow with time, nor with failures', () => {
    const { world, tracker, add } = made(chance)
    let isFull = false
    const fault = { code: 'storage/disk-full', message: 'full' }
    add({ pieces: ALL.slice(2), uploadBytesPerSecond: 20_000 })
    const leecher = add({ refuses: () => (isFull ? fault : undefined) })
    const { pieces } = leecher.torrent.core
    for (let round = 0; round < 30; round++) {
      isFull = round % 2 === 1
      tracker.isUp = round % 3 !== 0
      world.isCut = round % 5 === 0
      pass(world, HOUR)
      world.tell(leecher, { kind: 'resume', torrent: 1 })
      expect(pieces.gathering.size + pieces.checking.size).toBeLessThanOrEqual(ALL.length)
      expect(leecher.torrent.peers.size).toBeLessThanOrEqual(3)
      expect(sessions(leecher)).toBeLessThanOrEqual(2)
    }
    isFull = world.isCut = false
    tracker.isUp = true
    world.tell(leecher, { kind: 'resume', torrent: 1 })
    pass(world, HOUR)
    expect(pieces.have.count).toBe(18)
    expect([pieces.gathering.size, pieces.checking.size, pieces.checkingBytes]).toEqual([0, 0, 0])
  })

  it('F8: trackers of all tiers are tried again and again, and the first that is back is used', () => {
    const world = new SmallWorld(METAINFO, BYTES, chance)
    const tiers = [['http://a.test/announce', 'http://b.test/announce'], ['http://c.test/announce']]
    const asked = new Map<string, number[]>()
    const up = new Set<string>()
    const members = new Map<string, Set<number>>()
    world.tracker = (peer, request, url) => {
      asked.set(url, [...(asked.get(url) ?? []), world.now / 1_000_000])
      if (!up.has(url)) return { code: 'tracker/unreachable', message: 'the tracker cannot be reached' }
      const there = members.get(url) ?? new Set()
      members.set(url, request.event === 'stopped' ? there : there.add(peer.id))
      const peers = [...there].filter((id) => id !== peer.id).map((port) => ({ host: '127.0.0.1', port }))
      return { intervalSeconds: 1800, peers }
    }
    const options = { trackers: tiers }
    world.add({ pieces: ALL, options })
    const leecher = world.add({ options })
    pass(world, DAY)
    expect(standstill(leecher.torrent, world.now)).toMatchObject({ cause: 'tracker-down' })
    for (const url of tiers.flat()) {
      const times = asked.get(url)!
      expect(times.length, url).toBeGreaterThan(100)
      expect(times.length, url).toBeLessThan(400)
      expect(Math.max(...times.map((at, i) => at - (times[i - 1] ?? 0)))).toBeLessThan(1200)
    }
    up.add('http://c.test/announce')
    expect(world.runUntil(() => leecher.torrent.isComplete, HOUR)).toBe(true)
    // The better tier is still tried, and takes over for both.
    up.add('http://a.test/announce')
    expect(world.runUntil(() => members.get('http://a.test/announce')?.size === 2, HOUR)).toBe(true)
    const before = asked.get('http://c.test/announce')!.length
    pass(world, 3 * HOUR)
    expect(asked.get('http://c.test/announce')!.length).toBe(before)
  })
})
