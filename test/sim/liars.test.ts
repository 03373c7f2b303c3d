/**
 * One liar among twenty peers (S14): it is banned after at most three bad pieces in v1, and after the first
 * bad block in v2; nobody else is, and the download hardly takes longer than from twenty honest ones.
 */
import { describe, expect, it } from 'vitest'
import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { Prng } from '../../src/base/prng.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { digestBlocks } from '../../src/nodejs/piece-digests.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { encodeHashes } from '../../src/wire/hash-messages.ts'
import { HashTree } from '../../src/wire/merkle.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { blockFrame, type Content, contentAs, OneClient } from './one-client.ts'
import { BLOCK, type Peer, type PeerSetup, SmallWorld } from './small-world.ts'

const BAD_PIECES_MAX = 3
const FORMATS: Format[] = ['v1', 'v2', 'hybrid']

function made(pieceCount: number, blocksPerPiece: number, seed = 1): Content {
  return contentAs('v1', pieceCount, blocksPerPiece, seed)
}

function banned(events: readonly SwarmEvent[]): string[] {
  return events.flatMap((event) => (event.event === 'peer-banned' ? [event.address] : []))
}

function failedBeforeBan(events: readonly SwarmEvent[]): number {
  const end = events.findIndex((event) => event.event === 'peer-banned')
  return events.slice(0, end < 0 ? undefined : end).filter((event) => event.event === 'piece-failed').length
}

describe.each(FORMATS.flatMap((format) => [1, 2, 3].map((seed) => [format, seed] as const)))(
  'a liar among twenty peers of a download (%s, seed %i)',
  (format, seed) => {
    const { bytes, metainfo } = contentAs(format, 160, 8, seed)
    const ALL = Array.from({ length: metainfo.pieceCount }, (_, piece) => piece)
    const RATE = 200_000

    /** Seconds until a download from twenty peers is complete; the first may lie. */
    function download(liar: PeerSetup = {}): { seconds: number; leecher: Peer; liarAddress: string } {
      const world = new SmallWorld(metainfo, bytes, seed)
      const prng = new Prng(seed)
      const seeds = [liar, ...new Array<PeerSetup>(19).fill({})].map((setup) =>
        world.add({ pieces: ALL, uploadBytesPerSecond: RATE * (0.5 + prng.fraction()), ...setup }),
      )
      const leecher = world.add({})
      for (const origin of seeds) world.introduce(leecher, origin)
      expect(world.runUntil(() => leecher.torrent.isComplete, 300)).toBe(true)
      for (const piece of ALL) {
        const right = bytes.subarray(piece * metainfo.pieceLength, (piece + 1) * metainfo.pieceLength)
        expect(equalBytes(leecher.disk.get(piece)!, right)).toBe(true)
      }
      return { seconds: world.now / 1e6, leecher, liarAddress: `127.0.0.1:${seeds[0]!.id}` }
    }

    const honest = download().seconds
    const spoilEvery = (n: number, from = 0) => {
      let count = 0
      return (_: number, block: Uint8Array) => {
        if (++count > from && count % n === 0) block[5]! ^= 1
      }
    }

    const spoilOnce = (at: number) => {
      let count = 0
      return (_: number, block: Uint8Array) => {
        if (++count === at) block[5]! ^= 1
      }
    }

    it.each<[string, () => PeerSetup]>([
      ['everything', () => ({ spoil: spoilEvery(1) })],
      ['everything, slowly', () => ({ spoil: spoilEvery(1), uploadBytesPerSecond: RATE / 10 })],
      ['one block in fifty', () => ({ spoil: spoilEvery(50), uploadBytesPerSecond: RATE })],
      ['everything after a while', () => ({ spoil: spoilEvery(1, 30) })],
      ['one block, once', () => ({ spoil: spoilOnce(10) })],
    ])('who spoils %s', (_, setup) => {
      const { seconds, leecher, liarAddress } = download(setup())
      expect(banned(leecher.events)).toEqual([liarAddress])
      expect(failedBeforeBan(leecher.events)).toBeLessThanOrEqual(format === 'v1' ? BAD_PIECES_MAX : 1)
      expect(leecher.torrent.core.blame.recordCount).toBe(0)
      expect(seconds / honest).toBeLessThan(1.3)
    })
  },
)

/**
 * Twenty peers played block by block. `bad` are asked for the same as all others, give one spoiled block of
 * each piece and refuse the rest, so that others finish what they began.
 */
class Mixing {
  readonly world: OneClient
  readonly good: number[]
  readonly bad: number[]
  readonly #content: Content
  /** Hash requests that were answered, by peer. */
  readonly #toldCounts = new Map<number, number>()
  #tree: HashTree | undefined

  constructor(whole: Content, goodCount: number, badCount: number) {
    this.#content = whole
    this.world = new OneClient(whole, { order: 'rarest' })
    this.bad = Array.from({ length: badCount }, () => this.world.seed())
    this.good = Array.from({ length: goodCount }, () => this.world.seed())
  }

  get events(): SwarmEvent[] {
    return this.world.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
  }

  address(peer: number): string {
    return `127.0.0.1:${1000 - peer}`
  }

  get failedCount(): number {
    return this.events.filter((event) => event.event === 'piece-failed').length
  }

  /** @param haste how often the bad ones come up while each of the others does once */
  run(turnsMax: number, haste = 1): void {
    for (let turn = 0; turn < turnsMax && !this.world.torrent.isComplete; turn++) {
      this.lie(haste)
      for (const peer of this.good) {
        // Two blocks at a time, so that pieces of many peers are on their way at any moment.
        const asked = this.world.asked(peer).slice(0, 2)
        const frames = asked.map(([piece, block]) => blockFrame(this.#content, piece, block))
        if (frames.length > 0 && this.world.session(peer)) this.world.receive(peer, concatBytes(frames))
        this.#tellHashes(peer)
      }
      this.world.pass(0.1)
    }
  }

  lie(times: number): void {
    for (let i = 0; i < times; i++) for (const peer of this.bad) this.#lie(peer)
  }

  /** In v2 the honest ones say what the blocks of a piece are (BEP 52). */
  #tellHashes(peer: number): void {
    const requests = this.world.hashRequests(peer)
    const told = this.#toldCounts.get(peer) ?? 0
    this.#toldCounts.set(peer, requests.length)
    const { bytes } = this.#content
    for (const request of requests.slice(told)) {
      this.#tree ??= new HashTree(digestBlocks(bytes), 0, bytes.length / BLOCK, nodeCrypto)
      const hashes = this.#tree.answer(request)!
      this.world.say(peer, (writer) => writer.bytes(MESSAGE.hashes, encodeHashes({ request, hashes })))
    }
  }

  #lie(peer: number): void {
    const seen = new Set<number>()
    for (const [piece, block] of this.world.asked(peer)) {
      if (this.world.session(peer) === undefined) return
      if (seen.has(piece)) this.world.say(peer, (w) => w.block(MESSAGE.reject, piece, block * BLOCK, BLOCK))
      else {
        seen.add(piece)
        const frame = blockFrame(this.#content, piece, block)
        frame[100]! ^= 1
        this.world.receive(peer, frame)
      }
    }
    if (this.world.session(peer) !== undefined)
      this.world.say(peer, (w) => {
        for (const piece of seen) w.number(MESSAGE.have, piece)
      })
  }
}

describe('who mixes spoiled blocks into the pieces of others', () => {
  it('is found among twenty, and nobody else is banned', () => {
    const mixing = new Mixing(made(60, 8), 19, 1)
    mixing.run(400)
    expect(mixing.world.torrent.isComplete).toBe(true)
    expect(banned(mixing.events)).toEqual(mixing.bad.map((peer) => mixing.address(peer)))
    expect(failedBeforeBan(mixing.events)).toBeGreaterThan(0)
    expect(failedBeforeBan(mixing.events)).toBeLessThanOrEqual(BAD_PIECES_MAX)
  })

  it.each(['v2', 'hybrid'] as const)('is found by its first bad block in %s', (format) => {
    const mixing = new Mixing(contentAs(format, 64, 8), 19, 1)
    mixing.run(400)
    expect(mixing.world.torrent.isComplete).toBe(true)
    expect(banned(mixing.events)).toEqual(mixing.bad.map((peer) => mixing.address(peer)))
    expect(failedBeforeBan(mixing.events)).toBe(1)
    expect(mixing.world.torrent.core.blame.recordCount).toBe(0)
  })

  it('spoils no more although it is faster than all others', () => {
    const mixing = new Mixing(made(60, 8), 19, 1)
    mixing.lie(30)
    const { gathering } = mixing.world.torrent.core.pieces
    const address = mixing.address(mixing.bad[0]!)
    expect([...gathering.values()].filter(({ contributors }) => contributors.has(address))).toHaveLength(2)
    mixing.run(400, 20)
    expect(mixing.world.torrent.isComplete).toBe(true)
    expect(banned(mixing.events)).toEqual(mixing.bad.map((peer) => mixing.address(peer)))
    expect(mixing.failedCount).toBeLessThanOrEqual(BAD_PIECES_MAX)
  })

  it('is found when there is only one honest peer', () => {
    const mixing = new Mixing(made(20, 8), 1, 1)
    mixing.run(600)
    expect(mixing.world.torrent.isComplete).toBe(true)
    expect(banned(mixing.events)).toEqual(mixing.bad.map((peer) => mixing.address(peer)))
  })

  it('is found although there are five of them', () => {
    const mixing = new Mixing(made(60, 8), 10, 5)
    mixing.run(600)
    expect(mixing.world.torrent.isComplete).toBe(true)
    expect(banned(mixing.events).sort()).toEqual(mixing.bad.map((peer) => mixing.address(peer)).sort())
  })
})

describe('parole', () => {
  function refuse(world: OneClient, peer: number): void {
    const asked = world.asked(peer)
    world.say(peer, (w) => {
      for (const [piece, block] of asked) w.block(MESSAGE.reject, piece, block * BLOCK, BLOCK)
    })
  }

  /** Spoils the first block that it is asked for and refuses the rest of the piece. */
  function spoilOne(world: OneClient, peer: number, from: Content): void {
    const [piece, block] = world.asked(peer)[0]!
    const frame = blockFrame(from, piece, block)
    frame[100]! ^= 1
    world.receive(peer, frame)
    const rest = world.asked(peer).filter(([other]) => other === piece)
    world.say(peer, (w) => {
      for (const [, other] of rest) w.block(MESSAGE.reject, piece, other * BLOCK, BLOCK)
    })
  }

  function give(world: OneClient, peer: number, from: Content, piece: number): void {
    for (const [asked, block] of world.asked(peer))
      if (asked === piece) world.receive(peer, blockFrame(from, piece, block))
  }

  function events(world: OneClient): SwarmEvent[] {
    return world.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
  }

  it('takes a suspect at its word in no other piece that it shares', () => {
    const whole = made(8, 4)
    const world = new OneClient(whole)
    const liar = world.seed()
    spoilOne(world, liar, whole)
    spoilOne(world, liar, whole)
    world.say(liar, (w) => w.plain(MESSAGE.choke))
    refuse(world, liar)
    const first = world.seed()
    give(world, first, whole, 0)
    expect(world.torrent.core.blame.suspects()).toEqual([0])
    world.serve(first, 5)
    expect(world.torrent.isComplete).toBe(true)
    expect(events(world).flatMap((event) => (event.event === 'piece-failed' ? [event.piece] : []))).toEqual([
      0,
    ])
    expect(banned(events(world))).toEqual(['127.0.0.1:1001'])
  })

  it('gives a piece under suspicion to somebody else, before all others', () => {
    const whole = made(8, 4)
    const world = new OneClient(whole)
    const [liar, first, other] = [world.peer(), world.peer(), world.peer()]
    const show = (peer: number, ...bits: number[]) =>
      world.say(peer, (w) => {
        w.bitfield(Uint8Array.from(bits))
        w.plain(MESSAGE.unchoke)
      })
    show(liar, 0b0000_0010)
    spoilOne(world, liar, whole)
    show(other, 0b1111_1111)
    show(first, 0b0100_0110)
    const pieces = (peer: number) => [...new Set(world.asked(peer).map(([piece]) => piece))]
    // The other finishes what the liar began, and has a part in it.
    expect(pieces(other)).toEqual([6, 0])
    const [, block] = world.asked(first)[0]!
    expect([pieces(first), block]).toEqual([[1], 0])
    give(world, other, whole, 6)
    expect(world.torrent.core.blame.suspects()).toEqual([6])
    give(world, first, whole, 1)
    expect(pieces(first)[0]).toBe(6)
    expect(pieces(other)).not.toContain(6)
  })

  it('does not hang when only a suspect is left to go on', () => {
    const whole = made(2, 4)
    const world = new OneClient(whole)
    const liar = world.seed()
    spoilOne(world, liar, whole)
    world.say(liar, (w) => w.plain(MESSAGE.choke))
    refuse(world, liar)
    const suspect = world.seed()
    give(world, suspect, whole, 0)
    world.say(suspect, (w) => w.plain(MESSAGE.choke))
    refuse(world, suspect)
    const clean = world.seed()
    give(world, clean, whole, 1)
    expect(world.asked(clean)[0]).toEqual([0, 0])
    world.receive(clean, blockFrame(whole, 0, 0))
    world.leave(clean)
    world.say(suspect, (w) => w.plain(MESSAGE.unchoke))
    world.serve(suspect, 10)
    expect(world.torrent.isComplete).toBe(true)
    expect(banned(events(world))).toEqual(['127.0.0.1:1001'])
  })
})

describe.each([1, 2, 3, 4, 5])('among peers that choke, refuse and fall silent (seed %i)', (seed) => {
  it('liars are found, the honest stay, and nothing hangs', () => {
    const whole = made(30, 6, seed)
    const world = new OneClient(whole, { order: 'rarest' })
    const prng = new Prng(seed)
    const flaky = Array.from({ length: 4 }, () => world.seed())
    const liars = [world.seed(), world.seed()]
    for (let turn = 0; turn < 4000 && !world.torrent.isComplete; turn++) {
      for (const peer of prng.shuffle([...flaky, ...liars])) {
        if (world.session(peer) === undefined) continue
        const asked = world.asked(peer)
        const whim = prng.below(12)
        if (whim === 0) world.say(peer, (w) => w.plain(MESSAGE.choke))
        else if (whim <= 2) world.say(peer, (w) => w.plain(MESSAGE.unchoke))
        else if (whim === 3 && asked.length > 0) {
          const [piece, block] = asked[0]!
          world.say(peer, (w) => {
            w.block(MESSAGE.reject, piece, block * BLOCK, BLOCK)
            w.number(MESSAGE.have, piece)
          })
        } else if (whim > 6)
          for (const [piece, block] of asked.slice(0, 1 + prng.below(4))) {
            if (world.session(peer) === undefined) break
            const frame = blockFrame(whole, piece, block)
            if (liars.includes(peer) && prng.below(3) === 0) frame[100]! ^= 1
            world.receive(peer, frame)
          }
      }
      world.pass(prng.below(20) === 0 ? 6 : 0.2)
    }
    const events = world.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
    expect(world.torrent.isComplete).toBe(true)
    const addresses = liars.map((peer) => `127.0.0.1:${1000 - peer}`)
    for (const address of banned(events)) expect(addresses).toContain(address)
    expect(banned(events).length).toBeGreaterThan(0)
    expect(world.torrent.core.blame.recordCount).toBe(0)
  })
})
