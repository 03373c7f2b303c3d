/**
 * Encryption between swarm machines in virtual time: which settings meet and how, what goes over the wire
 * then, how peers that hang up are dialled again, and what hostile dialers get.
 */
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/base/bytes.ts'
import { LIMITS } from '../../src/base/limits.ts'
import { Prng } from '../../src/base/prng.ts'
import { seconds } from '../../src/base/time.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import type { SwarmOutput } from '../../src/swarm/effects.ts'
import type { DisconnectReason } from '../../src/swarm/events.ts'
import type { EncryptionMode } from '../../src/swarm/stream-encryption.ts'
import { decodeHandshake, encodeHandshake, isHandshakeStart } from '../../src/wire/handshake.ts'
import { handshakeHash, parseMetainfo } from '../../src/wire/metainfo.ts'
import { MESSAGE, MessageWriter } from '../../src/wire/peer-messages.ts'
import { type Agreed, MseAnswerer, MseDialler } from '../kit/mse-peer.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'
import { type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf, type Peer, SmallWorld } from './small-world.ts'

const PIECE = 4 * BLOCK
const BYTES = content(6 * PIECE + 5000)
const METAINFO = metainfoOf(BYTES, PIECE)
const ALL = Array.from({ length: METAINFO.pieceCount }, (_, piece) => piece)
const INFO_HASH = METAINFO.infoHashV1!

function options(mode: EncryptionMode, seed = 1) {
  const prng = new Prng(seed)
  return { encryption: { mode, random: (length: number) => prng.bytes(length) } }
}

/** Pieces of a swarm of two: who dials has nothing, who is dialled has everything. */
function pair(dialling: EncryptionMode, dialled: EncryptionMode, seed = 1) {
  const world = new SmallWorld(METAINFO, BYTES, seed)
  const [seen, sample] = [{ hello: 0, content: 0 }, BYTES.subarray(PIECE, PIECE + 64)]
  world.onSend = (_, bytes) => {
    if (bytes.length >= 20 && isHandshakeStart(bytes)) seen.hello++
    if (Buffer.from(bytes).includes(Buffer.from(sample))) seen.content++
  }
  const origin = world.add({ pieces: ALL, client: options(dialled, 2 * seed) })
  const leecher = world.add({ client: options(dialling, 2 * seed + 1) })
  world.introduce(leecher, origin)
  return { world, origin, leecher, seen }
}

function isWhole(peer: Peer): boolean {
  return ALL.every((piece) => {
    const stored = peer.disk.get(piece)
    return stored !== undefined && equalBytes(stored, BYTES.subarray(piece * PIECE, (piece + 1) * PIECE))
  })
}

describe.each([1, 2, 3])('two peers (seed %i)', (seed) => {
  it.each<[EncryptionMode, EncryptionMode]>([
    ['off', 'off'],
    ['off', 'prefer'],
    ['prefer', 'off'],
    ['prefer', 'prefer'],
  ])('%s and %s: plain, from the first byte on', (dialling, dialled) => {
    const { world, leecher, seen } = pair(dialling, dialled, seed)
    expect(world.runUntil(() => leecher.torrent.isComplete, 2)).toBe(true)
    expect(isWhole(leecher)).toBe(true)
    expect(seen.hello).toBe(2)
    expect(seen.content).toBeGreaterThan(0)
  })

  it.each<[EncryptionMode, EncryptionMode, number]>([
    ['require', 'prefer', 0],
    ['require', 'require', 0],
    ['prefer', 'require', 1],
  ])('%s and %s: encrypted, after %i plain tries', (dialling, dialled, plainTries) => {
    const { world, leecher, seen } = pair(dialling, dialled, seed)
    expect(world.runUntil(() => leecher.torrent.isComplete, 4)).toBe(true)
    expect(isWhole(leecher)).toBe(true)
    expect(seen).toEqual({ hello: plainTries, content: 0 })
  })

  it.each<[EncryptionMode, EncryptionMode]>([
    ['off', 'require'],
    ['require', 'off'],
  ])('%s and %s never meet', (dialling, dialled) => {
    const { world, leecher, origin, seen } = pair(dialling, dialled, seed)
    expect(world.runUntil(() => leecher.torrent.core.sessions.size > 0, 60)).toBe(false)
    expect(origin.torrent.core.sessions.size).toBe(0)
    expect(seen.content).toBe(0)
    expect(seen.hello === 0).toBe(dialling === 'require')
  })
})

describe('a swarm of all settings that can meet', () => {
  it.each([1, 2, 3])('carries everything to everybody (seed %i)', (seed) => {
    const world = new SmallWorld(METAINFO, BYTES, seed)
    const origin = world.add({ pieces: ALL, client: options('prefer', 50) })
    const modes: EncryptionMode[] = ['require', 'off', 'prefer', 'require', 'off']
    const leechers = modes.map((mode, i) => world.add({ client: options(mode, i) }))
    for (const [i, peer] of leechers.entries())
      for (const other of [origin, ...leechers.slice(0, i)]) world.introduce(peer, other)
    expect(world.runUntil(() => leechers.every((peer) => peer.torrent.isComplete), 60)).toBe(true)
    expect(leechers.every(isWhole)).toBe(true)
  })
})

// One machine; the test plays the others.

const A = { host: '10.0.0.1', port: 1001 }
const SMALL: Content = { metainfo: METAINFO, bytes: BYTES }

function helloOf(infoHash: Uint8Array, peer = 9): Uint8Array {
  const peerId = new Uint8Array(20).fill(peer)
  return encodeHandshake({
    infoHash,
    peerId,
    supportsExtensions: false,
    supportsFast: true,
    supportsV2: false,
  })
}

function said(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter()
  write(writer)
  return writer.take()
}

function sentTo(connection: number, outputs: readonly SwarmOutput[]): Buffer {
  return Buffer.concat(
    outputs.flatMap((output) =>
      output.kind === 'send' && output.connection === connection ? [output.bytes] : [],
    ),
  )
}

function closeOf(connection: number, outputs: readonly SwarmOutput[]): DisconnectReason | undefined {
  for (const output of outputs)
    if (output.kind === 'close' && output.connection === connection) return output.reason
  return undefined
}

interface Dial {
  readonly how: string
  readonly at: number
  readonly connection: number
}

/** Dials of one address, and how each said hello: `plain` or `encrypted`, `own` or `rebuilt`. */
class Dialled extends OneClient {
  readonly dials: Dial[] = []

  /** Lets time go by; answers dials as `answer` says, or hangs up on them. */
  passAnswering(
    secondsLong: number,
    answer: (how: string) => 'answer' | 'hang-up' | 'silence',
    infoHashes: Record<string, Uint8Array>,
  ): void {
    for (let step = 0; step < secondsLong * 20; step++) {
      for (const output of this.outputs.splice(0))
        if (output.kind === 'connect') this.#dialled(output.connection, answer, infoHashes)
      this.pass(0.05)
    }
  }

  #dialled(
    connection: number,
    answer: (how: string) => 'answer' | 'hang-up' | 'silence',
    infoHashes: Record<string, Uint8Array>,
  ): void {
    const first = sentTo(connection, this.input({ kind: 'connected', connection }))
    const plain = decodeHandshake(first.subarray(0, 68))
    let how = ''
    let hello = Buffer.alloc(0)
    if (plain.ok) {
      const { infoHash } = plain.value
      const name = Object.keys(infoHashes).find((key) => equalBytes(infoHashes[key]!, infoHash))
      how = `plain ${name}`
      hello = Buffer.from(helloOf(infoHash))
    } else [how, hello] = this.#answered(connection, first, infoHashes)
    this.dials.push({ how, at: this.now, connection })
    const action = answer(how)
    if (action === 'answer') this.receive(connection, new Uint8Array(hello))
    else if (action === 'hang-up') this.input({ kind: 'closed', connection, reason: 'remote-closed' })
  }

  /** Which torrent an encrypted dial names, and what to answer. */
  #answered(
    connection: number,
    first: Buffer,
    infoHashes: Record<string, Uint8Array>,
  ): [string, Buffer<ArrayBuffer>] {
    const [any] = Object.values(infoHashes)
    const key = new MseAnswerer({ infoHash: any! })
    const offer = Buffer.concat([
      first,
      sentTo(connection, this.receive(connection, new Uint8Array(key.hello()))),
    ])
    for (const [name, infoHash] of Object.entries(infoHashes)) {
      try {
        Object.assign(key, { options: { infoHash, methods: 2 } })
        const { bytes, agreed } = key.answer(offer)!
        return [`encrypted ${name}`, Buffer.concat([bytes, agreed.encrypt(helloOf(infoHash))])]
      } catch {
        // another torrent
      }
    }
    throw new Error('the dial names no torrent')
  }

  get gaps(): number[] {
    return this.dials.slice(1).map((dial, i) => (dial.at - this.dials[i]!.at) / seconds(1))
  }
}

describe('a peer that hangs up', () => {
  const OWN = { own: INFO_HASH }

  function dialling(mode: EncryptionMode, from: Content = SMALL): Dialled {
    const world = new Dialled(from, {}, options(mode))
    world.input({ kind: 'add-peers', torrent: 1, peers: [A], source: 'manual' })
    return world
  }

  it('on plain handshakes is dialled encrypted soon after, and from then on', () => {
    const world = dialling('prefer')
    const encryptedOnly = (how: string) => (how.startsWith('plain') ? 'hang-up' : 'answer')
    world.passAnswering(3, encryptedOnly, OWN)
    expect(world.dials.map(({ how }) => how)).toEqual(['plain own', 'encrypted own'])
    expect(world.torrent.core.sessions.size).toBe(1)
    world.leave(world.dials[1]!.connection)
    world.passAnswering(30, encryptedOnly, OWN)
    expect(world.dials.map(({ how }) => how).slice(2)).toEqual(['encrypted own'])
  })

  it('on everything is dialled early only once, then ever later, in turns', () => {
    const world = dialling('prefer')
    world.passAnswering(200, () => 'hang-up', OWN)
    const hows = world.dials.map(({ how }) => how)
    expect(hows.slice(0, 4)).toEqual(['plain own', 'encrypted own', 'plain own', 'encrypted own'])
    expect(world.gaps[0]).toBeLessThan(2.5)
    // both ways together are one failure
    expect(world.gaps[1]).toBeLessThan(7)
    for (const [i, gap] of world.gaps.slice(1).entries()) expect(gap).toBeGreaterThan(3.7 * 2 ** i)
  })

  it('after it was started anew with another setting is met again', () => {
    const world = dialling('prefer')
    world.passAnswering(2, () => 'answer', OWN)
    world.leave(world.dials[0]!.connection)
    world.passAnswering(60, (how) => (how.startsWith('plain') ? 'hang-up' : 'answer'), OWN)
    expect(world.dials.map(({ how }) => how)).toEqual(['plain own', 'plain own', 'encrypted own'])
  })

  it('or lets an encrypted hello lie is dialled plain the next time', () => {
    const world = dialling('prefer')
    let plainCount = 0
    const answer = (how: string) => {
      if (how.startsWith('encrypted')) return 'silence'
      return ++plainCount === 1 ? 'hang-up' : 'answer'
    }
    world.passAnswering(60, answer, OWN)
    expect(world.dials.map(({ how }) => how)).toEqual(['plain own', 'encrypted own', 'plain own'])
    expect(world.torrent.core.sessions.size).toBe(1)
  })

  it('with a hybrid torrent is tried by both infohashes, with and without encryption', () => {
    const metainfo = parseMetainfo(new Uint8Array(torrentFixture({ format: 'hybrid' }).bytes), nodeCrypto)
    if (!metainfo.ok) throw new Error(metainfo.error.message)
    const world = dialling('prefer', { metainfo: metainfo.value, bytes: new Uint8Array(0) })
    const both = { own: handshakeHash(metainfo.value), rebuilt: world.torrent.rebuiltInfoHash! }
    world.passAnswering(30, (how) => (how === 'encrypted rebuilt' ? 'answer' : 'hang-up'), both)
    expect(world.dials.map(({ how }) => how)).toEqual([
      'plain own',
      'encrypted own',
      'plain rebuilt',
      'encrypted rebuilt',
    ])
    for (const gap of world.gaps) expect(gap).toBeLessThan(2.5)
  })

  it.each<[EncryptionMode, string]>([
    ['off', 'plain own'],
    ['require', 'encrypted own'],
  ])('is never dialled another way with %s', (mode, how) => {
    const world = dialling(mode)
    world.passAnswering(100, () => 'hang-up', OWN)
    expect(new Set(world.dials.map((dial) => dial.how))).toEqual(new Set([how]))
    expect(world.gaps[0]).toBeGreaterThan(3)
  })
})

it('with many addresses that hang up, no more encrypted dials are made in a second than the limit says', () => {
  const { value: max } = LIMITS.keyAgreementsPerSecondMax
  const world = new OneClient(SMALL, {}, options('require'))
  const peers = Array.from({ length: 3 * max }, (_, i) => ({ host: '10.0.1.1', port: i + 1 }))
  world.input({ kind: 'add-peers', torrent: 1, peers, source: 'manual' })
  const dialled = new Set<number>()
  const hangUp = () => {
    for (let outputs = world.outputs.splice(0); outputs.length > 0; outputs = world.outputs.splice(0))
      for (const output of outputs)
        if (output.kind === 'connect') {
          dialled.add(output.endpoint.port)
          world.input({ kind: 'connected', connection: output.connection })
          world.input({ kind: 'closed', connection: output.connection, reason: 'remote-closed' })
        }
  }
  for (let i = 0; i < 9; i++) {
    hangUp()
    world.pass(0.1)
  }
  // The budget for dials of all kinds lets fewer through.
  expect(dialled.size).toBeGreaterThan(20)
  expect(dialled.size).toBeLessThanOrEqual(max + LIMITS.halfOpenMax.value)
  for (let i = 0; i < 150; i++) {
    hangUp()
    world.pass(0.1)
  }
  expect(dialled.size).toBe(peers.length)
})

describe('somebody who dials encrypted', () => {
  /** Goes through the handshake; gives the connection and its ciphers. */
  function meet(world: OneClient, connection: number, after: Uint8Array, infoHash = INFO_HASH): Agreed {
    world.input({ kind: 'incoming', connection, address: { host: '10.0.0.9', port: 900 - connection } })
    const dialler = new MseDialler({ infoHash, methods: 2, pad: new Uint8Array(33).fill(3) })
    const first = sentTo(connection, world.receive(connection, new Uint8Array(dialler.hello())))
    const outputs = world.receive(connection, new Uint8Array(dialler.offer(first, helloOf(infoHash))!))
    const agreed = dialler.agreed(Buffer.concat([first, sentTo(connection, outputs)]))!
    world.receive(connection, new Uint8Array(agreed.encrypt(after)))
    return agreed
  }

  it('is answered by an encrypted handshake and messages', () => {
    const world = new OneClient(SMALL, {}, options('prefer'), ALL)
    const { received } = meet(world, -1, new Uint8Array(0))
    const hello = decodeHandshake(new Uint8Array(received.subarray(0, 68)))
    expect(hello).toMatchObject({ ok: true, value: { peerId: world.client.options.peerId } })
    expect([...received.subarray(68, 73)]).toEqual([0, 0, 0, 1, MESSAGE.haveAll])
  })

  it('while the files are being checked is heard once they are', () => {
    const world = new OneClient(SMALL, {}, options('prefer'))
    const other = { bytes: content(3 * BLOCK, 8), metainfo: metainfoOf(content(3 * BLOCK, 8), BLOCK) }
    world.input({
      kind: 'add-torrent',
      torrent: 2,
      options: { ...world.torrent.core.options, metainfo: other.metainfo },
    })
    const hash = other.metainfo.infoHashV1!
    world.input({ kind: 'incoming', connection: -1, address: { host: '10.0.0.9', port: 9 } })
    const dialler = new MseDialler({ infoHash: hash, methods: 2 })
    const first = sentTo(-1, world.receive(-1, new Uint8Array(dialler.hello())))
    const selection = sentTo(-1, world.receive(-1, new Uint8Array(dialler.offer(first, helloOf(hash))!)))
    const agreed = dialler.agreed(Buffer.concat([first, selection]))!
    world.receive(-1, new Uint8Array(agreed.encrypt(said((w) => w.plain(MESSAGE.haveAll)))))
    world.receive(-1, new Uint8Array(agreed.encrypt(said((w) => w.plain(MESSAGE.unchoke)))))
    const outputs = world.input({ kind: 'checked', torrent: 2, pieces: [] })
    expect(world.session(-1)).toMatchObject({ isSeed: true, peerChoking: false })
    const hello = decodeHandshake(new Uint8Array(agreed.decrypt(sentTo(-1, outputs)).subarray(0, 68)))
    expect(hello.ok).toBe(true)
  })

  it('is heard in clear by a client that has encryption off: sent away at the first byte', () => {
    const world = new OneClient(SMALL, {}, options('off'))
    world.input({ kind: 'incoming', connection: -1, address: A })
    expect(closeOf(-1, world.receive(-1, Uint8Array.of(0x77)))).toBe('not-bittorrent')
  })

  it.each([
    ['garbage at once', 1000],
    ['garbage in drops', 1],
  ])('and sends %s is sent away, and costs nothing after that', (_, length) => {
    const world = new OneClient(SMALL, {}, options('prefer'))
    world.input({ kind: 'incoming', connection: -1, address: A })
    const garbage = new Prng(3).bytes(3000)
    let reason: DisconnectReason | undefined
    let sentBytes = 0
    for (let at = 0; at < garbage.length && reason === undefined; at += length) {
      const outputs = world.receive(-1, garbage.slice(at, at + length))
      sentBytes += sentTo(-1, outputs).length
      reason = closeOf(-1, outputs)
    }
    expect(reason).toBe('not-bittorrent')
    expect(sentBytes).toBeLessThanOrEqual(96 + 512)
    expect(world.client.connectionCount).toBe(0)
  })

  it('and drips for half a minute is sent away at the end of its time', () => {
    const world = new OneClient(SMALL, {}, options('prefer'))
    world.input({ kind: 'incoming', connection: -1, address: A })
    const start = world.now
    world.outputs.length = 0
    for (let i = 0; i < 300 && world.client.connectionCount > 0; i++) {
      world.receive(-1, Uint8Array.of(200))
      world.pass(0.1)
    }
    expect(closeOf(-1, world.outputs)).toBe('handshake-timeout')
    expect((world.now - start) / seconds(1)).toBeLessThan(11)
  })

  it('with many others is answered as often as the limit says, and again a second later', () => {
    const max = LIMITS.keyAgreementsPerSecondMax.value
    const world = new OneClient(SMALL, {}, { ...options('prefer'), connectionsMax: 10 * max })
    const key = new MseDialler({ infoHash: INFO_HASH }).hello()
    const dial = (connection: number) => {
      // Each from a host of its own: one host has only so many connections (S16).
      const host = `10.1.${-connection >> 8}.${-connection & 255}`
      world.input({ kind: 'incoming', connection, address: { ...A, host } })
      return world.receive(connection, new Uint8Array(key))
    }
    const outcomes = Array.from({ length: max + 20 }, (_, i) => closeOf(-i - 1, dial(-i - 1)))
    expect(outcomes.slice(0, max)).toEqual(Array.from({ length: max }, () => undefined))
    expect(new Set(outcomes.slice(max))).toEqual(new Set(['too-many-peers']))
    world.pass(1)
    expect(closeOf(-999, dial(-999))).toBeUndefined()
  })

  it('for nobody we know is sent away', () => {
    const world = new OneClient(SMALL, {}, options('prefer'))
    const dialler = new MseDialler({ infoHash: new Uint8Array(20) })
    world.input({ kind: 'incoming', connection: -1, address: A })
    const first = sentTo(-1, world.receive(-1, new Uint8Array(dialler.hello())))
    const outputs = world.receive(-1, new Uint8Array(dialler.offer(first, helloOf(new Uint8Array(20)))!))
    expect(closeOf(-1, outputs)).toBe('unknown-torrent')
    expect(sentTo(-1, outputs)).toHaveLength(0)
  })
})

it('plain and encrypted peers of one client each hear their own stream', () => {
  const world = new OneClient(SMALL, {}, options('prefer'))
  const plain = world.seed()
  const dialler = new MseDialler({ infoHash: INFO_HASH, methods: 2 })
  world.input({ kind: 'incoming', connection: -50, address: A })
  const first = sentTo(-50, world.receive(-50, new Uint8Array(dialler.hello())))
  const outputs = world.receive(-50, new Uint8Array(dialler.offer(first, helloOf(INFO_HASH))!))
  const agreed = dialler.agreed(Buffer.concat([first, sentTo(-50, outputs)]))!
  world.outputs.length = 0
  world.serve(plain, 5)
  expect(world.torrent.isComplete).toBe(true)
  const told = agreed.decrypt(sentTo(-50, world.outputs))
  const haves = new Set<number>()
  for (let at = 0; at < told.length; at += 4 + told.readUInt32BE(at))
    if (told[at + 4] === MESSAGE.have) haves.add(told.readUInt32BE(at + 5))
  expect([...haves].sort((x, y) => x - y)).toEqual(ALL)
})

it.each<EncryptionMode>(['off', 'prefer', 'require'])(
  'a dial that reaches ourselves is the last (%s)',
  (mode) => {
    const world = new OneClient(SMALL, {}, options(mode))
    world.input({ kind: 'add-peers', torrent: 1, peers: [A], source: 'manual' })
    const reasons: DisconnectReason[] = []
    let dialCount = 0
    for (let step = 0; step < 600; step++) {
      for (const output of world.outputs.splice(0)) {
        if (output.kind === 'connect') {
          dialCount++
          world.input({
            kind: 'incoming',
            connection: -output.connection,
            address: { host: A.host, port: 5 },
          })
          world.input({ kind: 'connected', connection: output.connection })
        } else if (output.kind === 'send') world.receive(-output.connection, output.bytes.slice())
        else if (output.kind === 'close') {
          reasons.push(output.reason)
          world.input({ kind: 'closed', connection: -output.connection, reason: 'remote-closed' })
        }
      }
      world.pass(0.1)
    }
    expect(dialCount).toBe(1)
    expect(reasons).toEqual(['self-connection', 'self-connection'])
  },
)
