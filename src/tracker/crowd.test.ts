import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { Crowd, NO_PLACE } from './crowd.ts'
import type { PeerRef } from './peer-record.ts'
import { SwarmTable, sizeOf } from './swarm-table.ts'

const FLOODER = '203.0.113.7'
const NEWCOMER = '198.51.100.1'

/** The n-th of addresses that share no block with each other or with those above. */
function stranger(n: number): string {
  return `10.${n >> 8}.${n & 255}.1`
}

/** A table and its members in words. Each `swarm` is a number, and no two calls of `fresh` are alike. */
class Desk {
  readonly table: SwarmTable
  nowSeconds = 0
  #fresh = 1_000_000

  constructor({ swarmsMax = 10_000, peersPerFamilyMax = 10_000, seed = 1 } = {}) {
    this.table = new SwarmTable(new Prng(seed), { swarmsMax, peersPerFamilyMax })
  }

  get fresh(): number {
    return this.#fresh++
  }

  join(host: string, swarm = this.fresh, port = 6881): boolean {
    return this.table.join(this.nowSeconds, parseAddress(host)!, member(swarm, port)) !== undefined
  }

  has(host: string, swarm: number, port = 6881): boolean {
    return this.table.refOf(member(swarm, port).infoHash, parseAddress(host)!, port) !== undefined
  }

  /** Swarms of one peer each until the table is full. */
  flood(hosts: readonly string[], count: number): this {
    for (let i = 0; i < count; i++) expect(this.join(hosts[i % hosts.length]!)).toBe(true)
    return this
  }

  /** How many of so many newcomers, each from elsewhere and to a swarm of its own, are let in. */
  admitted(count: number, from = 20_000): number {
    let admitted = 0
    for (let i = 0; i < count; i++) {
      if (i % 10 === 0) this.nowSeconds++
      if (this.join(stranger(from + i))) admitted++
    }
    return admitted
  }
}

function member(swarm: number, port: number) {
  const infoHash = new Uint8Array(20)
  new DataView(infoHash.buffer).setUint32(0, swarm)
  return { infoHash, peerId: new Uint8Array(20), port, left: 1, event: undefined }
}

describe('made-up swarms of one source (S25)', () => {
  test('give way to newcomers, nobody else does, and the source gets nothing more', () => {
    const desk = new Desk()
    for (let i = 0; i < 1000; i++) desk.join(stranger(i), i)
    desk.flood([FLOODER], 9000)
    for (let i = 0; i < 2000; i++) expect(desk.join(FLOODER)).toBe(false)
    expect(desk.table.displacedCount).toBe(0)
    expect(desk.admitted(3000)).toBe(3000)
    expect(desk.table).toMatchObject({ swarmCount: 10_000, peerCount: 10_000, displacedCount: 3000 })
    for (let i = 0; i < 1000; i++) expect(desk.has(stranger(i), i)).toBe(true)
  })

  test('as do those with a second peer, of the same address or of another one that floods', () => {
    for (const second of [FLOODER, '192.0.2.9', '2001:db8::1']) {
      const desk = new Desk({ swarmsMax: 5000 })
      for (let swarm = 0; swarm < 5000; swarm++) {
        desk.join(FLOODER, swarm, 1)
        desk.join(second, swarm, 2)
      }
      expect(desk.admitted(1000)).toBe(1000)
      expect(desk.table).toMatchObject({ swarmCount: 5000, peerCount: 9000, displacedCount: 2000 })
    }
  })

  test('stay when anybody else is there', () => {
    const desk = new Desk({ swarmsMax: 500 })
    for (let swarm = 0; swarm < 500; swarm++) {
      desk.join(FLOODER, swarm)
      desk.join(stranger(swarm), swarm)
    }
    expect(desk.admitted(50)).toBe(0)
  })

  test('are found as long as they are a good part of the table, and share what they have held', () => {
    const desk = new Desk()
    for (let i = 0; i < 8000; i++) desk.join(stranger(i), i)
    desk.flood([FLOODER], 2000)
    // It keeps no more than what shows hardly more often in a sample than anybody.
    expect(desk.admitted(1700)).toBeGreaterThan(1690)
    for (let i = 0; i < 8000; i++) expect(desk.has(stranger(i), i)).toBe(true)
  })

  test('of an IPv6 flooder with a /64, a /48, or ten /48', () => {
    const prng = new Prng(5)
    const part = (values: number) => prng.below(values).toString(16)
    const hosts = {
      '/64': () => `2001:db8:1:2:${part(65_536)}::${part(65_536)}`,
      '/48': () => `2001:db8:1:${part(65_536)}::1`,
      'ten /48': () => `2001:db8:${part(10)}:${part(65_536)}::1`,
    }
    for (const [name, host] of Object.entries(hosts)) {
      const desk = new Desk()
      for (let i = 0; i < 1000; i++) desk.join(stranger(i), i)
      while (desk.table.swarmCount < 10_000) desk.join(host())
      expect(desk.admitted(500), name).toBe(500)
      const before = desk.table.displacedCount
      for (let i = 0; i < 500; i++, desk.nowSeconds++) desk.join(host())
      for (let i = 0; i < 1000; i++) expect(desk.has(stranger(i), i), name).toBe(true)
      // Ten blocks differ by chance, so one may displace another.
      if (name !== 'ten /48') expect(desk.table.displacedCount, name).toBe(before)
    }
  })

  test('of two hundred addresses, and of all in a /24, whose neighbours elsewhere are let in', () => {
    for (const hosts of [
      Array.from({ length: 200 }, (_, i) => stranger(10_000 + i)),
      Array.from({ length: 256 }, (_, i) => `203.0.113.${i}`),
    ]) {
      const desk = new Desk()
      for (let i = 0; i < 1000; i++) desk.join(stranger(i), i)
      desk.flood(hosts, 9000)
      expect(desk.admitted(500)).toBe(500)
      for (let i = 0; i < 1000; i++) expect(desk.has(stranger(i), i)).toBe(true)
    }
  })

  test('are not held against a neighbour, but those of four neighbours are', () => {
    const one = new Desk({ swarmsMax: 1000 }).flood([FLOODER], 1000)
    expect(one.join('203.0.113.8')).toBe(true)
    expect(one.table).toMatchObject({ swarmCount: 1000, displacedCount: 1 })
    const four = [7, 17, 27, 37].map((host) => `203.0.113.${host}`)
    expect(new Desk({ swarmsMax: 1000 }).flood(four, 1000).join('203.0.113.8')).toBe(false)
  })
})

describe('too many peers', () => {
  test('of one source in several swarms give way in their own family', () => {
    for (const [flooder, newcomer] of [
      [FLOODER, NEWCOMER],
      ['2001:db8::1', '2001:db8:9::1'],
    ] as const) {
      const desk = new Desk({ peersPerFamilyMax: 3000 })
      for (let i = 0; i < 300; i++)
        desk.join(flooder === FLOODER ? stranger(i) : `2001:db8:${1000 + i}::1`, 1)
      for (let port = 1; port <= 3300; port++) desk.join(flooder, port % 20, port)
      expect(desk.join(flooder, 1, 9999)).toBe(false)
      expect(desk.table.peerCount).toBe(3000)
      expect(desk.join(newcomer, 1)).toBe(true)
      expect(desk.join(newcomer, 7)).toBe(true)
      expect(desk.table).toMatchObject({ peerCount: 3000, displacedCount: 2 })
      expect(desk.join(flooder, 1, 9999)).toBe(false)
    }
  })

  test('give way also when the place was the last one of the swarm that is joined', () => {
    const desk = new Desk({ swarmsMax: 3, peersPerFamilyMax: 3 })
    for (let swarm = 0; swarm < 3; swarm++) desk.join(FLOODER, swarm)
    // All three are candidates: the newcomer joins the one that goes.
    const last = [0, 1, 2].filter((swarm) => !cloneAfterOneMore(swarm).includes(swarm))
    expect(last).toHaveLength(1)
    expect(desk.join(NEWCOMER, last[0]!)).toBe(true)
    expect(desk.has(NEWCOMER, last[0]!)).toBe(true)
    expect(desk.table).toMatchObject({ swarmCount: 3, peerCount: 3 })

    /** Swarms the flooder is left with when somebody joins this one. */
    function cloneAfterOneMore(swarm: number): number[] {
      const clone = new Desk({ swarmsMax: 3, peersPerFamilyMax: 3 })
      for (let each = 0; each < 3; each++) clone.join(FLOODER, each)
      clone.join(NEWCOMER, swarm)
      return [0, 1, 2].filter((each) => clone.has(FLOODER, each))
    }
  })

  test('and too many swarms at once: room for both', () => {
    const desk = new Desk({ swarmsMax: 1000, peersPerFamilyMax: 1000 }).flood([FLOODER], 1000)
    expect(desk.admitted(900)).toBe(900)
    expect(desk.table).toMatchObject({ swarmCount: 1000, peerCount: 1000 })
  })
})

describe('a table full of different sources', () => {
  test('refuses newcomers, by swarms and by peers', () => {
    for (const bounds of [{ swarmsMax: 5000 }, { peersPerFamilyMax: 5000 }]) {
      const desk = new Desk(bounds)
      for (let i = 0; i < 5000; i++) expect(desk.join(stranger(i), i)).toBe(true)
      expect(desk.admitted(200)).toBe(0)
      expect(desk.table.displacedCount).toBe(0)
    }
  })

  test('does not draw again within the second', () => {
    let looks = 0
    const crowd = new Crowd(new Prng(1), (place, list) => {
      looks++
      list.add(parseAddress(stranger(place))!, 0, 4)
    })
    for (let i = 0; i < 50; i++) expect(crowd.vacate(7, 20_000, parseAddress(NEWCOMER)!)).toBe(NO_PLACE)
    const once = looks
    crowd.vacate(8, 20_000, parseAddress(NEWCOMER)!)
    expect(looks).toBe(2 * once)
  })
})

test('whoever comes and goes at full tables, sizes, counts and watchers agree with what is there', () => {
  const step = fc.record({
    swarm: fc.nat({ max: 30 }),
    host: fc.constantFrom('10.1.1.1', '10.1.1.2', '10.2.1.1', '2001:db8::1', '2001:db8:1::1', 'fresh'),
    port: fc.integer({ min: 1, max: 4 }),
    left: fc.nat({ max: 1 }),
    leaves: fc.nat({ max: 9 }),
    elapsed: fc.nat({ max: 1 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.nat(), (steps, seed) => {
      const table = new SwarmTable(new Prng(seed), { swarmsMax: 8, peersPerFamilyMax: 12 })
      const present = new Set<PeerRef>()
      table.watch({ joined: (ref) => void present.add(ref), left: (ref) => void present.delete(ref) })
      let nowSeconds = 0
      for (const [i, { swarm, host, port, left, leaves, elapsed }] of steps.entries()) {
        nowSeconds += elapsed
        const address = parseAddress(host === 'fresh' ? stranger(i) : host)!
        const request = { ...member(swarm, port), left }
        if (leaves === 0) table.leave(address, request)
        else if (table.join(nowSeconds, address, request) !== undefined) {
          const ref = table.refOf(request.infoHash, address, port)!
          expect(table.record(ref)).toMatchObject({ address, port, isSeed: left === 0 })
        }
        let peers = 0
        for (const each of table.swarms()) {
          const records = table.sampleRefs(each, 1000).map((ref) => table.record(ref))
          expect(records.length).toBe(sizeOf(each))
          expect(records.length).toBeGreaterThan(0)
          expect(records.filter(({ isSeed }) => isSeed).length).toBe(each.seeders)
          for (const { ref } of records) expect(present.has(ref)).toBe(true)
          peers += records.length
        }
        expect(table).toMatchObject({ peerCount: peers })
        expect(present.size).toBe(peers)
        expect(table.swarmCount).toBeLessThanOrEqual(8)
        expect(peers).toBeLessThanOrEqual(24)
      }
    }),
  )
})

test('watchers hear of everybody who gives way, while the peer is still there', () => {
  const desk = new Desk({ swarmsMax: 300 })
  const present = new Set<PeerRef>()
  desk.table.watch({
    joined: (ref) => void present.add(ref),
    left: (ref) => {
      expect(desk.table.record(ref).port).toBe(6881)
      expect(present.delete(ref)).toBe(true)
    },
  })
  desk.flood([FLOODER], 300)
  expect(desk.admitted(200)).toBe(200)
  expect(present.size).toBe(300)
  const refs = [...desk.table.swarms()].flatMap((swarm) => desk.table.sampleRefs(swarm, sizeOf(swarm)))
  expect(new Set(refs)).toEqual(present)
})

test('the same seed takes the same places', () => {
  const swarmsLeft = (seed: number) => {
    const desk = new Desk({ swarmsMax: 2000, seed }).flood([FLOODER, stranger(30_000)], 2000)
    desk.admitted(100)
    return [...desk.table.swarms()].map(({ key }) => key)
  }
  expect(swarmsLeft(3)).toEqual(swarmsLeft(3))
  expect(swarmsLeft(3)).not.toEqual(swarmsLeft(4))
})
