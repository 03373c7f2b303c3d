/**
 * A hybrid torrent among peers that know it by its rebuilt infohash: who dials under it is
 * answered, who hangs up on the own one is dialled with the other, and a setting announces both.
 * Private torrents stay out of it.
 */
import { describe, expect, it } from 'vitest'
import { equalBytes, toHex } from '../../src/base/bytes.ts'
import { ok } from '../../src/base/result.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import type { DisconnectReason, SwarmEvent } from '../../src/swarm/events.ts'
import type { TorrentOptions } from '../../src/swarm/torrent-options.ts'
import { type Endpoint, formatEndpoint } from '../../src/wire/endpoint.ts'
import { decodeHandshake, encodeHandshake } from '../../src/wire/handshake.ts'
import { handshakeHash, parseMetainfo } from '../../src/wire/metainfo.ts'
import { rebuiltInfoHash } from '../../src/wire/rebuilt-infohash.ts'
import { type TrackerFault, trackerFailure } from '../../src/wire/tracker-announce.ts'
import { type FixtureOptions, torrentFixture } from '../kit/torrent-fixture.ts'
import { type Content, OneClient } from './one-client.ts'

const A = { host: '10.0.0.1', port: 1001 }
const B = { host: '10.0.0.2', port: 1002 }
const TRACKER = 'http://127.0.0.1:1/announce'

function made(options: FixtureOptions): Content {
  const { bytes } = torrentFixture(options)
  const metainfo = parseMetainfo(new Uint8Array(bytes), nodeCrypto)
  if (!metainfo.ok) throw new Error(metainfo.error.message)
  return { metainfo: metainfo.value, bytes: new Uint8Array(0) }
}

const HYBRID = made({ format: 'hybrid' })
const OTHER = made({ format: 'hybrid', name: 'other' })
const PRIVATE = made({ format: 'hybrid', private: true })
const V1 = made({ format: 'v1' })
const V2 = made({ format: 'v2' })

const own = ({ metainfo }: Content) => handshakeHash(metainfo)
const rebuilt = ({ metainfo }: Content) => rebuiltInfoHash(metainfo, nodeCrypto)!

/** What a handshake or announce names, in words. */
function named(infoHash: Uint8Array, content: Content): string {
  if (equalBytes(infoHash, own(content))) return 'own'
  return equalBytes(infoHash, rebuilt(content)) ? 'rebuilt' : toHex(infoHash)
}

class World extends OneClient {
  readonly content: Content
  /** Dials by address: which infohash each named, and at which second. */
  readonly dials: { to: string; named: string; at: number; connection: number }[] = []
  #incoming = 0

  constructor(content: Content, options: Partial<TorrentOptions> = {}) {
    super(content, options)
    this.content = content
  }

  get events(): SwarmEvent[] {
    return this.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
  }

  /** Announces so far: which infohash, and the event. */
  get announces() {
    return this.outputs.flatMap((output) =>
      output.kind === 'announce'
        ? [{ ...output, named: named(output.request.infoHash, this.content), event: output.request.event }]
        : [],
    )
  }

  meet(...peers: Endpoint[]): void {
    this.input({ kind: 'add-peers', torrent: 1, peers, source: 'manual' })
  }

  /** Somebody dials and names this infohash; what the answer names, or how it ends. */
  dialledUnder(infoHash: Uint8Array): string {
    const connection = -++this.#incoming
    this.input({ kind: 'incoming', connection, address: { host: '10.0.0.9', port: 900 + this.#incoming } })
    for (const output of this.receive(connection, handshakeOf(infoHash, this.#incoming))) {
      if (output.kind === 'close') return output.reason
      if (output.kind === 'send') return named(output.bytes.subarray(28, 48), this.content)
    }
    return 'nothing'
  }

  /** Lets time go by; the other side hangs up on handshakes that name what it does not know. */
  passAmong(secondsLong: number, knows: (address: string) => string, reason: DisconnectReason): void {
    const start = this.now
    for (let step = 0; step < secondsLong * 20; step++) {
      for (const output of this.outputs.splice(0)) {
        if (output.kind !== 'connect') continue
        const { connection, endpoint } = output
        const sent = this.input({ kind: 'connected', connection }).find((answer) => answer.kind === 'send')!
        const { infoHash } = mustDecode(sent.kind === 'send' ? sent.bytes : new Uint8Array(0))
        const to = formatEndpoint(endpoint)
        const at = (this.now - start) / 1e6
        this.dials.push({ to, named: named(infoHash, this.content), at, connection })
        if (knows(to) === this.dials.at(-1)!.named)
          this.receive(connection, handshakeOf(infoHash, endpoint.port))
        else this.input({ kind: 'closed', connection, reason })
      }
      this.pass(0.05)
    }
  }
}

function handshakeOf(infoHash: Uint8Array, peer: number): Uint8Array {
  const peerId = new Uint8Array(20).fill(peer)
  return encodeHandshake({
    infoHash,
    peerId,
    supportsExtensions: false,
    supportsFast: true,
    supportsV2: false,
  })
}

function mustDecode(bytes: Uint8Array) {
  const decoded = decodeHandshake(bytes.subarray(0, 68))
  if (!decoded.ok) throw new Error(decoded.error.message)
  return decoded.value
}

describe('a peer that dials under the rebuilt infohash', () => {
  it('is answered under it', () => {
    const world = new World(HYBRID)
    expect(world.dialledUnder(rebuilt(HYBRID))).toBe('rebuilt')
    expect(world.dialledUnder(own(HYBRID))).toBe('own')
    expect(world.torrent.core.sessions.size).toBe(2)
  })

  it('is sent away when the torrent is private', () => {
    const world = new World(PRIVATE)
    expect(world.dialledUnder(rebuilt(PRIVATE))).toBe('unknown-torrent')
    expect(world.dialledUnder(own(PRIVATE))).toBe('own')
  })

  it('meets the torrent whose own infohash that is, if there is one', () => {
    const world = new World(HYBRID)
    const impostor = { ...V1.metainfo, infoHashV1: rebuilt(OTHER) }
    world.add(2, { ...V1, metainfo: impostor })
    world.add(3, OTHER)
    world.dialledUnder(rebuilt(OTHER))
    expect(world.client.torrents.get(2)!.core.sessions.size).toBe(1)
    expect(world.client.torrents.get(3)!.core.sessions.size).toBe(0)
  })
})

describe('a peer that hangs up on our handshake', () => {
  it.each<DisconnectReason>(['remote-closed', 'connection-reset'])(
    'is dialled with the rebuilt infohash soon after, and from then on (%s)',
    (reason) => {
      const world = new World(HYBRID)
      world.meet(A)
      world.passAmong(3, () => 'rebuilt', reason)
      expect(world.dials.map((dial) => dial.named)).toEqual(['own', 'rebuilt'])
      expect(world.torrent.core.sessions.size).toBe(1)
      world.input({ kind: 'closed', connection: world.dials[1]!.connection, reason })
      world.passAmong(60, () => 'rebuilt', reason)
      expect(world.dials.slice(2).map((dial) => dial.named)).toEqual(['rebuilt'])
    },
  )

  it('is dialled early only once, then ever later, in turns', () => {
    const world = new World(HYBRID)
    world.meet(A)
    world.passAmong(300, () => 'nothing', 'remote-closed')
    expect(world.dials.map((dial) => dial.named).slice(0, 4)).toEqual(['own', 'rebuilt', 'own', 'rebuilt'])
    const waits = world.dials.slice(1).map((dial, i) => dial.at - world.dials[i]!.at)
    expect(waits[0]).toBeLessThan(2.5)
    for (const [i, wait] of waits.slice(1).entries()) expect(wait).toBeGreaterThan(3.7 * 2 ** i)
  })

  it('after it had answered is dialled as before', () => {
    const world = new World(HYBRID)
    world.meet(A)
    let knows = 'own'
    world.passAmong(1, () => knows, 'remote-closed')
    knows = 'nothing'
    world.input({ kind: 'closed', connection: world.dials[0]!.connection, reason: 'remote-closed' })
    world.passAmong(60, () => knows, 'remote-closed')
    expect(new Set(world.dials.map((dial) => dial.named))).toEqual(new Set(['own']))
    expect(world.dials.length).toBeGreaterThan(2)
  })

  it.each([
    ['a v1 torrent', V1],
    ['a v2 torrent', V2],
    ['a private one', PRIVATE],
  ])('is not dialled early for %s', (_, content) => {
    const world = new World(content)
    world.meet(A)
    world.passAmong(3, () => 'nothing', 'remote-closed')
    expect(world.dials).toHaveLength(1)
    world.passAmong(30, () => 'nothing', 'remote-closed')
    expect(world.dials.every((dial) => dial.named === 'own')).toBe(true)
  })

  it('is not dialled early when it could not be reached at all', () => {
    const world = new World(HYBRID)
    world.meet(A)
    const connect = world.outputs.find((output) => output.kind === 'connect')!
    if (connect.kind === 'connect')
      world.input({ kind: 'closed', connection: connect.connection, reason: 'connection-reset' })
    world.outputs.length = 0
    world.passAmong(3, () => 'own', 'remote-closed')
    expect(world.dials).toEqual([])
    world.passAmong(6, () => 'own', 'remote-closed')
    expect(world.dials.map((dial) => dial.named)).toEqual(['own'])
  })
})

describe('announces', () => {
  const ANNOUNCING = { announcesRebuilt: true, trackers: [[TRACKER]] }

  /** Answers the announces that are open, with these peers by which infohash they name. */
  function answer(world: World, peers: Record<string, Endpoint[]>, failing = ''): void {
    for (const output of world.outputs.splice(0)) {
      if (output.kind !== 'announce') continue
      const name = named(output.request.infoHash, world.content)
      const fault: TrackerFault = trackerFailure('no').error
      const result =
        name === failing
          ? { ok: false as const, error: fault }
          : ok({ intervalSeconds: 1800, peers: peers[name] ?? [] })
      world.input({ kind: 'announce-answered', torrent: 1, announce: output.announce, result })
    }
  }

  it('name the own infohash alone unless asked otherwise', () => {
    const world = new World(HYBRID, { trackers: [[TRACKER]] })
    expect(world.announces.map((announce) => announce.named)).toEqual(['own'])
  })

  it.each([
    ['v1', V1],
    ['v2', V2],
    ['private', PRIVATE],
  ])('of a torrent that is %s name its own infohash alone', (_, content) => {
    const world = new World(content, ANNOUNCING)
    expect(world.announces.map((announce) => announce.named)).toEqual(['own'])
  })

  it('name both when asked; each side brings peers, which are dialled under the infohash they came by', () => {
    const world = new World(HYBRID, ANNOUNCING)
    expect(world.announces.map((announce) => [announce.named, announce.event])).toEqual([
      ['own', 'started'],
      ['rebuilt', 'started'],
    ])
    expect(new Set(world.announces.map((announce) => announce.announce)).size).toBe(2)
    const connects: Endpoint[] = []
    answer(world, { own: [A], rebuilt: [B, A] })
    for (const output of world.outputs) if (output.kind === 'connect') connects.push(output.endpoint)
    expect(connects).toHaveLength(2)
    expect(world.events.filter((event) => event.event === 'announced')).toMatchObject([{ peers: 1 }])
    world.passAmong(1, (to) => (to === formatEndpoint(A) ? 'own' : 'rebuilt'), 'remote-closed')
    expect(world.torrent.core.sessions.size).toBe(2)
    expect(world.dials.map((dial) => dial.named).sort()).toEqual(['own', 'rebuilt'])
  })

  it('that fail under the rebuilt infohash are not told, and tried again', () => {
    const world = new World(HYBRID, ANNOUNCING)
    answer(world, {}, 'rebuilt')
    expect(world.events.map((event) => event.event)).toEqual(['announced'])
    world.outputs.length = 0
    world.pass(4)
    expect(world.announces.map((announce) => [announce.named, announce.event])).toContainEqual([
      'rebuilt',
      'started',
    ])
    expect(world.events.filter((event) => event.event === 'announce-failed')).toEqual([])
  })

  it('say completed under the own infohash only', () => {
    const world = new World(HYBRID, ANNOUNCING)
    answer(world, {})
    const { pieceCount } = world.torrent
    for (let piece = 0; piece < pieceCount; piece++) world.torrent.core.pieces.markHave(piece)
    world.torrent.announcer.handle(world.now, { kind: 'completed' })
    world.pass(1)
    expect(world.announces.map((announce) => [announce.named, announce.event])).toEqual([
      ['own', 'completed'],
    ])
  })

  it.each(['own', 'rebuilt'])('of both are over before the client has stopped; %s answers last', (last) => {
    const world = new World(HYBRID, ANNOUNCING)
    answer(world, {})
    world.input({ kind: 'stop' })
    const leaving = world.announces
    expect(leaving.map((announce) => [announce.named, announce.event])).toEqual([
      ['own', 'stopped'],
      ['rebuilt', 'stopped'],
    ])
    const inTurn = last === 'own' ? [...leaving].reverse() : leaving
    const stopped = inTurn.map(({ announce }) => {
      const result = ok({ intervalSeconds: 1800, peers: [] })
      const outputs = world.input({ kind: 'announce-answered', torrent: 1, announce, result })
      return outputs.some((output) => output.kind === 'stopped')
    })
    expect(stopped).toEqual([false, true])
  })
})
