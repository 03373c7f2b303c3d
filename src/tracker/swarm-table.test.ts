import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { Prng } from '../base/prng.ts'
import { decodeCompactV4, decodeCompactV6, formatEndpoint, parseAddress } from '../wire/endpoint.ts'
import type { AnnounceEvent, AnnounceRequest } from '../wire/tracker-announce.ts'
import { type PeerSample, SwarmTable, sizeOf } from './swarm-table.ts'

function peerId(name: string): Uint8Array {
  return Uint8Array.from({ length: 20 }, (_, i) => name.charCodeAt(i) || 0x2e)
}

function hash(swarm: number): Uint8Array {
  return new Uint8Array(20).fill(swarm)
}

function requestOf(
  swarm: number,
  name: string,
  port: number,
  more: Partial<AnnounceRequest> = {},
): AnnounceRequest {
  return {
    infoHash: hash(swarm),
    peerId: peerId(name),
    port,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    key: 0,
    ...more,
  }
}

function endpoints(sample: PeerSample): string[] {
  return [...decodeCompactV4(sample.peersV4)!, ...decodeCompactV6(sample.peersV6)!].map(formatEndpoint)
}

/** A table and who asks it, in words: `join('a', '10.0.0.1', 7)`. */
class Desk {
  readonly table: SwarmTable

  constructor(seed = 1, bounds = { swarmsMax: 1000, peersPerFamilyMax: 100_000 }) {
    this.table = new SwarmTable(new Prng(seed), bounds)
  }

  join(name: string, host: string, port: number, more: Partial<AnnounceRequest> = {}, atSeconds = 0) {
    return this.table.join(atSeconds, parseAddress(host)!, requestOf(1, name, port, more))
  }

  leave(name: string, host: string, port: number): boolean {
    return this.table.leave(parseAddress(host)!, requestOf(1, name, port))
  }

  ask(name: string, host: string, port: number, wanted = 100): string[] {
    const swarm = this.table.find(hash(1))
    if (swarm === undefined) return []
    return endpoints(this.table.sample(swarm, wanted, parseAddress(host)!, requestOf(1, name, port))).sort()
  }
}

describe('who is listed', () => {
  test('the others, never the asker', () => {
    const desk = new Desk()
    desk.join('a', '127.0.0.1', 1)
    desk.join('b', '127.0.0.1', 2)
    desk.join('c', '::1', 1)
    expect(desk.ask('a', '127.0.0.1', 1)).toEqual(['127.0.0.1:2', '[::1]:1'])
    expect(desk.ask('c', '::1', 1)).toEqual(['127.0.0.1:1', '127.0.0.1:2'])
  })

  test('not the asker under its other address, known by its peer id', () => {
    const desk = new Desk()
    desk.join('a', '127.0.0.1', 1)
    desk.join('a', '::1', 1)
    desk.join('b', '127.0.0.1', 2)
    expect(desk.ask('a', '127.0.0.1', 1)).toEqual(['127.0.0.1:2'])
  })

  test('one endpoint once; the newest peer id wins (W27)', () => {
    const desk = new Desk()
    desk.join('old', '127.0.0.1', 1, { left: 0 })
    desk.join('new', '127.0.0.1', 1)
    expect(desk.table.counts(hash(1))).toEqual({ seeders: 0, leechers: 1, completed: 0 })
    expect(desk.leave('old', '127.0.0.1', 1)).toBe(false)
    expect(desk.leave('new', '127.0.0.1', 1)).toBe(true)
    expect(desk.leave('new', '127.0.0.1', 1)).toBe(false)
  })

  test('only who gives its own id at its own endpoint leaves (W28)', () => {
    const desk = new Desk()
    desk.join('a', '127.0.0.1', 1)
    expect(desk.leave('x', '127.0.0.1', 1)).toBe(false)
    expect(desk.leave('a', '127.0.0.1', 2)).toBe(false)
    expect(desk.leave('a', '127.0.0.2', 1)).toBe(false)
    expect(desk.ask('b', '127.0.0.1', 9)).toEqual(['127.0.0.1:1'])
  })

  test('swarms do not mix (M39)', () => {
    const desk = new Desk()
    desk.join('a', '127.0.0.1', 1)
    desk.table.join(0, parseAddress('127.0.0.1')!, requestOf(2, 'b', 2))
    expect(desk.ask('c', '127.0.0.1', 3)).toEqual(['127.0.0.1:1'])
  })

  test('as many as wanted, the own family first', () => {
    const desk = new Desk()
    for (let port = 1; port <= 5; port++) {
      desk.join(`4-${port}`, '127.0.0.1', port)
      desk.join(`6-${port}`, '::1', port)
    }
    expect(desk.ask('x', '127.0.0.1', 99, 3).every((peer) => peer.startsWith('127'))).toBe(true)
    expect(desk.ask('x', '::1', 99, 3).every((peer) => peer.startsWith('['))).toBe(true)
    expect(desk.ask('x', '::1', 99, 7)).toHaveLength(7)
    expect(desk.ask('x', '::1', 99, 0)).toEqual([])
    expect(desk.ask('x', '::1', 99, Number.POSITIVE_INFINITY)).toHaveLength(10)
  })

  test('peer ids come with the dictionary form, in the order of the peers', () => {
    const desk = new Desk()
    const swarm = desk.join('four', '127.0.0.1', 4)!
    desk.join('six', '::1', 6)
    const asker = requestOf(1, 'x', 99, { compact: false })
    for (const host of ['127.0.0.1', '::1']) {
      const sample = desk.table.sample(swarm, 9, parseAddress(host)!, asker)
      expect(endpoints(sample)).toEqual(['127.0.0.1:4', '[::1]:6'])
      expect(sample.peerIds).toEqual(Uint8Array.of(...peerId('four'), ...peerId('six')))
    }
    expect(
      desk.table.sample(swarm, 9, parseAddress('::1')!, { ...asker, noPeerId: true }).peerIds,
    ).toBeUndefined()
  })

  test('over 200 random swarms the asker never appears in its own list (M31)', () => {
    for (let seed = 0; seed < 200; seed++) {
      const prng = new Prng(seed)
      const desk = new Desk(seed)
      const members = Array.from({ length: 1 + prng.below(30) }, (_, i) => ({
        // Some share an address, some a peer id.
        name: `p${prng.below(40)}`,
        host: prng.below(4) === 0 ? '::1' : `127.0.0.${1 + prng.below(2)}`,
        port: 1000 + i,
      }))
      for (const { name, host, port } of members) desk.join(name, host, port)
      for (const { name, host, port } of members) {
        const listed = desk.ask(name, host, port, 1 + prng.below(40))
        const own = members.filter((member) => member.name === name)
        for (const member of own) expect(listed).not.toContain(formatEndpoint(member))
        expect(new Set(listed).size).toBe(listed.length)
      }
    }
  })
})

describe('samples', () => {
  test('every other peer is as likely as any (M32)', () => {
    const desk = new Desk(5)
    const others = 11
    const rounds = 3000
    for (let port = 0; port <= others; port++) desk.join(`p${port}`, '127.0.0.1', 1000 + port)
    const seen = new Map<string, number>()
    for (let i = 0; i < rounds; i++)
      for (const peer of desk.ask('p0', '127.0.0.1', 1000, 5)) seen.set(peer, (seen.get(peer) ?? 0) + 1)
    const p = 5 / others
    const sigma = Math.sqrt(rounds * p * (1 - p))
    expect(seen.size).toBe(others)
    for (const count of seen.values()) expect(Math.abs(count - rounds * p)).toBeLessThan(4 * sigma)
  })

  test('as many as wanted, when most of the swarm is the asker itself under other ports', () => {
    const desk = new Desk(7)
    for (let port = 1; port <= 300; port++) desk.join(port % 10 === 0 ? `p${port}` : 'me', '127.0.0.1', port)
    const seen = new Map<string, number>()
    const rounds = 600
    for (let i = 0; i < rounds; i++) {
      const listed = desk.ask('me', '127.0.0.1', 1, 6)
      expect(new Set(listed).size).toBe(6)
      for (const peer of listed) seen.set(peer, (seen.get(peer) ?? 0) + 1)
    }
    expect(desk.ask('me', '127.0.0.1', 1, 50)).toHaveLength(30)
    expect(seen.size).toBe(30)
    const sigma = Math.sqrt(rounds * 0.2 * 0.8)
    for (const count of seen.values()) expect(Math.abs(count - rounds * 0.2)).toBeLessThan(4 * sigma)
  })

  test('and so is every pair, so the lists are no fixed groups', () => {
    const desk = new Desk(6)
    const rounds = 3000
    for (let port = 0; port <= 6; port++) desk.join(`p${port}`, '127.0.0.1', 1000 + port)
    const pairs = new Map<string, number>()
    for (let i = 0; i < rounds; i++) {
      const pair = desk.ask('p0', '127.0.0.1', 1000, 2).join(' ')
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1)
    }
    expect(pairs.size).toBe(15)
    const sigma = Math.sqrt(rounds * (1 / 15) * (14 / 15))
    for (const count of pairs.values()) expect(Math.abs(count - rounds / 15)).toBeLessThan(4 * sigma)
  })
})

describe('counts', () => {
  test('seeders, leechers and completed downloads, each of them once', () => {
    const desk = new Desk()
    desk.join('a', '127.0.0.1', 1, { left: 0 })
    desk.join('b', '127.0.0.1', 2)
    expect(desk.table.counts(hash(1))).toEqual({ seeders: 1, leechers: 1, completed: 0 })
    desk.join('b', '127.0.0.1', 2, { left: 0, event: 'completed' })
    desk.join('b', '127.0.0.1', 2, { left: 0, event: 'completed' })
    desk.join('b', '127.0.0.1', 2, { left: 0 })
    expect(desk.table.counts(hash(1))).toEqual({ seeders: 2, leechers: 0, completed: 1 })
    desk.leave('b', '127.0.0.1', 2)
    expect(desk.table.counts(hash(1))).toEqual({ seeders: 1, leechers: 0, completed: 1 })
  })

  test('fifty announces of one peer are one peer (M28)', () => {
    const desk = new Desk()
    for (let i = 0; i < 50; i++) desk.join('a', '127.0.0.1', 1)
    expect(desk.table.counts(hash(1)).leechers).toBe(1)
  })

  test('an unknown swarm has nobody', () => {
    expect(new Desk().table.counts(hash(9))).toEqual({ seeders: 0, leechers: 0, completed: 0 })
  })
})

describe('expiry', () => {
  test('who was silent too long goes, with its swarm when it was the last', () => {
    const desk = new Desk()
    desk.join('a', '127.0.0.1', 1, {}, 10)
    desk.join('b', '::1', 2, {}, 20)
    desk.join('c', '127.0.0.1', 3, {}, 30)
    desk.join('a', '127.0.0.1', 1, {}, 40)
    expect(desk.table.oldestSeconds()).toBe(20)
    desk.table.expire(20)
    expect(desk.ask('x', '127.0.0.1', 9)).toEqual(['127.0.0.1:1', '127.0.0.1:3'])
    expect(desk.table.oldestSeconds()).toBe(30)
    desk.table.expire(40)
    expect(desk.table.swarmCount).toBe(0)
    expect(desk.table.oldestSeconds()).toBeUndefined()
  })
})

describe('bounds', () => {
  test('a full table refuses newcomers and keeps serving those it has', () => {
    const desk = new Desk(1, { swarmsMax: 2, peersPerFamilyMax: 3 })
    for (let port = 1; port <= 3; port++) expect(desk.join('a', '127.0.0.1', port)).toBeDefined()
    expect(desk.join('a', '127.0.0.1', 4)).toBeUndefined()
    expect(desk.join('a', '127.0.0.1', 3)).toBeDefined()
    expect(desk.join('a', '::1', 4)).toBeDefined()
    desk.leave('a', '127.0.0.1', 1)
    expect(desk.join('a', '127.0.0.1', 4)).toBeDefined()
  })

  test('no room for the first peer leaves no empty swarm behind', () => {
    const desk = new Desk(1, { swarmsMax: 2, peersPerFamilyMax: 1 })
    desk.join('a', '127.0.0.1', 1)
    expect(desk.table.join(0, parseAddress('127.0.0.1')!, requestOf(2, 'b', 2))).toBeUndefined()
    expect(desk.table.swarmCount).toBe(1)
  })

  test('this machine may have as many peers in a swarm as it likes', () => {
    const desk = new Desk()
    for (let port = 1; port <= 600; port++) desk.join(`p${port}`, '127.0.0.1', port)
    expect(desk.table.counts(hash(1)).leechers).toBe(600)
  })

  test('the ports of one address, or of one /64, do not fill a swarm; who has too many is served all the same', () => {
    for (const [host, same, other] of [
      ['192.0.2.1', '192.0.2.1', '192.0.2.2'],
      ['2001:db8::1', '2001:db8::2', '2001:db8:0:1::1'],
    ] as const) {
      const desk = new Desk()
      const max = 512
      for (let port = 1; port <= 3000; port++) expect(desk.join(`p${port}`, host, port)).toBeDefined()
      expect(desk.table.counts(hash(1)).leechers).toBe(max)
      desk.join('same', same, 4000)
      expect(desk.ask('x', other, 1, 10_000)).toHaveLength(max)
      desk.join('other', other, 4001)
      expect(desk.ask('same', same, 4000, 10_000)).toHaveLength(max + 1)
      // Those who are there stay, and a place that becomes free is given again.
      desk.join('p7', host, 7, { left: 0 })
      expect(desk.table.counts(hash(1))).toMatchObject({ seeders: 1, leechers: max })
      expect(desk.leave('p7', host, 7)).toBe(true)
      desk.join('same', same, 4000)
      desk.join('p8888', host, 8888)
      expect(desk.ask('x', '10.9.9.9', 1, 10_000)).toHaveLength(max + 1)
      expect(desk.table.join(0, parseAddress(host)!, requestOf(2, 'elsewhere', 1))).toBeDefined()
      expect(desk.table.counts(hash(2)).leechers).toBe(1)
    }
  })

  test('neither peers nor swarms beyond the bounds, whatever infohashes come (S25)', () => {
    const desk = new Desk(1, { swarmsMax: 50, peersPerFamilyMax: 1000 })
    const prng = new Prng(3)
    for (let i = 0; i < 5000; i++)
      desk.table.join(i, parseAddress('127.0.0.1')!, {
        ...requestOf(1, 'a', 1 + (i % 60_000)),
        infoHash: prng.bytes(20),
      })
    expect(desk.table.swarmCount).toBe(50)
  })
})

test('random joins, departures and expiries agree with a model of plain maps', () => {
  const step = fc.record({
    kind: fc.constantFrom('join', 'join', 'join', 'join', 'leave', 'expire'),
    swarm: fc.nat({ max: 3 }),
    host: fc.constantFrom('127.0.0.1', '127.0.0.2', '::1'),
    port: fc.integer({ min: 1, max: 12 }),
    name: fc.constantFrom('a', 'b'),
    left: fc.nat({ max: 1 }),
    event: fc.constantFrom<(AnnounceEvent | undefined)[]>(undefined, 'started', 'completed'),
    elapsed: fc.nat({ max: 5 }),
  })
  interface ModelPeer {
    name: string
    isSeed: boolean
    seen: number
  }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.nat(), (steps, seed) => {
      const table = new SwarmTable(new Prng(seed))
      const model = new Map<number, Map<string, ModelPeer>>()
      let now = 0
      for (const { kind, swarm, host, port, name, left, event, elapsed } of steps) {
        now += elapsed
        const request = requestOf(swarm, name, port, { left, event })
        const key = formatEndpoint({ host, port })
        const peers = model.get(swarm) ?? new Map<string, ModelPeer>()
        if (kind === 'join') {
          table.join(now, parseAddress(host)!, request)
          model.set(swarm, peers.set(key, { name, isSeed: left === 0, seen: now }))
        } else if (kind === 'leave') {
          const isMine = peers.get(key)?.name === name
          expect(table.leave(parseAddress(host)!, request)).toBe(isMine)
          if (isMine) peers.delete(key)
        } else {
          table.expire(now - 20)
          for (const members of model.values())
            for (const [endpoint, peer] of members) if (peer.seen <= now - 20) members.delete(endpoint)
        }
      }
      let total = 0
      for (const [swarm, members] of model) {
        const found = table.find(hash(swarm))
        total += members.size
        const seeders = [...members.values()].filter((peer) => peer.isSeed).length
        expect(table.counts(hash(swarm))).toMatchObject({ seeders, leechers: members.size - seeders })
        expect(found === undefined ? 0 : sizeOf(found)).toBe(members.size)
        if (found === undefined) continue
        const nobody = requestOf(swarm, 'nobody', 9999)
        const listed = endpoints(table.sample(found, 1000, parseAddress('127.0.0.9')!, nobody))
        expect(listed.sort(), toHex(hash(swarm))).toEqual([...members.keys()].sort())
      }
      expect(table.peerCount).toBe(total)
      expect(table.swarmCount).toBe([...model.values()].filter((members) => members.size > 0).length)
    }),
  )
})

test('peers nobody could reach stand last, whoever comes, goes and is reached in between', () => {
  const prng = new Prng(11)
  const table = new SwarmTable(new Prng(12))
  const infoHash = new Uint8Array(20)
  const member = (port: number, id = port) => ({
    infoHash,
    peerId: new Uint8Array(20).fill(id),
    port,
    left: 1,
    event: undefined,
  })
  const address = (port: number) =>
    port % 3 === 0 ? new Uint8Array(16).fill(32) : Uint8Array.of(10, 0, 0, 1)
  const model = new Map<number, 'reached' | 'unreachable' | 'untried'>()
  for (let step = 0; step < 3000; step++) {
    const port = 1 + prng.below(20)
    const ref = table.refOf(infoHash, address(port), port)
    expect(ref !== undefined).toBe(model.has(port))
    const choice = prng.below(6)
    if (choice < 2 || ref === undefined) {
      table.join(step, address(port), member(port))
      if (ref === undefined) model.set(port, 'untried')
    } else if (choice === 2) {
      table.evict(ref)
      model.delete(port)
    } else if (choice === 3) {
      table.setReached(ref, true)
      model.set(port, 'reached')
    } else if (choice === 4) {
      table.setReached(ref, false)
      if (model.get(port) === 'untried') model.set(port, 'unreachable')
    } else {
      table.leave(address(port), member(port))
      table.join(step, address(port), member(port))
      model.set(port, 'untried')
    }
    const swarm = table.find(infoHash)
    if (swarm === undefined) continue
    const records = table.sampleRefs(swarm, 100).map((each) => table.record(each))
    expect(new Map(records.map((record) => [record.port, record.reach]))).toEqual(model)
    for (const length of [4, 16]) {
      const places = records.filter((record) => record.address.length === length)
      const firstHidden = places.findIndex(({ reach }) => reach === 'unreachable')
      if (firstHidden >= 0)
        expect(places.slice(firstHidden).every(({ reach }) => reach === 'unreachable')).toBe(true)
    }
  }
})
