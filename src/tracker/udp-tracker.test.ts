import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readUint32 } from '../base/bytes.ts'
import { Prng } from '../base/prng.ts'
import { SipHash } from '../base/siphash.ts'
import { type Instant, milliseconds, seconds } from '../base/time.ts'
import { formatEndpoint, parseAddress } from '../wire/endpoint.ts'
import type { AnnounceRequest } from '../wire/tracker-announce.ts'
import {
  decodeUdpReply,
  encodeUdpAnnounce,
  encodeUdpConnect,
  encodeUdpScrape,
  type UdpReply,
} from '../wire/tracker-udp.ts'
import { TRACKER_DEFAULTS } from './announce-policy.ts'
import { AskerAddress } from './asker-address.ts'
import { ConnectionIds } from './connection-ids.ts'
import { SourceBudgets } from './source-budgets.ts'
import { requestBudget } from './source-rules.ts'
import { SwarmTable } from './swarm-table.ts'
import { Tracker, type TrackerAnswer } from './tracker.ts'
import { UdpTracker } from './udp-tracker.ts'

const ENV = {
  prng: new Prng(1),
  crypto: { sha1: () => new Uint8Array(20), sha256: () => new Uint8Array(32) },
  buggify: () => false,
}
const HASH = new Uint8Array(20).fill(0x11)

function requestOf(port: number, more: Partial<AnnounceRequest> = {}): AnnounceRequest {
  const peerId = new Uint8Array(20).with(18, port >> 8).with(19, port)
  return { infoHash: HASH, peerId, port, uploaded: 0, downloaded: 0, left: 1, key: 0, ...more }
}

interface DeskOptions {
  requestsPerSecond?: number
  proxies?: string[]
  swarmsMax?: number
}

/** A tracker, and packets to it: `from` is `host:port`, port 4711 where it is left out. */
class Desk {
  now = seconds(1000) as Instant
  readonly tracker: Tracker
  readonly #udp: UdpTracker

  constructor({
    requestsPerSecond = Number.POSITIVE_INFINITY,
    proxies = [],
    swarmsMax = 1000,
  }: DeskOptions = {}) {
    const hash = new SipHash(new Uint8Array(16).fill(5))
    const swarms = new SwarmTable(new Prng(1), { swarmsMax, peersPerFamilyMax: 10_000 })
    this.tracker = new Tracker(ENV, { ...TRACKER_DEFAULTS, fullListPeers: 10_000 }, swarms)
    this.#udp = new UdpTracker({
      connectionIds: new ConnectionIds(hash),
      budgets: new SourceBudgets(hash, requestBudget(requestsPerSecond)),
      askers: new AskerAddress(proxies),
      desk: {
        ask: (question, answer) => {
          this.tracker.handle(this.now, { ...question, id: 1 })
          answer(this.tracker.poll() as TrackerAnswer)
        },
      },
    })
  }

  send(packet: Uint8Array, host: string, port = 4711): Uint8Array | undefined {
    let sent: Uint8Array | undefined
    this.#udp.take(this.now, packet, parseAddress(host)!, port, (reply) => {
      sent = reply
    })
    return sent
  }

  connect(host: string, port = 4711): Uint8Array {
    return this.send(encodeUdpConnect(1), host, port)!.slice(8)
  }

  announce(host: string, port: number, more: Partial<AnnounceRequest> = {}): UdpReply {
    return this.read(this.send(encodeUdpAnnounce(this.connect(host), 7, requestOf(port, more)), host), host)
  }

  read(reply: Uint8Array | undefined, host: string): UdpReply {
    const decoded = decodeUdpReply(reply ?? new Uint8Array(0), host.includes(':') ? 'v6' : 'v4')
    if (!decoded.ok) throw new Error(decoded.error.message)
    return decoded.value
  }

  list(host: string, port: number, more: Partial<AnnounceRequest> = {}): string[] {
    const reply = this.announce(host, port, more)
    if (reply.kind !== 'announce') throw new Error(JSON.stringify(reply))
    return reply.reply.peers.map(formatEndpoint).sort()
  }
}

/** `announce` with its field "IP address" set. */
function claiming(packet: Uint8Array, host: string): Uint8Array {
  const copy = packet.slice()
  copy.set(parseAddress(host)!, 84)
  return copy
}

describe('announces', () => {
  test('list the others of the family the packet came in, and count everybody', () => {
    const desk = new Desk()
    desk.announce('192.0.2.1', 1, { left: 0 })
    desk.announce('2001:db8::1', 2)
    expect(desk.list('192.0.2.2', 3)).toEqual(['192.0.2.1:1'])
    expect(desk.list('2001:db8::2', 4)).toEqual(['[2001:db8::1]:2'])
    expect(desk.announce('192.0.2.2', 3)).toMatchObject({
      transactionId: 7,
      reply: { intervalSeconds: 1800, seeders: 1, leechers: 3 },
    })
    desk.announce('192.0.2.1', 1, { event: 'stopped' })
    expect(desk.list('192.0.2.2', 3)).toEqual([])
  })

  test('whose URL data ask for nothing are read over it (BEP 41)', () => {
    const desk = new Desk()
    const packet = encodeUdpAnnounce(desk.connect('192.0.2.1'), 7, requestOf(1), '/announce?key=1')
    expect(desk.read(desk.send(packet, '192.0.2.1'), '192.0.2.1').kind).toBe('announce')
    expect(desk.list('192.0.2.2', 2)).toEqual(['192.0.2.1:1'])
  })

  test.each([
    ['192.0.2.1', 300, 238],
    ['2001:db8::1', 300, 79],
  ])('from %s among %s others list the %s that fit one frame', (host, others, listed) => {
    const desk = new Desk()
    for (let port = 1; port <= others; port++) desk.announce(host, port)
    const packet = encodeUdpAnnounce(desk.connect(host), 7, requestOf(9999))
    expect(desk.send(packet, host)!.length).toBeLessThanOrEqual(1452)
    expect(new Set(desk.list(host, 9999)).size).toBe(listed)
  })

  test('of a full tracker are refused in words', () => {
    const desk = new Desk({ swarmsMax: 1 })
    desk.announce('192.0.2.1', 1)
    const refused = desk.announce('192.0.2.1', 1, { infoHash: new Uint8Array(20).fill(9) })
    expect(refused.kind === 'error' && refused.fault.message).toContain('full')
  })

  test.each([
    ['without a port', (packet: Uint8Array) => packet.with(96, 0).with(97, 0)],
    ['cut short', (packet: Uint8Array) => packet.slice(0, 97)],
    ['of an unknown action', (packet: Uint8Array) => packet.with(11, 9)],
  ])('%s are refused in words', (_what, spoil) => {
    const desk = new Desk()
    const packet = spoil(encodeUdpAnnounce(desk.connect('192.0.2.1'), 7, requestOf(1)))
    expect(desk.read(desk.send(packet, '192.0.2.1'), '192.0.2.1')).toMatchObject({
      kind: 'error',
      transactionId: 7,
    })
  })
})

test('a scrape counts what it asks about, in order (BEP 15)', () => {
  const desk = new Desk()
  desk.announce('192.0.2.1', 1, { left: 0, event: 'completed' })
  desk.announce('2001:db8::1', 2)
  const packet = encodeUdpScrape(desk.connect('192.0.2.9'), 8, [new Uint8Array(20), HASH])
  expect(desk.read(desk.send(packet, '192.0.2.9'), '192.0.2.9')).toEqual({
    kind: 'scrape',
    transactionId: 8,
    counts: [
      { seeders: 0, leechers: 0, completed: 0 },
      { seeders: 1, leechers: 1, completed: 1 },
    ],
  })
})

describe('S22 a connection id', () => {
  const packetOf = (id: Uint8Array) => encodeUdpAnnounce(id, 7, requestOf(1))

  test('of another address, another port, an old, a made-up or no id is met with silence', () => {
    const desk = new Desk()
    const id = desk.connect('192.0.2.1')
    expect(desk.send(packetOf(id), '192.0.2.2')).toBeUndefined()
    expect(desk.send(packetOf(id), '192.0.2.1', 4712)).toBeUndefined()
    expect(desk.send(packetOf(new Uint8Array(8)), '192.0.2.1')).toBeUndefined()
    expect(desk.send(packetOf(encodeUdpConnect(1).slice(0, 8)), '192.0.2.1')).toBeUndefined()
    desk.now = (desk.now + seconds(121)) as Instant
    expect(desk.send(packetOf(id), '192.0.2.1')).toBeUndefined()
    expect(desk.tracker.stats()).toMatchObject({ announces: 0, peers: 0 })
  })

  test('serves many requests for two minutes', () => {
    const desk = new Desk()
    const id = desk.connect('192.0.2.1')
    for (let i = 0; i <= 120; i += 30) {
      expect(desk.send(packetOf(id), '192.0.2.1')).toBeDefined()
      desk.now = (desk.now + seconds(30)) as Instant
    }
    expect(desk.tracker.stats().announces).toBe(5)
  })
})

describe('S23 an address that is only claimed', () => {
  test('never enters a swarm', () => {
    const desk = new Desk()
    const packet = encodeUdpAnnounce(desk.connect('192.0.2.1'), 7, requestOf(1))
    desk.send(claiming(packet, '8.8.8.8'), '192.0.2.1')
    expect(desk.list('192.0.2.2', 2)).toEqual(['192.0.2.1:1'])
  })

  test('does when a named proxy claims it', () => {
    const desk = new Desk({ proxies: ['192.0.2.1'] })
    const packet = encodeUdpAnnounce(desk.connect('192.0.2.1'), 7, requestOf(1))
    desk.send(claiming(packet, '8.8.8.8'), '192.0.2.1')
    expect(desk.list('192.0.2.2', 2)).toEqual(['8.8.8.8:1'])
  })
})

describe('S25 a source that asks without end', () => {
  test('gets silence, others are served, and it is again a second later', () => {
    const desk = new Desk({ requestsPerSecond: 10 })
    const id = desk.connect('192.0.2.1')
    const flood = () =>
      Array.from({ length: 100 }, (_, i) =>
        desk.send(encodeUdpAnnounce(id, 7, requestOf(1, { infoHash: HASH.with(0, i) })), '192.0.2.1'),
      ).filter(Boolean).length
    expect(flood()).toBe(10)
    expect(desk.tracker.stats().swarms).toBe(10)
    expect(desk.announce('192.0.2.2', 2).kind).toBe('announce')
    desk.now = (desk.now + milliseconds(1100)) as Instant
    expect(flood()).toBe(10)
  })

  test('can fill the tracker with made-up swarms, and old and new ones are served all the same', () => {
    const desk = new Desk({ swarmsMax: 5000, requestsPerSecond: 1000 })
    const made = new Prng(8)
    const newSwarm = (second: number) => new Uint8Array(20).fill(0x22).with(0, second)
    desk.announce('192.0.2.1', 1)
    for (let second = 0; second < 30; second++) {
      desk.now = (desk.now + seconds(1)) as Instant
      const id = desk.connect('192.0.2.3')
      for (let i = 0; i < 1200; i++)
        desk.send(encodeUdpAnnounce(id, 7, requestOf(3, { infoHash: made.bytes(20) })), '192.0.2.3')
      const infoHash = newSwarm(second)
      expect(desk.announce('198.51.100.1', 4, { infoHash }).kind).toBe('announce')
      expect(desk.list('198.51.100.2', 5, { infoHash })).toEqual(['198.51.100.1:4'])
    }
    for (let second = 0; second < 30; second++) expect(desk.tracker.counts(newSwarm(second)).leechers).toBe(2)
    expect(desk.list('192.0.2.1', 2)).toEqual(['192.0.2.1:1'])
    const { swarms, displaced, refusals } = desk.tracker.stats()
    expect(swarms).toBe(5000)
    // Room was made for the newcomers alone: the flood got nothing after it had filled the table.
    expect(displaced).toBeGreaterThan(20)
    expect(displaced).toBeLessThanOrEqual(30)
    expect(refusals).toBeGreaterThan(24_000)
  })
})

describe('S28 before a connection id is shown', () => {
  test('16 bytes answer 16, and nothing else is answered', () => {
    const desk = new Desk()
    expect(desk.send(encodeUdpConnect(9), '192.0.2.1')).toHaveLength(16)
    const asks = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 200 }).map((tail) => Uint8Array.of(...encodeUdpConnect(9), ...tail)),
      fc
        .tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.boolean())
        .map(([id, isScrape]) =>
          isScrape ? encodeUdpScrape(id, 1, [HASH]) : encodeUdpAnnounce(id, 1, requestOf(1)),
        ),
    )
    fc.assert(
      fc.property(asks, (packet) => {
        const reply = desk.send(packet, '192.0.2.1')
        if (reply === undefined) return
        expect(readUint32(reply, 0)).toBe(0)
        expect(reply.length).toBe(16)
        expect(reply.length).toBeLessThanOrEqual(packet.length)
      }),
    )
    expect(desk.tracker.stats()).toMatchObject({ announces: 0, scrapes: 0 })
  })
})
