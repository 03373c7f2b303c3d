/**
 * Web seeds (BEP 19) in virtual time: servers played by the test answer what the machine asks, byte range by
 * byte range, honestly or not. What is on HTTP itself is in src/nodejs/web-seed-fetch.test.ts.
 */
import { expect, test } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { PieceBuffers } from '../../src/swarm/piece-buffers.ts'
import { torrentStatus } from '../../src/swarm/torrent-status.ts'
import type { WebRangeNews } from '../../src/swarm/web-seeds.ts'
import type { RangeRequest } from '../../src/wire/range-request.ts'
import type { WebSeedFault } from '../../src/wire/web-seed-reply.ts'
import { type Content, OneClient } from './one-client.ts'
import { content, metainfoOf } from './small-world.ts'

const PIECE = 64 * 1024
const URL = 'http://w/content'

/** A server: gives the bytes it was asked for, or what is wrong. */
type Serve = (request: RangeRequest, count: number) => Uint8Array | WebSeedFault

function torrentOf(length: number, lengths: number[] = [length]): Content {
  const bytes = content(length)
  const metainfo = metainfoOf(bytes, PIECE)
  if (lengths.length === 1) return { metainfo, bytes }
  let offset = 0
  const files = lengths.map((fileLength, index) => {
    const file = { ...metainfo.files[0]!, path: [`f${index}`], length: fileLength, offset }
    offset += fileLength
    return file
  })
  return { bytes, metainfo: { ...metainfo, files, isSingleFile: false } }
}

class Stage {
  readonly one: OneClient
  readonly torrent: Content
  readonly requests: RangeRequest[] = []
  readonly events: SwarmEvent[] = []
  /** Each answer comes in fragments of this size. */
  fragment = 10_000
  /** Waiting to be served, by range. */
  readonly open = new Map<number, { request: RangeRequest; sent: number; isPaused: boolean }>()
  openMax = 0
  serve: Serve = (request) => this.right(request)
  #seen = 0

  constructor(
    torrent: Content,
    options: ConstructorParameters<typeof OneClient>[1] = {},
    client: ConstructorParameters<typeof OneClient>[2] = {},
  ) {
    this.torrent = torrent
    const webSeeds = { urls: [URL], scopeMin: 'machine' as const }
    this.one = new OneClient(torrent, { webSeeds, ...options }, client)
    this.look()
  }

  /** The right bytes. */
  right({ url, offset, length }: RangeRequest): Uint8Array {
    const { files, isSingleFile } = this.torrent.metainfo
    const file = files.find(({ path }) => isSingleFile || url.endsWith(`/${path[0]}`))!
    return this.torrent.bytes.subarray(file.offset + offset, file.offset + offset + length)
  }

  look(): void {
    const { outputs } = this.one
    for (; this.#seen < outputs.length; this.#seen++) {
      const output = outputs[this.#seen]!
      if (output.kind === 'event') this.events.push(output.event)
      if (output.kind === 'fetch-range') {
        this.requests.push(output.request)
        this.open.set(output.range, { request: output.request, sent: 0, isPaused: false })
        this.openMax = Math.max(this.openMax, this.open.size)
      }
      if (output.kind !== 'steer-range') continue
      const fetch = this.open.get(output.range)
      if (output.to === 'cancel') this.open.delete(output.range)
      else if (fetch !== undefined) fetch.isPaused = output.to === 'pause'
    }
  }

  /** One fragment, or end, of every request that is open. */
  step(): void {
    for (const [range, fetch] of [...this.open]) {
      if (this.open.get(range) !== fetch || fetch.isPaused) continue
      const answer = this.serve(fetch.request, this.requests.indexOf(fetch.request))
      const isFault = !(answer instanceof Uint8Array)
      if (isFault || fetch.sent >= answer.length) {
        this.open.delete(range)
        this.tell(range, { kind: 'ended', fault: isFault ? answer : undefined })
        continue
      }
      const bytes = answer.subarray(fetch.sent, fetch.sent + this.fragment)
      fetch.sent += bytes.length
      this.tell(range, { kind: 'data', bytes })
    }
  }

  tell(range: number, news: WebRangeNews): void {
    this.one.input({ kind: 'web-range', torrent: 1, range, news })
    this.look()
  }

  run(secondsMax: number, until: () => boolean = () => this.one.torrent.isComplete): boolean {
    for (let i = 0; i < secondsMax * 20 && !until(); i++) {
      this.step()
      this.one.pass(0.05)
      this.look()
    }
    return until()
  }

  event<N extends SwarmEvent['event']>(name: N): Extract<SwarmEvent, { event: N }>[] {
    return this.events.filter((event) => event.event === name) as Extract<SwarmEvent, { event: N }>[]
  }
}

test('without any peer a web seed gives everything, in few long requests, two at a time', () => {
  const stage = new Stage(torrentOf(100 * PIECE + 777), { order: 'rarest' })
  expect(stage.run(120)).toBe(true)
  expect(stage.openMax).toBe(LIMITS.webSeedConnectionsPerSeedMax.value)
  expect(stage.requests.length).toBeLessThan(20)
  const asked = stage.requests.reduce((sum, { length }) => sum + length, 0)
  expect(asked).toBe(stage.torrent.bytes.length)
  expect(new Set(stage.event('piece-verified').map(({ from }) => from))).toEqual(new Set([URL]))
  expect(stage.one.torrent.core.pieces.gathering.size).toBe(0)
})

test('several files, with pieces across them, and padding that is never asked for', () => {
  const lengths = [PIECE + 100, 5, 0, 2 * PIECE, 40_000, 70_000]
  const torrent = torrentOf(
    lengths.reduce((sum, length) => sum + length),
    lengths,
  )
  const { files } = torrent.metainfo
  // The fifth file is padding: zeros that nobody has.
  const pad = files[4]!
  torrent.bytes.fill(0, pad.offset, pad.offset + pad.length)
  const { pieceHashesV1 } = metainfoOf(torrent.bytes, PIECE)
  const padded = files.map((file) => (file === pad ? { ...file, isPad: true } : file))
  const stage = new Stage({ ...torrent, metainfo: { ...torrent.metainfo, pieceHashesV1, files: padded } })
  expect(stage.run(60)).toBe(true)
  const names = new Set(stage.requests.map(({ url }) => url))
  expect(names).toEqual(new Set([0, 1, 3, 5].map((index) => `${URL}/content/f${index}`)))
  expect(stage.event('piece-failed')).toEqual([])
})

test('bytes in fragments of any size land where they belong', () => {
  const stage = new Stage(torrentOf(5 * PIECE + 1))
  stage.fragment = 7777
  expect(stage.run(60)).toBe(true)
  expect(stage.event('piece-failed')).toEqual([])
})

test('the web seed stops in the middle of a piece: a peer that comes finishes everything', () => {
  const stage = new Stage(torrentOf(20 * PIECE))
  stage.run(10, () => stage.one.torrent.core.pieces.have.count >= 4)
  stage.serve = () => ({ code: 'web-seed/unreachable', message: 'gone' })
  stage.run(2, () => stage.open.size === 0)
  const before = stage.one.torrent.core.pieces.have.count
  expect(before).toBeLessThan(20)
  const peer = stage.one.seed(stage.torrent)
  stage.one.serve(peer, 20)
  stage.look()
  expect(stage.one.torrent.isComplete).toBe(true)
  expect(stage.event('web-seed-waits')[0]).toMatchObject({
    url: URL,
    code: 'web-seed/unreachable',
    seconds: 5,
  })
})

test('a peer leaves in the middle of its pieces: the web seed finishes them without fetching all again', () => {
  const stage = new Stage(torrentOf(6 * PIECE), { webSeeds: { urls: [URL], scopeMin: 'machine' } })
  stage.serve = () => ({ code: 'web-seed/busy', message: 'later', retryAfterSeconds: 30 })
  stage.run(1)
  const peer = stage.one.seed(stage.torrent)
  stage.one.serve(peer, 0.05)
  stage.one.leave(peer)
  stage.serve = (request) => stage.right(request)
  expect(stage.run(60)).toBe(true)
  expect(stage.event('piece-failed')).toEqual([])
})

test('a server that breaks every connection after a while is asked for the rest', () => {
  const stage = new Stage(torrentOf(40 * PIECE))
  stage.serve = (request) => stage.right(request).subarray(0, 150_000)
  expect(stage.run(120)).toBe(true)
  expect(stage.event('web-seed-waits')).toEqual([])
})

test('a server that breaks every connection at once is asked less and less often', () => {
  const stage = new Stage(torrentOf(40 * PIECE))
  stage.serve = () => new Uint8Array(0)
  expect(stage.run(600)).toBe(false)
  expect(stage.requests.length).toBeLessThan(12)
  const waits = stage.event('web-seed-waits').map(({ seconds }) => seconds)
  expect(waits.slice(-3)).toEqual([...waits.slice(-3)].sort((a, b) => a - b))
  expect(stage.event('web-seed-waits')[0]!.code).toBe('web-seed/cut-off')
})

test('wrong data ends it after so many pieces, and what was wrong is not asked of it again', () => {
  const stage = new Stage(torrentOf(40 * PIECE))
  stage.serve = (request) => stage.right(request).map((byte) => byte ^ 1)
  expect(stage.run(60, () => stage.event('web-seed-dropped').length > 0)).toBe(true)
  expect(stage.event('web-seed-dropped')[0]).toMatchObject({ url: URL, code: 'web-seed/wrong-data' })
  stage.run(30)
  expect(stage.open.size).toBe(0)
  const failed = stage.event('piece-failed')
  expect(failed.length).toBeGreaterThanOrEqual(LIMITS.webSeedBadPiecesMax.value)
  expect(new Set(failed.map(({ piece }) => piece)).size).toBe(failed.length)
  expect(torrentStatus(stage.one.torrent, stage.one.now).webSeeds[0]).toMatchObject({ state: 'dropped' })
})

test('a second web seed makes good what the first spoils', () => {
  const urls = [URL, 'http://honest/content']
  const stage = new Stage(torrentOf(40 * PIECE), { webSeeds: { urls, scopeMin: 'machine' } })
  stage.serve = (request) => {
    const bytes = stage.right(request)
    return request.url === URL ? bytes.map((byte) => byte ^ 1) : bytes
  }
  expect(stage.run(120)).toBe(true)
  expect(stage.event('web-seed-dropped').map(({ url }) => url)).toEqual([URL])
})

test('a file that is not there is left alone, the others come', () => {
  const stage = new Stage(torrentOf(10 * PIECE, [3 * PIECE, 4 * PIECE, 3 * PIECE]))
  stage.serve = (request) =>
    request.url.endsWith('f1') ? { code: 'web-seed/file-missing', message: 'no' } : stage.right(request)
  expect(stage.run(60)).toBe(false)
  expect([...stage.one.torrent.core.pieces.have.ones()]).toEqual([0, 1, 2, 7, 8, 9])
  expect(stage.requests.filter(({ url }) => url.endsWith('f1')).length).toBeLessThanOrEqual(2)
  expect(stage.event('web-seed-dropped')).toEqual([])
  const peer = stage.one.seed(stage.torrent)
  stage.one.serve(peer, 10)
  expect(stage.one.torrent.isComplete).toBe(true)
})

test('a server without the content is dropped', () => {
  const stage = new Stage(torrentOf(10 * PIECE))
  stage.serve = () => ({ code: 'web-seed/file-missing', message: 'no' })
  expect(stage.run(60)).toBe(false)
  expect(stage.requests.length).toBeLessThanOrEqual(2)
  expect(stage.event('web-seed-dropped')).toHaveLength(1)
  expect(stage.one.torrent.core.pieces.gathering.size).toBe(0)
})

test.each(['web-seed/encoded', 'web-seed/wrong-range', 'web-seed/bad-redirect', 'web-seed/blocked-address'])(
  '%s ends it at once',
  (code) => {
    const stage = new Stage(torrentOf(40 * PIECE))
    stage.serve = () => ({ code, message: 'no' })
    stage.run(60)
    expect(stage.event('web-seed-dropped')).toEqual([
      { event: 'web-seed-dropped', url: URL, code, message: 'no' },
    ])
    expect(stage.requests.length).toBeLessThanOrEqual(2)
  },
)

test('a server that asks for patience gets it, up to an hour', () => {
  const stage = new Stage(torrentOf(2 * PIECE))
  stage.serve = (_request, count) =>
    count < 1 ? { code: 'web-seed/busy', message: 'later', retryAfterSeconds: 1e9 } : stage.right(_request)
  stage.run(3590)
  const count = stage.requests.length
  expect(stage.event('web-seed-waits')[0]!.seconds).toBe(3600)
  expect(stage.run(60)).toBe(true)
  expect(stage.requests.length).toBeGreaterThan(count)
})

test('a server that drips is given up after half a minute', () => {
  const stage = new Stage(torrentOf(40 * PIECE))
  stage.fragment = 1
  expect(stage.run(40, () => stage.event('web-seed-waits').length > 0)).toBe(true)
  expect(stage.event('web-seed-waits')[0]!.code).toBe('web-seed/too-slow')
  // Where nothing had come nothing is kept.
  const { gathering } = stage.one.torrent.core.pieces
  expect([...gathering.values()].filter(({ receivedCount }) => receivedCount === 0)).toEqual([])
})

test('the download limit holds: reading stops while the budget is used up', () => {
  const bytesPerSecond = 200_000
  const stage = new Stage(torrentOf(40 * PIECE), {}, { downloadBytesPerSecond: bytesPerSecond })
  const begin = stage.one.now
  expect(stage.run(60)).toBe(true)
  const rate = stage.torrent.bytes.length / ((stage.one.now - begin) / 1e6)
  expect(rate).toBeLessThan(bytesPerSecond * 1.1)
  expect(rate).toBeGreaterThan(bytesPerSecond * 0.7)
})

test('no more is asked than the pool of unverified bytes has room for', () => {
  const buffers = new PieceBuffers(3 * PIECE)
  const stage = new Stage(torrentOf(40 * PIECE), {}, { buffers })
  let most = 0
  stage.serve = (request) => {
    most = Math.max(most, buffers.reservedBytes)
    return stage.right(request)
  }
  expect(stage.run(120)).toBe(true)
  expect(most).toBeLessThanOrEqual(3 * PIECE)
})

test('who comes second to a block in the endgame does no harm', () => {
  const stage = new Stage(torrentOf(3 * PIECE))
  stage.fragment = 3000
  stage.run(0.3)
  const peer = stage.one.seed(stage.torrent)
  for (let i = 0; i < 200 && !stage.one.torrent.isComplete; i++) {
    stage.step()
    stage.one.serve(peer, 0.05)
    stage.look()
  }
  expect(stage.one.torrent.isComplete).toBe(true)
  expect(stage.event('piece-failed')).toEqual([])
})

test.each([2, 12])('with %i peers that serve us and have everything', (peerCount) => {
  const stage = new Stage(torrentOf(400 * PIECE), {}, { requestTimeoutSeconds: 1000 })
  stage.serve = () => ({ code: 'web-seed/busy', message: 'later' })
  stage.run(1)
  for (let i = 0; i < peerCount; i++) stage.one.seed(stage.torrent)
  stage.serve = (request) => stage.right(request)
  const before = stage.requests.length
  stage.run(12)
  // Many are enough, and the server is left alone.
  expect(stage.requests.length > before).toBe(peerCount < 10)
})

test('a stop cancels what is open', () => {
  const stage = new Stage(torrentOf(40 * PIECE))
  stage.step()
  expect(stage.open.size).toBeGreaterThan(0)
  stage.one.input({ kind: 'stop' })
  stage.look()
  expect(stage.open.size).toBe(0)
})
