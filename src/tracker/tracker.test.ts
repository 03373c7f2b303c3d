import { describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { type Instant, seconds } from '../base/time.ts'
import { parseAddress } from '../wire/endpoint.ts'
import type { AnnounceRequest } from '../wire/tracker-announce.ts'
import { TRACKER_DEFAULTS, type TrackerOptions } from './announce-policy.ts'
import { SwarmTable } from './swarm-table.ts'
import { Tracker, type TrackerOutput } from './tracker.ts'

const ENV = {
  prng: new Prng(1),
  crypto: { sha1: () => new Uint8Array(20), sha256: () => new Uint8Array(32) },
  buggify: () => false,
}
const LOOPBACK = parseAddress('127.0.0.1')!

class Desk {
  readonly tracker: Tracker
  nowSeconds = 0

  constructor(options: Partial<TrackerOptions> = {}, swarms?: SwarmTable) {
    this.tracker = new Tracker(ENV, { ...TRACKER_DEFAULTS, ...options }, swarms)
  }

  announce(port: number, more: Partial<AnnounceRequest> = {}): TrackerOutput {
    const peerId = new Uint8Array(20).with(18, port >> 8).with(19, port)
    const request = {
      infoHash: new Uint8Array(20),
      peerId,
      port,
      uploaded: 0,
      downloaded: 0,
      left: 1,
      key: 0,
      ...more,
    }
    this.tracker.handle(seconds(this.nowSeconds) as Instant, {
      kind: 'announce',
      id: port,
      address: LOOPBACK,
      request,
    })
    return this.#only()
  }

  scrape(infoHashes: Uint8Array[]): TrackerOutput {
    this.tracker.handle(seconds(this.nowSeconds) as Instant, { kind: 'scrape', id: 1, infoHashes })
    return this.#only()
  }

  /** Ports of the peers listed, in order of size. */
  list(port: number, more: Partial<AnnounceRequest> = {}): number[] {
    const output = this.announce(port, more)
    if (output.kind !== 'announced') throw new Error(output.kind)
    const { peersV4 } = output.answer
    const ports = Array.from(
      { length: peersV4.length / 6 },
      (_, i) => peersV4[6 * i + 4]! * 256 + peersV4[6 * i + 5]!,
    )
    return ports.sort((a, b) => a - b)
  }

  fill(count: number): this {
    for (let port = 1; port <= count; port++) this.announce(port)
    return this
  }

  #only(): TrackerOutput {
    const output = this.tracker.poll()
    expect(this.tracker.poll()).toBeUndefined()
    return output!
  }
}

describe('the list (D6)', () => {
  test('changes with the very announce that changes it (M27)', () => {
    const desk = new Desk()
    expect(desk.list(1)).toEqual([])
    expect(desk.list(2)).toEqual([1])
    expect(desk.list(1, { event: 'stopped' })).toEqual([])
    expect(desk.list(3)).toEqual([2])
  })

  test.each([
    // others, numwant, listed: whole up to 5 others (M29), five of them above (M30).
    [0, undefined, 0],
    [4, undefined, 4],
    [5, undefined, 5],
    [6, undefined, 5],
    [11, undefined, 5],
    [11, 0, 0],
    [11, 3, 3],
    [11, 50, 11],
    [300, 1000, 200],
  ])('with %s others and numwant %s it has %s, in profile memes', (others, numwant, listed) => {
    const desk = new Desk({ fullListPeers: 5, samplePeers: 5 }).fill(others)
    expect(desk.list(others + 1, { numwant })).toHaveLength(listed)
  })

  test('without bounds it has everybody', () => {
    const desk = new Desk({ fullListPeers: Number.POSITIVE_INFINITY, samplePeers: Number.POSITIVE_INFINITY })
    expect(desk.fill(500).list(501)).toHaveLength(500)
  })

  test('does not believe the address a client claims (S23)', () => {
    const desk = new Desk()
    desk.announce(1, { ip: '8.8.8.8' })
    const output = desk.announce(2)
    expect(output.kind === 'announced' && [...output.answer.peersV4]).toEqual([127, 0, 0, 1, 0, 1])
  })
})

describe('answers', () => {
  test('say how the swarm stands and when to come back', () => {
    const desk = new Desk({ intervalSeconds: 900 })
    desk.announce(1, { left: 0 })
    desk.announce(2, { left: 0, event: 'completed' })
    expect(desk.announce(3)).toMatchObject({
      kind: 'announced',
      id: 3,
      answer: { intervalSeconds: 900, minIntervalSeconds: 30, seeders: 2, leechers: 1, completed: 1 },
    })
  })

  test.each([
    [1800, 60],
    [60, 2],
    [3, 1],
  ])('an interval of %s s allows early announces after %s s', (intervalSeconds, minIntervalSeconds) => {
    expect(new Desk({ intervalSeconds }).announce(1)).toMatchObject({ answer: { minIntervalSeconds } })
  })

  test('to who leaves without being there are answers too', () => {
    expect(new Desk().announce(1, { event: 'stopped' })).toMatchObject({
      answer: { seeders: 0, leechers: 0 },
    })
  })

  test('refuse newcomers when there is no room, and say when to try again', () => {
    const desk = new Desk({}, new SwarmTable(new Prng(1), { swarmsMax: 1, peersPerFamilyMax: 1 })).fill(1)
    expect(desk.announce(2)).toMatchObject({ kind: 'refused', id: 2, retryInMinutes: 10 })
    expect(desk.announce(1).kind).toBe('announced')
  })
})

test('who registers is told when its address has too many peers there already', () => {
  const { tracker } = new Desk()
  const register = (host: string, port: number) => {
    const peerId = new Uint8Array(20).with(18, port >> 8).with(19, port)
    const peer = { infoHash: new Uint8Array(20), address: parseAddress(host)!, port, peerId }
    return tracker.desk.register(seconds(1) as Instant, peer, 0)
  }
  for (let port = 1; port <= 512; port++) expect(register('192.0.2.1', port)).toBe('registered')
  expect(register('192.0.2.1', 600)).toBe('full')
  expect(register('192.0.2.1', 7)).toBe('known')
  expect(register('192.0.2.2', 600)).toBe('registered')
})

test('the probe of a peer that gives way is abandoned, and the newcomer has one (S25)', () => {
  const swarms = new SwarmTable(new Prng(1), { swarmsMax: 3, peersPerFamilyMax: 10 })
  const heartbeat = { periodSeconds: 60, windowSeconds: 3 }
  const tracker = new Tracker(ENV, { ...TRACKER_DEFAULTS, heartbeat }, swarms)
  const probed = new Set<number>()
  const hosts = new Map<number, string>()
  for (const [n, host] of ['10.1.1.1', '10.1.1.1', '10.1.1.1', '10.2.2.2'].entries()) {
    const infoHash = new Uint8Array(20).fill(n + 1)
    const request = { infoHash, peerId: infoHash, port: 6881, uploaded: 0, downloaded: 0, left: 1, key: 0 }
    tracker.handle(0 as Instant, { kind: 'announce', id: n, address: parseAddress(host)!, request })
    for (let output = tracker.poll(); output !== undefined; output = tracker.poll()) {
      if (output.kind === 'probe') hosts.set(output.probe, output.host)
      if (output.kind === 'probe') probed.add(output.probe)
      else if (output.kind === 'abandon-probe') expect(probed.delete(output.probe)).toBe(true)
      else expect(output.kind).toBe('announced')
    }
  }
  expect([...probed].map((probe) => hosts.get(probe))).toEqual(['10.1.1.1', '10.1.1.1', '10.2.2.2'])
  expect(tracker.stats()).toMatchObject({ swarms: 3, peers: 3, displaced: 1, refusals: 0 })
})

describe('scrapes', () => {
  test('count what was asked, in order, and know nothing of strangers', () => {
    const desk = new Desk().fill(2)
    const unknown = new Uint8Array(20).fill(9)
    expect(desk.scrape([unknown, new Uint8Array(20)])).toEqual({
      kind: 'scraped',
      id: 1,
      counts: [
        { seeders: 0, leechers: 0, completed: 0 },
        { seeders: 0, leechers: 2, completed: 0 },
      ],
    })
  })

  test.each([0, 75])('of %s swarms are refused', (count) => {
    const infoHashes = Array.from({ length: count }, () => new Uint8Array(20))
    expect(new Desk().scrape(infoHashes).kind).toBe('refused')
  })
})

describe('silence', () => {
  test.each([
    // A peer lives for two intervals, but never less than ten minutes.
    [1800, 3600],
    [3, 600],
  ])('at an interval of %s s ends a peer after %s s', (intervalSeconds, lifetimeSeconds) => {
    const desk = new Desk({ intervalSeconds }).fill(1)
    expect(desk.tracker.nextTimeout()).toBe(seconds(lifetimeSeconds))
    desk.nowSeconds = lifetimeSeconds - 1
    expect(desk.list(2)).toEqual([1])
    desk.nowSeconds = lifetimeSeconds
    desk.tracker.handle(seconds(lifetimeSeconds) as Instant, { kind: 'tick' })
    expect(desk.tracker.stats().peers).toBe(1)
    expect(desk.list(3)).toEqual([2])
  })

  test('an empty tracker wants no wake-up', () => {
    expect(new Desk().tracker.nextTimeout()).toBeUndefined()
  })
})

test('requests are counted', () => {
  const desk = new Desk().fill(3)
  desk.scrape([])
  expect(desk.tracker.stats()).toEqual({
    swarms: 1,
    peers: 3,
    announces: 3,
    scrapes: 1,
    refusals: 1,
    displaced: 0,
  })
})

test.for([
  ['127.0.0.1', '10.0.0.1', 1],
  ['203.0.113.1', '203.0.113.9', 1],
  ['203.0.113.1', '10.0.0.1', 0],
  ['10.0.0.1', '127.0.0.1', 0],
] as const)('a proxy at %s that speaks for %s brings %i probe', ([from, address, count]) => {
  const tracker = new Tracker(ENV, {
    ...TRACKER_DEFAULTS,
    heartbeat: { periodSeconds: 60, windowSeconds: 3 },
  })
  tracker.handle(0 as Instant, {
    kind: 'announce',
    id: 1,
    address: parseAddress(address)!,
    from: parseAddress(from)!,
    request: {
      infoHash: new Uint8Array(20).fill(1),
      peerId: new Uint8Array(20),
      port: 6881,
      uploaded: 0,
      downloaded: 0,
      left: 1,
      key: 0,
    },
  })
  const kinds: string[] = []
  for (let output = tracker.poll(); output !== undefined; output = tracker.poll()) kinds.push(output.kind)
  expect(kinds).toEqual(count === 1 ? ['announced', 'probe'] : ['announced'])
})
