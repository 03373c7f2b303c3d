import { beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { Prng } from '../base/prng.ts'
import { type Instant, seconds } from '../base/time.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { Heartbeat, type HeartbeatOutput, type LivenessEvent, type ProbeResult } from './heartbeat.ts'
import type { PeerRef } from './peer-record.ts'
import { SwarmTable } from './swarm-table.ts'

const INFO_HASH = new Uint8Array(20).fill(7)
const HOST = parseAddress('10.0.0.1')!
/** So many stand at one address; more of one the tracker would not list. */
const PORTS_PER_HOST = 500

type Probe = Extract<HeartbeatOutput, { kind: 'probe' }>

/** A tracker's heartbeat in virtual time; peers answer as their port says. */
class Ward {
  readonly swarms = new SwarmTable(new Prng(1))
  readonly heartbeat: Heartbeat
  now = 0
  /** When each port was probed, in milliseconds. */
  readonly probes: [port: number, milliseconds: number][] = []
  readonly events: LivenessEvent[] = []
  abandoned = 0
  /** How a port answers, at once; undefined = never. */
  readonly answers = new Map<number, ProbeResult | 'accepts' | 'drops'>()

  constructor(periodSeconds = 60, windowSeconds = 3) {
    this.heartbeat = new Heartbeat(this.swarms, { periodSeconds, windowSeconds })
  }

  join(
    port: number,
    answer: ProbeResult | 'accepts' | 'drops' = 'ok',
    mayBeProbed = true,
    address = hostOf(port),
  ): this {
    this.answers.set(port, answer)
    this.swarms.join(0, address, membership(port), mayBeProbed)
    return this.settle()
  }

  leave(port: number): this {
    this.swarms.leave(hostOf(port), membership(port))
    return this.settle()
  }

  report(port: number): boolean {
    const isTaken = this.heartbeat.report(this.now as Instant, this.ref(port))
    this.settle()
    return isTaken
  }

  ref(port: number): PeerRef {
    return this.swarms.refOf(INFO_HASH, hostOf(port), port)!
  }

  has(port: number): boolean {
    return this.swarms.refOf(INFO_HASH, hostOf(port), port) !== undefined
  }

  reach(port: number): string {
    return this.swarms.record(this.ref(port)).reach
  }

  until(at: number): this {
    for (;;) {
      const next = this.heartbeat.nextTimeout()
      if (next === undefined || next > seconds(at)) break
      this.now = Math.max(this.now, next)
      this.heartbeat.handle(this.now as Instant, { kind: 'tick' })
      this.drain()
    }
    this.now = seconds(at)
    return this
  }

  probesOf(port: number): number[] {
    return this.probes.filter(([probed]) => probed === port).map(([, at]) => at)
  }

  /** What the tracker does after every input: see what has become due. */
  settle(): this {
    this.heartbeat.handle(this.now as Instant, { kind: 'tick' })
    this.drain()
    return this
  }

  drain(): void {
    for (let output = this.heartbeat.poll(); output !== undefined; output = this.heartbeat.poll()) {
      if (output.kind === 'liveness') this.events.push(output.event)
      else if (output.kind === 'abandon-probe') this.abandoned++
      else this.#answer(output)
    }
  }

  #answer({ probe, port }: Probe): void {
    const now = this.now as Instant
    this.probes.push([port, this.now / 1000])
    const answer = this.answers.get(port)
    if (answer === 'drops' || answer === undefined) return
    if (answer !== 'unreachable') this.heartbeat.handle(now, { kind: 'probe-connected', probe })
    if (answer !== 'accepts') this.heartbeat.handle(now, { kind: 'probe-ended', probe, result: answer })
  }
}

/** 10.0.0.1 for the first ports. */
function hostOf(port: number): Uint8Array {
  return HOST.with(2, Math.floor(port / PORTS_PER_HOST))
}

function membership(port: number, id = port) {
  const peerId = new Uint8Array(20).with(18, id >> 8).with(19, id)
  return { infoHash: INFO_HASH, peerId, port, left: 1, event: undefined }
}

describe('the rhythm', () => {
  test('a peer is probed when it joins and then once a period', () => {
    const ward = new Ward(1).join(1).until(0.5).join(2).until(3.2)
    expect(ward.probesOf(1)).toEqual([0, 1000, 2000, 3000])
    expect(ward.probesOf(2)).toEqual([500, 1500, 2500])
  })

  test('one that never answers delays nobody', () => {
    const ward = new Ward(1, 3).join(99, 'drops')
    for (let port = 1; port < 20; port++) ward.join(port)
    ward.until(2.5)
    for (let port = 1; port < 20; port++) expect(ward.probesOf(port)).toEqual([0, 1000, 2000])
    // Its first probe is still under way.
    expect(ward.probesOf(99)).toEqual([0])
  })

  test('never more than the budget begin in any second, and all get their turn', () => {
    const ward = new Ward(1)
    for (let port = 1; port <= 1000; port++) ward.join(port)
    ward.until(30)
    const budget = LIMITS.trackerProbesPerSecondMax.value
    for (let from = 0; from < 11_000; from += 250) {
      const count = ward.probes.filter(([, at]) => at >= from && at < from + 1000).length
      expect(count).toBeLessThanOrEqual(budget + 20)
      expect(count).toBeGreaterThan(budget - 5)
    }
    for (let port = 1; port <= 1000; port++) expect(ward.probesOf(port).length).toBeGreaterThanOrEqual(2)
  })

  test('many that hang are bounded in number, and the rest goes on when they are given up', () => {
    const ward = new Ward(1000, 20)
    for (let port = 1; port <= 2000; port++) ward.join(port, 'drops')
    ward.until(19)
    expect(ward.probes.length).toBe(LIMITS.trackerProbesOpenMax.value)
    ward.until(60)
    expect(ward.probes.length).toBe(2000)
    expect(ward.abandoned).toBe(2000)
  })

  test('a flood of new peers does not keep the old ones waiting', () => {
    const ward = new Ward(2).join(1)
    for (let second = 0; second < 8; second++) {
      for (let port = 0; port < 500; port++) ward.join(1000 + second * 500 + port)
      ward.until(second + 1)
    }
    const [, second = 0, third = 0] = ward.probesOf(1)
    expect(second).toBeLessThan(2100)
    // By then hundreds of the others are due as well.
    expect(third).toBeLessThan(7000)
  })

  test('both address families are probed', () => {
    const ward = new Ward(1).join(1)
    ward.answers.set(6, 'ok')
    ward.swarms.join(0, parseAddress('2001:db8::1')!, membership(6))
    ward.settle().until(2.1)
    expect(ward.probesOf(6)).toHaveLength(3)
  })

  test('who must not be probed is not', () => {
    const ward = new Ward(1).join(1, 'ok', false).until(5)
    expect(ward.probes).toEqual([])
    expect(ward.report(1)).toBe(false)
    expect(ward.has(1)).toBe(true)
  })
})

describe('the verdict', () => {
  test.for(['accepts', 'silent'] as const)('who %s and says nothing is removed', (answer) => {
    const ward = new Ward(60, 3).join(1, answer).until(2.9)
    if (answer === 'accepts') expect(ward.has(1)).toBe(true)
    ward.until(3)
    expect(ward.has(1)).toBe(false)
    expect(ward.events.at(-1)).toMatchObject({
      event: 'removed',
      address: '10.0.0.1:1',
      reason: 'heartbeat-timeout',
    })
  })

  test.for(['unreachable', 'drops'] as const)('who answered once and is then %s is removed', (answer) => {
    const ward = new Ward(10, 3).join(1)
    expect(ward.reach(1)).toBe('reached')
    ward.answers.set(1, answer)
    ward.until(13)
    expect(ward.has(1)).toBe(false)
  })

  test('who could never be reached stays, last in every list, and is listed with the others once it answers', () => {
    const ward = new Ward(10, 3).join(1, 'drops')
    for (let port = 2; port <= 9; port++) ward.join(port)
    ward.until(25)
    expect(ward.reach(1)).toBe('unreachable')
    const swarm = ward.swarms.find(INFO_HASH)!
    for (let i = 0; i < 50; i++) expect(ward.swarms.sampleRefs(swarm, 8)).not.toContain(ward.ref(1))
    expect(ward.swarms.sampleRefs(swarm, 9).at(-1)).toBe(ward.ref(1))
    ward.answers.set(1, 'ok')
    ward.until(40)
    expect(ward.reach(1)).toBe('reached')
    const sampled = Array.from({ length: 100 }, () => ward.swarms.sampleRefs(swarm, 8)).flat()
    expect(sampled).toContain(ward.ref(1))
  })

  test('who hangs up lives, and what was known of it stays', () => {
    const ward = new Ward(1).join(1, 'closed').until(5)
    expect(ward.reach(1)).toBe('untried')
    ward.answers.set(1, 'ok')
    ward.until(7)
    ward.answers.set(1, 'closed')
    ward.until(20)
    expect(ward.reach(1)).toBe('reached')
  })

  test('an announce does not take the place of a probe', () => {
    const ward = new Ward(2, 1).join(1)
    ward.answers.set(1, 'unreachable')
    ward.until(1.9)
    ward.swarms.join(1, HOST, membership(1))
    ward.settle().until(2)
    expect(ward.has(1)).toBe(false)
  })

  test('a new peer id at the same address is a new peer', () => {
    const ward = new Ward(10).join(1)
    ward.answers.set(1, 'unreachable')
    ward.swarms.join(0, HOST, membership(1, 77))
    ward.settle()
    expect(ward.probesOf(1)).toEqual([0, 0])
    expect(ward.reach(1)).toBe('unreachable')
  })
})

describe('reports', () => {
  let ward: Ward
  beforeEach(() => {
    ward = new Ward(3600).join(1).until(5)
  })

  test('the reported peer is probed at once, out of its turn, and kept when it answers', () => {
    expect(ward.report(1)).toBe(true)
    expect(ward.probesOf(1)).toEqual([0, 5000])
    expect(ward.has(1)).toBe(true)
    expect(ward.events.slice(-3).map(({ event }) => event)).toEqual(['probe', 'heartbeat', 'kept'])
  })

  test('it is removed when that probe fails, also one that never could be reached', () => {
    ward.join(2, 'unreachable').until(20)
    expect(ward.has(2)).toBe(true)
    expect(ward.report(2)).toBe(true)
    expect(ward.has(2)).toBe(false)
  })

  test('it is removed when it only hangs up', () => {
    ward.join(2, 'closed').until(20)
    ward.report(2)
    expect(ward.has(2)).toBe(false)
  })

  test('a thousand false reports in ten seconds are one probe', () => {
    for (let i = 0; i < 1000; i++) ward.until(5 + i / 100).report(1)
    expect(ward.probesOf(1).length).toBe(2)
    expect(ward.has(1)).toBe(true)
    ward.until(16)
    expect(ward.report(1)).toBe(true)
  })

  test('a probe that is under way counts', () => {
    ward.join(2, 'drops')
    expect(ward.report(2)).toBe(true)
    expect(ward.probesOf(2)).toHaveLength(1)
    ward.until(9)
    expect(ward.has(2)).toBe(false)
  })

  test('reports that wait are bounded', () => {
    for (let port = 10; port < 10 + LIMITS.trackerReportsMax.value + 50; port++) ward.join(port)
    ward.until(30)
    let taken = 0
    for (let port = 10; port < 10 + LIMITS.trackerReportsMax.value + 50; port++)
      if (ward.report(port)) taken++
    expect(taken).toBe(LIMITS.trackerReportsMax.value)
  })
})

test('a peer that leaves takes its probe with it, and nothing of it reaches who comes next', () => {
  const ward = new Ward(10, 3).join(1, 'accepts')
  ward.leave(1)
  expect(ward.abandoned).toBe(1)
  ward.join(2, 'ok')
  ward.heartbeat.handle(ward.now as Instant, { kind: 'probe-ended', probe: 1, result: 'silent' })
  ward.until(9)
  expect(ward.has(2)).toBe(true)
  expect(ward.probesOf(1)).toHaveLength(1)
})

test('what comes of probes nobody knows changes nothing', () => {
  const ward = new Ward().join(1)
  ward.heartbeat.handle(0 as Instant, { kind: 'probe-connected', probe: 77 })
  ward.heartbeat.handle(0 as Instant, { kind: 'probe-ended', probe: 77, result: 'silent' })
  expect(ward.has(1)).toBe(true)
})
