import { beforeEach, describe, expect, test } from 'vitest'
import { Bitfield } from '../base/bitfield.ts'
import { LIMITS } from '../base/limits.ts'
import { type Instant, seconds } from '../base/time.ts'
import type { SwarmEvent } from './events.ts'
import { TrackerExtension, type TrackerExtensionOptions } from './tracker-extension.ts'

const URL = 'http://tracker.example/announce'
const PIECES = 2000
const DEAD = { host: '10.0.0.9', port: 9 }

interface Call {
  at: number
  id: number
  path: string
  // biome-ignore lint/suspicious/noExplicitAny: JSON
  body: any
}

/** A download and what it says to trackers, in virtual time. A call is answered as `answer` says, at once. */
class Download {
  have = new Bitfield(PIECES)
  isDownloading = true
  now = 0
  readonly calls: Call[] = []
  readonly events: SwarmEvent[] = []
  readonly located: unknown[] = []
  answer: ((call: Call) => unknown) | undefined = () => ({ accepted: true })
  readonly extension: TrackerExtension

  constructor(options: Partial<TrackerExtensionOptions> = {}) {
    this.extension = new TrackerExtension(
      {
        infoHash: new Uint8Array(20).fill(1),
        peerId: new Uint8Array(20).fill(2),
        port: 6881,
        registerEverySeconds: 1,
        refreshesLocations: false,
        ...options,
      },
      { have: () => this.have, isDownloading: () => this.isDownloading },
    )
  }

  announce(api: string | null = '/api/v1', peers = [DEAD], url = URL): this {
    this.extension.announced(this.at, { url, api: api ?? undefined, peers, from: 'global' })
    return this.settle()
  }

  get(...pieces: number[]): this {
    for (const piece of pieces) {
      this.have.set(piece)
      this.extension.piecesChanged(this.at, false)
    }
    return this.settle()
  }

  until(to: number): this {
    for (;;) {
      const next = this.extension.nextTimeout()
      if (next === undefined || next > seconds(to)) break
      this.now = Math.max(this.now, next)
      this.extension.run(this.at)
      this.settle()
    }
    this.now = seconds(to)
    return this
  }

  get at(): Instant {
    return this.now as Instant
  }

  paths(path: string): Call[] {
    return this.calls.filter((call) => call.path.startsWith(`/api/v1/${path}`))
  }

  settle(): this {
    for (let output = this.extension.poll(); output !== undefined; output = this.extension.poll()) {
      if (output.kind === 'event') this.events.push(output.event)
      else if (output.kind === 'located') this.located.push(...output.peers)
      else {
        const { path, body } = output.call
        const call = { at: this.now / 1e6, id: output.id, path, body }
        this.calls.push(call)
        const value = this.answer?.(call)
        if (value !== undefined) this.reply(call.id, value)
      }
    }
    return this
  }

  reply(id: number, value: unknown): void {
    const fault = { code: 'tracker/timeout', message: 'late' }
    this.extension.called(this.at, id, value === 'fails' ? { ok: false, error: fault } : { ok: true, value })
  }
}

function piecesOf(calls: readonly Call[]): number[] {
  const pieces = new Set<number>()
  for (const { body } of calls)
    for (const [first, last] of body.have) for (let piece = first; piece <= last; piece++) pieces.add(piece)
  return [...pieces].sort((a, b) => a - b)
}

let download: Download
beforeEach(() => {
  download = new Download()
})

describe('pieces', () => {
  test('are told in ranges, at most once a second, and all of them', () => {
    download.announce().until(5)
    for (let i = 0; i < 500; i++) download.until(5 + i * 0.006).get(i * 2)
    download.isDownloading = false
    download.until(20)
    const calls = download.paths('have')
    expect(calls.length).toBeLessThanOrEqual(4)
    for (const [i, { at }] of calls.entries())
      if (i > 0) expect(at - calls[i - 1]!.at).toBeGreaterThanOrEqual(1)
    expect(piecesOf(calls)).toEqual(Array.from({ length: 500 }, (_, i) => i * 2))
    expect(download.events.at(-1)).toMatchObject({ event: 'registered', pieces: 500, total: PIECES })
  })

  test('neighbours are one range, and those that were told are not told again', () => {
    download.announce().get(3, 4, 5).until(2).get(6, 9).until(4)
    expect(download.paths('have').map(({ body }) => [body.have, body.replace])).toEqual([
      [[[3, 5]], true],
      [
        [
          [6, 6],
          [9, 9],
        ],
        undefined,
      ],
    ])
  })

  test('what is there at the start is told too; by a seed nothing', () => {
    download.get(1, 2).announce().until(3)
    expect(piecesOf(download.paths('have'))).toEqual([1, 2])
    const seed = new Download()
    seed.isDownloading = false
    seed.have.fill()
    seed.announce().until(10)
    expect(seed.calls).toEqual([])
  })

  test('after a failure, and to a tracker that forgot us, everything is told again', () => {
    download.announce().get(1).until(2)
    let fails = 1
    download.answer = () => (fails-- > 0 ? 'fails' : { accepted: true })
    download.get(2).until(10)
    expect(download.paths('have').at(-1)!.body).toMatchObject({ have: [[1, 2]], replace: true })
    let forgets = 1
    download.answer = () => ({ accepted: forgets-- <= 0 })
    download.get(4).until(20)
    expect(download.paths('have').at(-1)!.body).toMatchObject({
      have: [
        [1, 2],
        [4, 4],
      ],
      replace: true,
    })
  })

  test('a tracker that never takes them is asked ever less often', () => {
    download.answer = () => 'fails'
    download.announce().get(1).until(600)
    expect(download.calls.length).toBeGreaterThan(5)
    expect(download.calls.length).toBeLessThan(20)
  })

  test('pieces that were lost on disk are taken back', () => {
    download.announce().get(1, 2, 3).until(2)
    download.have.clear(2)
    download.extension.piecesChanged(download.at, true)
    download.until(5)
    expect(download.paths('have').at(-1)!.body).toMatchObject({
      have: [
        [1, 1],
        [3, 3],
      ],
      replace: true,
    })
  })

  test('more ranges than fit one call come with the next', () => {
    const scattered = Array.from({ length: 900 }, (_, i) => i * 2)
    download
      .announce()
      .get(...scattered)
      .until(5)
    const calls = download.paths('have')
    for (const { body } of calls)
      expect(body.have.length).toBeLessThanOrEqual(LIMITS.registeredRangesMax.value)
    expect(piecesOf(calls)).toEqual(scattered)
  })

  test('the last ones are told at once when it ends', () => {
    download.announce().get(1)
    download.extension.flush(download.at)
    download.settle()
    expect(piecesOf(download.paths('have'))).toEqual([1])
  })

  test('nothing is told to other trackers, nor when it is switched off', () => {
    download.announce(null).get(1).until(10)
    expect(download.calls).toEqual([])
    const silent = new Download({ registerEverySeconds: undefined })
    silent.announce().get(1).until(10)
    silent.extension.flush(silent.at)
    expect(silent.settle().calls).toEqual([])
  })

  test('no more trackers are kept than the limit, and one that stops offering it is left alone', () => {
    for (let i = 0; i < 10; i++) download.announce('/api/v1', [], `http://t${i}.example/announce`)
    download.get(1).until(3)
    expect(download.paths('have')).toHaveLength(LIMITS.extendedTrackersMax.value)
    for (let i = 0; i < 10; i++) download.announce(null, [], `http://t${i}.example/announce`)
    download.get(2).until(6)
    expect(download.paths('have')).toHaveLength(LIMITS.extendedTrackersMax.value)
  })
})

describe('peers that do not answer', () => {
  const dialled = (...ports: number[]) => {
    for (const port of ports) download.extension.unanswered({ ...DEAD, port })
    download.settle()
  }

  test('are reported once, to the tracker that named them', () => {
    download.announce()
    dialled(9, 9)
    download.announce()
    dialled(9)
    expect(download.paths('report').map(({ body }) => body)).toEqual([
      {
        info_hash: '01'.repeat(20),
        ip: '10.0.0.9',
        port: 9,
        peer_id: '02'.repeat(20),
        peer_port: 6881,
      },
    ])
    expect(download.events).toContainEqual({ event: 'reported', tracker: URL, address: '10.0.0.9:9' })
  })

  test('again after they have answered', () => {
    download.announce()
    dialled(9)
    download.extension.answered(DEAD)
    dialled(9)
    expect(download.paths('report')).toHaveLength(2)
  })

  test('not when the tracker did not name them', () => {
    download.announce()
    dialled(10)
    expect(download.calls).toEqual([])
  })

  test('one after the other, and no more wait than a few', () => {
    const many = Array.from({ length: 500 }, (_, i) => ({ ...DEAD, port: 1 + i }))
    download.answer = undefined
    download.announce('/api/v1', many)
    dialled(...many.map(({ port }) => port))
    expect(download.calls).toHaveLength(1)
    for (let i = 0; i < download.calls.length; i++) {
      download.reply(download.calls[i]!.id, 'fails')
      download.settle()
    }
    expect(download.calls.length).toBeLessThan(100)
  })
})

describe('locations', () => {
  beforeEach(() => {
    download = new Download({ refreshesLocations: true })
    download.answer = () => ({
      peers: [
        { ip: '10.0.0.1', port: 1, have: 'unknown' },
        { ip: '10.0.0.2', port: 2, have: [[0, 3]] },
        { ip: 'example.org', port: 3 },
        { ip: '10.0.0.3', port: 70_000 },
        7,
        null,
      ],
    })
  })

  test('are asked for with each announce, while it downloads', () => {
    download.announce().announce()
    download.isDownloading = false
    download.announce()
    expect(download.paths('locations')).toHaveLength(2)
    expect(download.events).toContainEqual({ event: 'locations-refreshed', tracker: URL, sources: 2 })
    expect(download.located).toContainEqual({ host: '10.0.0.2', port: 2 })
  })

  test('of another tracker are the peers it lists', () => {
    download.announce(null, [DEAD, { ...DEAD, port: 10 }])
    expect(download.calls).toEqual([])
    expect(download.events).toEqual([{ event: 'locations-refreshed', tracker: URL, sources: 2 }])
  })

  test.for([7, null, 'x', {}, { peers: 7 }, 'fails'])('an answer like %j does no harm', (answer) => {
    download.answer = () => answer
    download.announce()
    expect(download.located).toEqual([])
  })
})
