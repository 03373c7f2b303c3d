import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type Instant, seconds } from '../base/time.ts'
import {
  type AnnounceReply,
  type AnnounceRequest,
  type TrackerFault,
  trackerFailure,
} from '../wire/tracker-announce.ts'
import { Announcer, type AnnouncerInput, type AnnouncerOptions, type AnnouncerOutput } from './announcer.ts'

type Answer = Result<AnnounceReply, TrackerFault> | 'silence'
type TrackerScript = (request: AnnounceRequest, atSeconds: number) => Answer

const DOWN = fail('tracker/unreachable', 'down')

function reply(intervalSeconds = 1800, more: Partial<AnnounceReply> = {}): Answer {
  return ok({ intervalSeconds, peers: [], ...more })
}

/** Virtual time, scripted trackers, and a log of what they were asked: `12 a started`. */
class World {
  readonly log: string[] = []
  readonly outputs: AnnouncerOutput[] = []
  readonly requests: AnnounceRequest[] = []
  uploaded = 0
  left = 1
  wantsPeers = true
  isShort = false
  now = 0 as Instant
  stoppedAtSeconds: number | undefined
  readonly #scripts: Readonly<Record<string, TrackerScript>>
  readonly announcer: Announcer

  constructor(
    scripts: Readonly<Record<string, TrackerScript>>,
    options: Partial<AnnouncerOptions> = {},
    seed = 1,
  ) {
    this.#scripts = scripts
    const tiers = Object.keys(scripts).map((url) => [url])
    this.announcer = new Announcer(
      { infoHash: new Uint8Array(20), peerId: new Uint8Array(20), port: 6881, key: 7, tiers, ...options },
      new Prng(seed),
      {
        stats: () => ({ uploaded: this.uploaded, downloaded: 0, left: this.left }),
        wantsPeers: () => this.wantsPeers,
        isShortOfPeers: () => this.isShort,
      },
    )
  }

  get nowSeconds(): number {
    return Math.round(this.now / 1000) / 1000
  }

  give(input: AnnouncerInput): this {
    this.announcer.handle(this.now, input)
    const answers: AnnouncerInput[] = []
    for (let output = this.announcer.poll(); output !== undefined; output = this.announcer.poll()) {
      this.outputs.push(output)
      if (output.kind === 'stopped') this.stoppedAtSeconds = this.nowSeconds
      if (output.kind !== 'announce') continue
      const { id, url, request } = output
      this.requests.push(request)
      this.log.push([this.nowSeconds, url, request.event ?? ''].join(' ').trim())
      const result = this.#scripts[url]!(request, this.nowSeconds)
      if (result !== 'silence') answers.push({ kind: 'answered', id, result })
    }
    for (const answer of answers) this.give(answer)
    return this
  }

  /** Lets the time-outs pass until this second. */
  run(untilSeconds: number): this {
    for (let turns = 0; ; turns++) {
      expect(turns, 'a machine that never rests').toBeLessThan(10_000)
      const next = this.announcer.nextTimeout()
      if (next === undefined || next > seconds(untilSeconds)) break
      this.now = Math.max(next, this.now) as Instant
      this.give({ kind: 'tick' })
    }
    this.now = seconds(untilSeconds) as Instant
    return this
  }

  start(): this {
    return this.give({ kind: 'start' })
  }

  stop(): this {
    return this.give({ kind: 'stop' })
  }

  /** Seconds at which a tracker was asked. */
  times(url: string): number[] {
    return this.log.filter((line) => line.split(' ')[1] === url).map((line) => Number(line.split(' ')[0]))
  }
}

describe('one tracker', () => {
  test('hears started, then is asked at its interval', () => {
    const world = new World({ a: () => reply(1800) }).start().run(4000)
    expect(world.log).toEqual(['0 a started', '1800 a', '3600 a'])
  })

  test('hears what the torrent is, and how it stands', () => {
    const world = new World({ a: () => reply(100) }).start()
    world.uploaded = 5
    world.run(100)
    expect(world.requests[1]).toMatchObject({ port: 6881, key: 7, uploaded: 5, downloaded: 0, left: 1 })
  })

  test('decides how many peers it lists while peers are wanted, and none when they are not', () => {
    const world = new World({ a: () => reply(100) }).start()
    world.wantsPeers = false
    world.run(100).stop()
    expect(world.requests.map((request) => request.numwant)).toEqual([undefined, 0, 0])
  })

  test('gets its tracker id back, the newest it gave', () => {
    let given = 0
    const world = new World({ a: () => reply(100, { trackerId: Uint8Array.of(++given) }) }).start().run(200)
    expect(world.requests.map((request) => request.trackerId)).toEqual([
      undefined,
      Uint8Array.of(1),
      Uint8Array.of(2),
    ])
  })

  test('its peers and its answer become outputs', () => {
    const peers = [{ host: '127.0.0.2', port: 1 }]
    const world = new World({ a: () => reply(60, { peers, externalIp: '127.0.0.9' }) }).start()
    expect(world.outputs.slice(1)).toEqual([
      { kind: 'peers', url: 'a', peers, from: undefined, externalIp: '127.0.0.9' },
      {
        kind: 'event',
        event: { event: 'announced', tracker: 'a', peers: 1, interval: 60, externalIp: '127.0.0.9' },
      },
    ])
  })

  test.each([
    ['too short', 0, [0, 5, 10]],
    ['negative', -1, [0, 5, 10]],
    ['fair', 6, [0, 6]],
  ])('an interval that is %s is kept in bounds', (_what, interval, expected) => {
    expect(new World({ a: () => reply(interval) }).start().run(11).times('a')).toEqual(expected)
  })

  test('an interval of years is cut to a day', () => {
    expect(new World({ a: () => reply(1e9) }).start().run(100_000).times('a')).toEqual([0, 86_400])
  })

  test('an interval of our own wins while something is left to fetch', () => {
    const world = new World({ a: () => reply(1800) }, { intervalOverrideSeconds: 3 }).start().run(7)
    world.left = 0
    world.give({ kind: 'completed' }).run(100)
    expect(world.log).toEqual(['0 a started', '3 a', '6 a', '7 a completed'])
  })
})

describe('completed', () => {
  test('is told once, at once', () => {
    const world = new World({ a: () => reply(100) }).start().run(50)
    world.give({ kind: 'completed' }).give({ kind: 'completed' }).run(200)
    expect(world.log).toEqual(['0 a started', '50 a completed', '150 a'])
  })

  test('is not told by a session that began complete', () => {
    const world = new World({ a: () => reply(100) })
    world.left = 0
    expect(world.start().run(150).stop().log).toEqual(['0 a started', '100 a', '150 a stopped'])
  })

  test('is told again until the tracker takes it', () => {
    let failures = 0
    const script: TrackerScript = (request) =>
      request.event === 'completed' && failures++ < 2 ? DOWN : reply(1000)
    const world = new World({ a: script }).start().run(50).give({ kind: 'completed' }).run(900)
    expect(world.log.map((line) => line.split(' ')[2])).toEqual([
      'started',
      'completed',
      'completed',
      'completed',
    ])
  })

  test('waits for started to be taken', () => {
    const world = new World({ a: (_, at) => (at < 20 ? DOWN : reply(1000)) }).start()
    world.run(5).give({ kind: 'completed' }).run(100)
    const events = world.log.map((line) => line.split(' ')[2])
    expect(events.slice(0, -1).every((event) => event === 'started')).toBe(true)
    expect(events.at(-1)).toBe('completed')
  })
})

describe('failures', () => {
  test('are waited out longer each time, with jitter, up to a bound', () => {
    const world = new World({ a: () => DOWN }).start().run(20_000)
    const waits = world.times('a').map((at, i, times) => (i === 0 ? 0 : at - times[i - 1]!))
    for (const [i, wait] of waits.slice(1).entries()) {
      const nominal = Math.min(2 * 2 ** i, 900)
      expect(wait).toBeGreaterThanOrEqual(nominal * 0.75 - 0.001)
      expect(wait).toBeLessThanOrEqual(nominal * 1.25 + 0.001)
    }
    expect(waits.length).toBeGreaterThan(20)
    expect(new Set(waits.slice(-5)).size).toBe(5)
  })

  test('become events with a hint', () => {
    const world = new World({ a: () => fail('tracker/timeout', 'slow', 'be patient') }).start()
    expect(world.outputs[1]).toEqual({
      kind: 'event',
      event: {
        event: 'announce-failed',
        tracker: 'a',
        code: 'tracker/timeout',
        message: 'slow',
        hint: 'be patient',
      },
    })
  })

  test('repeat started until it is taken, and then no more', () => {
    const world = new World({ a: (_, at) => (at < 5 ? DOWN : reply(100)) }).start().run(200)
    const events = world.log.map((line) => line.split(' ')[2])
    expect(events.lastIndexOf('started')).toBe(events.indexOf(undefined as unknown as string) - 1)
  })

  test('a tracker that says when to come back is not asked before', () => {
    const world = new World({ a: (_, at) => (at === 0 ? trackerFailure('busy', 600) : reply()) })
      .start()
      .run(700)
    expect(world.times('a')).toEqual([0, 600])
  })

  test('a tracker that says at once is not asked in a loop', () => {
    const world = new World({ a: () => trackerFailure('busy', 0) }).start().run(60)
    expect(world.times('a').length).toBeLessThan(8)
  })

  test.each([
    ['says never', trackerFailure('go away', Number.POSITIVE_INFINITY)],
    ['speaks no protocol we know', fail('tracker/unsupported-scheme', 'wss')],
  ])('a tracker that %s is not asked again', (_what, answer) => {
    const world = new World({ a: () => answer }).start().run(1e6)
    expect(world.times('a')).toEqual([0])
    expect(world.announcer.nextTimeout()).toBeUndefined()
  })
})

describe('tiers', () => {
  test('a later one is asked as soon as the first fails', () => {
    const world = new World({ a: () => DOWN, b: () => reply() }).start()
    expect(world.log).toEqual(['0 a started', '0 b started'])
  })

  test('a later one is left alone while the first works', () => {
    const world = new World({ a: () => reply(100), b: () => reply(100) }).start().run(1000)
    expect(world.times('b')).toEqual([])
  })

  test('the later one waits for the answer of the first', () => {
    expect(new World({ a: () => 'silence', b: () => reply() }).start().run(1000).times('b')).toEqual([])
  })

  test('the first is tried again and takes over when it answers', () => {
    const world = new World({ a: (_, at) => (at < 300 ? DOWN : reply(100)), b: () => reply(100) })
      .start()
      .run(2000)
    expect(world.times('a').length).toBeGreaterThan(10)
    expect(world.times('b').at(-1)).toBeLessThan(world.times('a').find((at) => at > 300)! + 1)
  })

  test('a hanging retry of the first does not hold up the second', () => {
    const world = new World({ a: (_, at) => (at === 0 ? DOWN : 'silence'), b: () => reply(100) })
      .start()
      .run(350)
    expect(world.times('b')).toEqual([0, 100, 200, 300])
  })

  test('inside a tier the order is drawn, and the one that answers moves to the front', () => {
    const firsts = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const scripts = { a: () => DOWN, b: () => reply(100), c: () => DOWN }
      const world = new World(scripts, { tiers: [['a', 'b', 'c']] }, seed).start()
      firsts.add(world.log[0]!.split(' ')[1]!)
      const before = world.log.length
      world.run(1000)
      expect(world.log.slice(before).every((line) => line.split(' ')[1] === 'b')).toBe(true)
    }
    expect([...firsts].sort()).toEqual(['a', 'b', 'c'])
  })

  test('new trackers come last, known ones are not doubled', () => {
    const world = new World({ a: () => DOWN, b: () => reply() }, { tiers: [['a']] }).start()
    world.give({ kind: 'add-trackers', tiers: [['a'], ['b', 'b']] })
    expect(world.log).toEqual(['0 a started', '0 b started'])
  })

  test('are bounded', () => {
    const urls = Array.from({ length: 1000 }, (_, i) => `t${i}`)
    const scripts = Object.fromEntries(urls.map((url) => [url, () => DOWN]))
    expect(new World(scripts).start().log).toHaveLength(200)
  })
})

describe('short of peers', () => {
  function lonely(script: TrackerScript): World {
    const world = new World({ a: script })
    world.isShort = true
    return world
  }

  test('asks early, less and less often while that does not help', () => {
    expect(
      lonely(() => reply(100))
        .start()
        .run(175)
        .times('a'),
    ).toEqual([0, 5, 15, 35, 75, 155])
  })

  test('asks at once when the last peer leaves and the last announce is old', () => {
    const world = new World({ a: () => reply(1800) }).start().run(200)
    world.isShort = true
    expect(world.run(201).times('a')).toEqual([0, 200])
  })

  test('starts anew with its patience once a peer was there', () => {
    const world = lonely(() => reply(1800))
      .start()
      .run(100)
    world.isShort = false
    world.give({ kind: 'tick' }).run(200)
    world.isShort = true
    expect(world.run(210).times('a').slice(-3)).toEqual([75, 200, 210])
  })

  test('respects the min interval', () => {
    expect(
      lonely(() => reply(100, { minIntervalSeconds: 40 }))
        .start()
        .run(90)
        .times('a'),
    ).toEqual([0, 40, 80])
  })

  test('a min interval above the interval does not lengthen it', () => {
    expect(
      lonely(() => reply(30, { minIntervalSeconds: 1e9 }))
        .start()
        .run(65)
        .times('a'),
    ).toEqual([0, 30, 60])
  })

  test('does not ask early when no peers are wanted', () => {
    const world = lonely(() => reply(100))
    world.wantsPeers = false
    expect(world.start().run(90).times('a')).toEqual([0])
  })
})

describe('stopping', () => {
  test('tells the tracker and is over', () => {
    const world = new World({ a: () => reply() }).start().run(10).stop()
    expect(world.log).toEqual(['0 a started', '10 a stopped'])
    expect(world.stoppedAtSeconds).toBe(10)
    expect(world.announcer.nextTimeout()).toBeUndefined()
  })

  test('tells every tracker that took started, and no other', () => {
    const world = new World({ a: (_, at) => (at < 300 ? DOWN : reply()), b: () => reply(), c: () => reply() })
    expect(world.start().run(1000).stop().log.slice(-2)).toEqual(['1000 a stopped', '1000 b stopped'])
  })

  test('is over at once when nobody knows us', () => {
    expect(new World({ a: () => DOWN }).start().run(1).stop().stoppedAtSeconds).toBe(1)
    expect(new World({ a: () => reply() }).stop().stoppedAtSeconds).toBe(0)
  })

  test('asks again quickly when the tracker is in trouble', () => {
    let failures = 0
    const script: TrackerScript = (request) =>
      request.event === 'stopped' && failures++ < 2 ? DOWN : reply()
    const world = new World({ a: script }).start().run(10).stop().run(20)
    expect(world.log.slice(1)).toEqual(['10 a stopped', '10.25 a stopped', '10.75 a stopped'])
    expect(world.stoppedAtSeconds).toBe(10.75)
  })

  test('gives up on a tracker that refuses', () => {
    const world = new World({ a: (request) => (request.event === 'stopped' ? DOWN : reply()) })
    expect(world.start().run(10).stop().run(100).stoppedAtSeconds).toBe(11.75)
  })

  test('gives up by its deadline on a tracker that is silent', () => {
    const world = new World({ a: (request) => (request.event === 'stopped' ? 'silence' : reply()) })
    expect(world.start().run(10).stop().run(100).stoppedAtSeconds).toBe(14)
  })

  test('waits less for a tracker that never answered', () => {
    expect(new World({ a: () => 'silence' }).start().run(10).stop().run(100).stoppedAtSeconds).toBe(11)
  })

  test('a tracker whose answer to started comes late is told', () => {
    const world = new World({ a: (request) => (request.event === 'stopped' ? reply() : 'silence') }).start()
    world.stop().run(0.5)
    world.give({ kind: 'answered', id: 1, result: ok({ intervalSeconds: 60, peers: [] }) })
    expect(world.log).toEqual(['0 a started', '0.5 a stopped'])
    expect(world.stoppedAtSeconds).toBe(0.5)
  })

  test('twice is once', () => {
    const world = new World({ a: (request) => (request.event === 'stopped' ? 'silence' : reply()) }).start()
    world.stop().stop().run(100)
    expect(world.outputs.filter((output) => output.kind === 'stopped')).toHaveLength(1)
  })

  test('a new session begins with started again, also when asked for while the old one ends', () => {
    const world = new World({ a: () => reply() }).start().run(10).stop().start()
    expect(world.log.slice(-1)).toEqual(['10 a started'])
    const busy = new World({ a: (request) => (request.event === 'stopped' ? 'silence' : reply()) })
    busy.start().stop().start().run(10)
    expect(busy.log).toEqual(['0 a started', '0 a stopped', '4 a started'])
  })

  test('answers of a session that is over change nothing', () => {
    const world = new World({ a: () => 'silence' }).start().stop().run(10).start()
    const before = world.outputs.length
    world.give({ kind: 'answered', id: 1, result: DOWN })
    expect(world.outputs).toHaveLength(before)
  })
})

test('whatever the trackers do: one request at a time, each event taken once, and the end comes in time', () => {
  const answer = fc.constantFrom<Answer>(reply(30), reply(30), DOWN, 'silence', trackerFailure('no', 60))
  const step = fc.record({
    kind: fc.constantFrom('wait', 'wait', 'wait', 'completed', 'peers'),
    span: fc.integer({ min: 0, max: 400 }),
  })
  fc.assert(
    fc.property(
      fc.infiniteStream(answer),
      fc.array(step, { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      (answers, steps, count) => {
        const open = new Map<string, number>()
        const taken = new Map<string, number>()
        const script =
          (url: string): TrackerScript =>
          (request) => {
            const result = answers.next().value
            open.set(url, (open.get(url) ?? 0) + 1)
            expect(open.get(url), 'requests open at one tracker').toBe(1)
            if (result !== 'silence') {
              open.set(url, 0)
              const event = `${url} ${request.event}`
              if (result.ok && request.event) taken.set(event, (taken.get(event) ?? 0) + 1)
              if (request.event === 'stopped') expect(taken.get(`${url} started`)).toBe(1)
            }
            return result
          }
        const urls = Array.from({ length: count }, (_, i) => `t${i}`)
        const world = new World(Object.fromEntries(urls.map((url) => [url, script(url)]))).start()
        for (const { kind, span } of steps) {
          if (kind === 'completed') world.give({ kind: 'completed' })
          if (kind === 'peers') world.isShort = span % 2 === 0
          world.run(world.nowSeconds + span)
        }
        const stopAt = world.nowSeconds
        world.stop().run(stopAt + 10)
        expect(world.stoppedAtSeconds).toBeLessThanOrEqual(stopAt + 4)
        expect(Math.max(0, ...taken.values())).toBeLessThanOrEqual(1)
      },
    ),
  )
})
