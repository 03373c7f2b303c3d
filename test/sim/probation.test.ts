/**
 * v2: a peer that has proven nothing yet is asked for one block and for the hashes of the blocks of its piece
 * (S14). Then each block is looked at as it comes, and the first wrong one bans its sender. Played message by
 * message; whole downloads with liars are in `liars.test.ts`.
 */
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/base/bytes.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { digestBlocks } from '../../src/nodejs/piece-digests.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { encodeHashes, encodeHashRequest, type HashRequest } from '../../src/wire/hash-messages.ts'
import { HashTree } from '../../src/wire/merkle.ts'
import { MESSAGE, PIECE_HEADER_LENGTH } from '../../src/wire/peer-messages.ts'
import { blockFrame, type Content, contentAs, OneClient } from './one-client.ts'
import { BLOCK } from './small-world.ts'

class Swarm {
  readonly world: OneClient
  readonly content: Content
  readonly #tree: HashTree

  constructor(content: Content) {
    this.content = content
    this.world = new OneClient(content)
    const leaves = digestBlocks(content.bytes)
    this.#tree = new HashTree(leaves, 0, leaves.length / 32, nodeCrypto)
  }

  get events(): SwarmEvent[] {
    return this.world.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
  }

  get banned(): string[] {
    return this.events.flatMap((event) => (event.event === 'peer-banned' ? [event.address] : []))
  }

  get failedCount(): number {
    return this.events.filter(({ event }) => event === 'piece-failed').length
  }

  address(peer: number): string {
    return `127.0.0.1:${1000 - peer}`
  }

  /** It has everything and may be asked for hashes, but serves nothing yet. */
  witness(): number {
    const peer = this.world.peer()
    this.world.say(peer, (writer) => writer.plain(MESSAGE.haveAll))
    return peer
  }

  tell(peer: number, request: HashRequest, change = (hashes: Uint8Array) => hashes): void {
    const hashes = change(this.#tree.answer(request)!)
    this.world.say(peer, (writer) => writer.bytes(MESSAGE.hashes, encodeHashes({ request, hashes })))
  }

  refuse(peer: number, request: HashRequest): void {
    this.world.say(peer, (writer) => writer.bytes(MESSAGE.hashReject, encodeHashRequest(request)))
  }

  frame([piece, block]: [number, number], isBad = false): Uint8Array {
    const frame = blockFrame(this.content, piece, block)
    if (isBad) frame[PIECE_HEADER_LENGTH + 77]! ^= 1
    return frame
  }

  give(peer: number, at: [number, number], isBad = false): void {
    this.world.receive(peer, this.frame(at, isBad))
  }

  requestCount(peer: number): number {
    return this.world.frames(peer, MESSAGE.request).length
  }

  /** It brings all it is asked for and answers what it is asked about. */
  finish(peer: number): void {
    let told = this.world.hashRequests(peer).length
    for (let turn = 0; turn < 100 && !this.world.torrent.isComplete; turn++) {
      for (const at of this.world.asked(peer)) this.give(peer, at)
      const requests = this.world.hashRequests(peer)
      for (const request of requests.slice(told)) this.tell(peer, request)
      told = requests.length
      this.world.pass(0.1)
    }
    expect(this.world.torrent.isComplete).toBe(true)
  }
}

describe.each(['v2', 'hybrid'] as const)('an untried peer (%s)', (format) => {
  it('is asked for one block, after the hashes of its piece, and for more once they are there', () => {
    const swarm = new Swarm(contentAs(format, 4, 8))
    const { world } = swarm
    const peer = world.seed()
    expect(world.asked(peer)).toEqual([[0, 0]])
    const [request, ...others] = world.hashRequests(peer)
    expect(request).toMatchObject({ baseLayer: 0, index: 0, count: 8 })
    expect(others).toEqual([])
    swarm.give(peer, [0, 0])
    expect(world.asked(peer)).toEqual([])
    swarm.tell(peer, request!)
    expect(world.asked(peer).length).toBeGreaterThan(3)
    swarm.finish(peer)
    expect(swarm.banned).toEqual([])
  })

  it('is banned by the first wrong block, and nothing is taken from it or asked of it after that', () => {
    const swarm = new Swarm(contentAs(format, 4, 8))
    const { world } = swarm
    const liar = world.seed()
    swarm.tell(liar, world.hashRequests(liar)[0]!)
    // The hashes were there before its first block, which it is still asked for alone.
    expect(world.asked(liar)).toEqual([[0, 0]])
    swarm.give(liar, [0, 0])
    const asked = world.asked(liar)
    expect(asked.length).toBeGreaterThan(2)
    const before = swarm.requestCount(liar)
    const session = world.session(liar)!
    world.receive(liar, concatBytes(asked.map((at) => swarm.frame(at, true))))
    expect(swarm.banned).toEqual([swarm.address(liar)])
    expect(world.session(liar)).toBeUndefined()
    expect(session.downloaded.total).toBe(2 * BLOCK)
    expect(swarm.requestCount(liar)).toBe(before)
    // The first was right and stays.
    const honest = world.seed()
    swarm.finish(honest)
    const again = world.frames(honest, MESSAGE.request).map((payload) => Buffer.from(payload))
    const blocks = again.filter((payload) => payload.readUInt32BE(0) === 0)
    expect(blocks.map((payload) => payload.readUInt32BE(4) / BLOCK).sort()).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect([swarm.failedCount, swarm.banned]).toEqual([0, [swarm.address(liar)]])
  })

  it('is banned for the block that came before the hashes', () => {
    const swarm = new Swarm(contentAs(format, 4, 8))
    const { world } = swarm
    const liar = world.seed()
    swarm.give(liar, [0, 0], true)
    expect([swarm.banned, world.asked(liar)]).toEqual([[], []])
    swarm.tell(liar, world.hashRequests(liar)[0]!)
    expect(swarm.banned).toEqual([swarm.address(liar)])
    expect(world.session(liar)).toBeUndefined()
  })

  it.each(['refuses', 'is silent', 'forges'] as const)('that %s is found out by what others tell', (how) => {
    const swarm = new Swarm(contentAs(format, 4, 8))
    const { world } = swarm
    const witness = swarm.witness()
    // It has told before.
    world.say(witness, (writer) => writer.plain(MESSAGE.unchoke))
    swarm.tell(witness, world.hashRequests(witness)[0]!)
    world.say(witness, (writer) => writer.plain(MESSAGE.choke))
    const liar = world.peer()
    world.say(liar, (writer) => {
      writer.bitfield(Uint8Array.of(0b0111_0000))
      writer.plain(MESSAGE.unchoke)
    })
    const [at] = world.asked(liar)
    const [own] = world.hashRequests(liar)
    swarm.give(liar, at!, true)
    if (how === 'refuses') swarm.refuse(liar, own!)
    else if (how === 'is silent') world.pass(3)
    else swarm.tell(liar, own!, (hashes) => hashes.fill(3, 0, 32))
    expect(swarm.requestCount(liar)).toBe(1)
    if (how === 'forges') expect(world.session(liar)).toBeUndefined()
    expect(world.hashRequests(witness)).toHaveLength(2)
    swarm.tell(witness, world.hashRequests(witness)[1]!)
    world.pass(0.01)
    expect(swarm.banned).toEqual([swarm.address(liar)])
    expect(world.session(liar)).toBeUndefined()
    world.say(witness, (writer) => writer.plain(MESSAGE.unchoke))
    swarm.finish(witness)
    expect([swarm.failedCount, swarm.banned]).toEqual([0, [swarm.address(liar)]])
  })

  it('goes on with one piece at a time where nobody tells, until that is right', () => {
    const swarm = new Swarm(contentAs(format, 6, 8))
    const { world } = swarm
    const peer = world.seed()
    swarm.refuse(peer, world.hashRequests(peer)[0]!)
    world.pass(0.01)
    const pieces = new Set<number>()
    while (world.session(peer)!.isUntried) {
      expect(world.asked(peer).length).toBeGreaterThan(0)
      for (const [piece] of world.asked(peer)) pieces.add(piece)
      swarm.give(peer, world.asked(peer)[0]!)
    }
    expect([...pieces]).toEqual([0])
    expect(world.torrent.core.pieces.have.has(0)).toBe(true)
    expect(world.asked(peer).length).toBeGreaterThan(3)
    swarm.finish(peer)
    expect(world.hashRequests(peer)).toHaveLength(1)
  })

  it('that came before all others is looked into when somebody comes who tells', () => {
    const swarm = new Swarm(contentAs(format, 6, 8))
    const { world } = swarm
    const liar = world.seed()
    const [at] = world.asked(liar)
    swarm.give(liar, at!, true)
    swarm.refuse(liar, world.hashRequests(liar)[0]!)
    world.pass(0.01)
    world.say(liar, (writer) => {
      for (const [piece, block] of world.asked(liar))
        writer.block(MESSAGE.reject, piece, block * BLOCK, BLOCK)
    })
    const honest = world.seed()
    const request = world.hashRequests(honest).find(({ index }) => index === 0)!
    expect(world.asked(honest)).toHaveLength(1)
    swarm.tell(honest, request)
    world.pass(0.01)
    expect([swarm.failedCount, swarm.banned]).toEqual([0, [swarm.address(liar)]])
    swarm.finish(honest)
  })

  it('that is silent is waited for two seconds, once', () => {
    const swarm = new Swarm(contentAs(format, 6, 8))
    const { world } = swarm
    const [peer, other] = [world.seed(), world.seed()]
    swarm.give(peer, [0, 0])
    world.pass(1.9)
    expect([swarm.requestCount(peer), swarm.requestCount(other)]).toEqual([1, 1])
    world.pass(0.2)
    expect(swarm.requestCount(peer)).toBeGreaterThan(3)
    swarm.finish(peer)
    expect([world.hashRequests(peer), world.hashRequests(other)].map(({ length }) => length)).toEqual([1, 1])
  })

  it('is trusted after a piece or sixteen blocks, and asked for no hashes then', () => {
    // A third piece is begun while the first two are on their way.
    for (const [blocksPerPiece, hashRequests] of [
      [64, 1],
      [8, 3],
    ] as const) {
      const swarm = new Swarm(contentAs(format, 256 / blocksPerPiece, blocksPerPiece))
      const peer = swarm.world.seed()
      const session = swarm.world.session(peer)!
      swarm.tell(peer, swarm.world.hashRequests(peer)[0]!)
      swarm.finish(peer)
      expect(session.isUntried).toBe(false)
      expect(swarm.world.hashRequests(peer).length).toBeLessThanOrEqual(hashRequests)
      expect(swarm.failedCount).toBe(0)
    }
  })

  it('needs no hashes for pieces of one block', () => {
    const swarm = new Swarm(contentAs(format, 40, 1))
    const { world } = swarm
    const liar = world.seed()
    expect(world.asked(liar)).toHaveLength(1)
    swarm.give(liar, world.asked(liar)[0]!)
    const asked = world.asked(liar)
    expect(asked.length).toBeGreaterThan(2)
    world.receive(liar, concatBytes(asked.map((at) => swarm.frame(at, true))))
    expect(swarm.banned).toEqual([swarm.address(liar)])
    expect(world.torrent.core.downloaded.total).toBe(2 * BLOCK)
    swarm.finish(world.seed())
    expect([swarm.failedCount, world.hashRequests(liar).length]).toEqual([0, 0])
  })

  it('that chokes, comes back or leaves hangs nothing', () => {
    const swarm = new Swarm(contentAs(format, 2, 8))
    const { world } = swarm
    const [peer, other] = [world.seed(), world.seed()]
    const [own] = world.hashRequests(peer)
    world.say(peer, (writer) => writer.plain(MESSAGE.choke))
    world.say(peer, (writer) => writer.block(MESSAGE.reject, 0, 0, BLOCK))
    world.say(peer, (writer) => writer.plain(MESSAGE.unchoke))
    swarm.tell(peer, own!)
    expect(world.asked(peer).length).toBeGreaterThan(0)
    world.leave(peer)
    world.say(other, (writer) => writer.plain(MESSAGE.choke))
    world.leave(other)
    swarm.finish(world.seed())
  })
})

describe('probation', () => {
  it('is not for v1', () => {
    const { world } = new Swarm(contentAs('v1', 4, 8))
    const peer = world.seed()
    expect(world.asked(peer)).toHaveLength(4)
    expect(world.hashRequests(peer)).toEqual([])
  })

  it('asks others about who does not speak v2', () => {
    const swarm = new Swarm(contentAs('hybrid', 4, 8))
    const { world, content } = swarm
    const { metainfo } = content
    const old = world.peer({ ...content, metainfo: { ...metainfo, infoHashV2: null } })
    expect(world.session(old)!.supportsV2).toBe(false)
    const witness = swarm.witness()
    world.say(old, (writer) => {
      writer.plain(MESSAGE.haveAll)
      writer.plain(MESSAGE.unchoke)
    })
    expect([world.hashRequests(old).length, world.hashRequests(witness).length]).toEqual([0, 1])
    swarm.give(old, world.asked(old)[0]!, true)
    swarm.tell(witness, world.hashRequests(witness)[0]!)
    expect(world.asked(old)).toEqual([])
    world.pass(0.01)
    expect(swarm.banned).toEqual([swarm.address(old)])
  })

  it('lets peers go on as in v1 where no connection speaks v2, or hashes of pieces are missing', () => {
    const content = contentAs('hybrid', 4, 8)
    const { metainfo } = content
    const v1Only = new Swarm(content)
    const old = v1Only.world.seed({ ...content, metainfo: { ...metainfo, infoHashV2: null } })
    const bare = { ...metainfo, files: metainfo.files.map((file) => ({ ...file, pieceLayer: null })) }
    const layerless = new Swarm({ ...content, metainfo: bare })
    const peer = layerless.world.seed()
    expect(v1Only.world.asked(old)).toHaveLength(4)
    expect(layerless.world.asked(peer)).toHaveLength(4)
    expect(layerless.world.hashRequests(peer)).toEqual([])
  })
})
