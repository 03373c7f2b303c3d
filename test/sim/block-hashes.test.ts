/**
 * v2: a piece that fails is not thrown away but taken apart (S14). Peers are asked for the hashes
 * of its blocks (BEP 52), the sender of a wrong one is banned for that one, and the right ones
 * are kept. Played message by message: a liar that brings one bad block of a piece, another that
 * brings the rest, and witnesses. All of them have brought something before (`probation.test.ts`).
 */
import { describe, expect, it } from 'vitest'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { digestBlocks } from '../../src/nodejs/piece-digests.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { encodeHashes, encodeHashRequest, type HashRequest } from '../../src/wire/hash-messages.ts'
import { HashTree } from '../../src/wire/merkle.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'
import { blockFrame, type Content, contentAs, metainfoFrom, OneClient } from './one-client.ts'
import { BLOCK } from './small-world.ts'

class Court {
  readonly world: OneClient
  readonly liar: number
  readonly honest: number
  readonly #content: Content

  constructor(content: Content) {
    this.#content = content
    this.world = new OneClient(content)
    this.world.trustsPeers = true
    this.liar = this.world.seed()
    this.honest = this.world.peer()
    this.world.say(this.honest, (writer) => writer.plain(MESSAGE.haveAll))
  }

  get events(): SwarmEvent[] {
    return this.world.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
  }

  get banned(): string[] {
    return this.events.flatMap((event) => (event.event === 'peer-banned' ? [event.address] : []))
  }

  get failedPieces(): number[] {
    return this.events.flatMap((event) => (event.event === 'piece-failed' ? [event.piece] : []))
  }

  address(peer: number): string {
    return `127.0.0.1:${1000 - peer}`
  }

  /** A peer that has everything and may be asked for hashes, but serves nothing. */
  witness(): number {
    const peer = this.world.peer()
    this.world.say(peer, (writer) => writer.plain(MESSAGE.haveAll))
    return peer
  }

  /** The liar spoils these blocks of its first piece and refuses the rest, which the honest one brings. */
  spoil(spoiled: number[], change = (frame: Uint8Array) => void (frame[100]! ^= 1)): number {
    const { world, liar, honest } = this
    const [piece] = world.asked(liar)[0]!
    for (const [asked, block] of world.asked(liar)) {
      if (asked !== piece || !spoiled.includes(block)) continue
      const frame = blockFrame(this.#content, piece, block)
      change(frame)
      world.receive(liar, frame)
    }
    world.say(liar, (writer) => writer.plain(MESSAGE.choke))
    const left = world.asked(liar)
    world.say(liar, (writer) => {
      for (const [asked, block] of left) writer.block(MESSAGE.reject, asked, block * BLOCK, BLOCK)
    })
    world.say(honest, (writer) => writer.plain(MESSAGE.unchoke))
    for (let turn = 0; turn < 100 && !this.failedPieces.includes(piece); turn++)
      for (const [asked, block] of world.asked(honest))
        if (asked === piece) world.receive(honest, blockFrame(this.#content, asked, block))
    expect(this.failedPieces).toEqual([piece])
    return piece
  }

  /** What a peer with the content says; `spoil` may change it. */
  answer(peer: number, request: HashRequest, spoil = (hashes: Uint8Array) => hashes): void {
    const file = this.#content.metainfo.files.find(({ piecesRoot }) => piecesRoot !== null)!
    const bytes = this.#content.bytes.subarray(0, file.length)
    const leaves = digestBlocks(bytes)
    const tree = new HashTree(leaves, 0, leaves.length / 32, nodeCrypto)
    const hashes = spoil(tree.answer(request)!)
    this.world.say(peer, (writer) => writer.bytes(MESSAGE.hashes, encodeHashes({ request, hashes })))
  }

  refuse(peer: number, request: HashRequest): void {
    this.world.say(peer, (writer) => writer.bytes(MESSAGE.hashReject, encodeHashRequest(request)))
  }

  /** Blocks of the piece that were asked of the peer from now on, while it serves everything. */
  finish(peer: number, piece: number): number[] {
    const asked = () => this.world.frames(peer, MESSAGE.request).map((payload) => Buffer.from(payload))
    const before = asked().length
    const owed = this.world.asked(peer).flatMap(([of, block]) => (of === piece ? [block] : []))
    this.world.serve(peer, 5)
    const blocks = asked()
      .slice(before)
      .flatMap((request) => (request.readUInt32BE(0) === piece ? [request.readUInt32BE(4) / BLOCK] : []))
    return [...owed, ...blocks]
  }
}

describe.each(['v2', 'hybrid'] as const)('a %s piece that fails', (format) => {
  it('convicts by one bad block, and only that block is fetched again', () => {
    const court = new Court(contentAs(format, 4, 8))
    const witness = court.witness()
    const piece = court.spoil([0])
    const [request, ...others] = court.world.hashRequests(witness)
    expect(request).toMatchObject({ baseLayer: 0, index: 8 * piece, count: 8 })
    expect(others).toEqual([])
    expect(court.world.hashRequests(court.liar)).toEqual([])
    expect(court.banned).toEqual([])
    court.answer(witness, request!)
    expect(court.banned).toEqual([court.address(court.liar)])
    expect(court.finish(court.honest, piece)).toEqual([0])
    expect(court.world.torrent.isComplete).toBe(true)
    expect(court.banned).toEqual([court.address(court.liar)])
    expect(court.failedPieces).toEqual([piece])
  })

  it('clears whoever sent right blocks only, however many were wrong', () => {
    const court = new Court(contentAs(format, 4, 4))
    const witness = court.witness()
    const piece = court.spoil([0, 1, 3])
    court.answer(witness, court.world.hashRequests(witness)[0]!)
    expect(court.banned).toEqual([court.address(court.liar)])
    expect(court.finish(court.honest, piece).sort()).toEqual([0, 1, 3])
    expect(court.world.torrent.isComplete).toBe(true)
  })

  it('asks another when one refuses, leaves or stays silent, and three at most', () => {
    const court = new Court(contentAs(format, 4, 8))
    const witnesses = Array.from({ length: 5 }, () => court.witness())
    court.spoil([0])
    const [first, second, third] = witnesses.filter((peer) => court.world.hashRequests(peer).length > 0)
    expect([second, third]).toEqual([undefined, undefined])
    const asked = () => witnesses.filter((peer) => court.world.hashRequests(peer).length > 0)
    court.refuse(first!, court.world.hashRequests(first!)[0]!)
    expect(asked()).toHaveLength(2)
    court.world.leave(asked().find((peer) => peer !== first)!)
    expect(asked()).toHaveLength(3)
    expect(court.world.torrent.core.pieces.checking.size).toBe(1)
    court.world.pass(4)
    expect(asked()).toHaveLength(3)
    expect(court.world.torrent.core.pieces.checking.size).toBe(0)
    expect(court.world.torrent.core.blame.recordCount).toBe(1)
  })

  it('does not wait twice for a peer that stays silent', () => {
    const court = new Court(contentAs(format, 4, 8))
    const { world } = court
    const witness = court.witness()
    court.spoil([0])
    for (const peer of [court.liar, court.honest])
      for (const request of world.hashRequests(peer)) court.refuse(peer, request)
    expect(world.hashRequests(witness)).toHaveLength(1)
    world.pass(30)
    const before = [court.liar, court.honest, witness].map((peer) => world.hashRequests(peer).length)
    expect(before).toEqual([1, 1, 1])
    // The honest one spoils something of its own, which is then looked into.
    for (let next = world.asked(court.honest)[0]; next !== undefined; next = world.asked(court.honest)[0]) {
      const frame = blockFrame(contentAs(format, 4, 8), ...next)
      frame[100]! ^= 1
      world.receive(court.honest, frame)
    }
    expect(world.hashRequests(witness)).toHaveLength(1)
  })

  it('takes an answer that comes late', () => {
    const court = new Court(contentAs(format, 4, 8))
    const witnesses = [court.witness(), court.witness()]
    court.spoil([0])
    const slow = witnesses.find((peer) => court.world.hashRequests(peer).length > 0)!
    court.world.pass(4)
    expect(witnesses.map((peer) => court.world.hashRequests(peer).length)).toEqual([1, 1])
    court.answer(slow, court.world.hashRequests(slow)[0]!)
    expect(court.banned).toEqual([court.address(court.liar)])
  })

  it('is compared with its next copy when nobody can tell, as in v1', () => {
    const court = new Court(contentAs(format, 4, 8))
    const witness = court.witness()
    court.spoil([0])
    const request = court.world.hashRequests(witness)[0]!
    court.refuse(witness, request)
    for (const peer of [court.liar, court.honest])
      for (const asked of court.world.hashRequests(peer)) court.refuse(peer, asked)
    court.world.pass(0.1)
    expect(court.world.torrent.core.blame.recordCount).toBe(1)
    const clean = court.world.seed()
    court.world.serve(clean, 5)
    expect(court.world.torrent.isComplete).toBe(true)
    expect(court.banned).toEqual([court.address(court.liar)])
  })

  it('may be explained by the accused themselves, as hashes prove themselves', () => {
    const court = new Court(contentAs(format, 4, 8))
    const piece = court.spoil([2])
    const asked = [court.liar, court.honest].find((peer) => court.world.hashRequests(peer).length > 0)!
    court.answer(asked, court.world.hashRequests(asked)[0]!)
    expect(court.banned).toEqual([court.address(court.liar)])
    expect(court.finish(court.honest, piece)).toEqual([2])
    expect(court.world.torrent.isComplete).toBe(true)
  })

  it('bans who sends hashes that lead nowhere, and asks the next', () => {
    const court = new Court(contentAs(format, 4, 8))
    const witnesses = [court.witness(), court.witness()]
    court.spoil([0])
    const forger = witnesses.find((peer) => court.world.hashRequests(peer).length > 0)!
    const other = witnesses.find((peer) => peer !== forger)!
    court.answer(forger, court.world.hashRequests(forger)[0]!, (hashes) => hashes.fill(7, 0, 32))
    expect(court.banned).toEqual([court.address(forger)])
    expect(court.world.session(forger)).toBeUndefined()
    court.answer(other, court.world.hashRequests(other)[0]!)
    expect(court.banned).toEqual([court.address(forger), court.address(court.liar)])
  })

  it('is judged at once when it fails a second time, also when it is the whole file', () => {
    const content = contentAs(format, 1, 4)
    const court = new Court(content)
    const { world } = court
    const witnesses = [court.witness(), court.witness()]
    court.spoil([0])
    const asked = witnesses.find((peer) => world.hashRequests(peer).length > 0)!
    const second = witnesses.find((peer) => peer !== asked)!
    world.leave(court.honest)
    court.answer(asked, world.hashRequests(asked)[0]!)
    world.say(second, (writer) => writer.plain(MESSAGE.unchoke))
    expect(world.asked(second)).toEqual([[0, 0]])
    const frame = blockFrame(content, 0, 0)
    frame[200]! ^= 1
    world.receive(second, frame)
    expect(court.banned).toEqual([court.address(court.liar), court.address(second)])
    expect(witnesses.flatMap((peer) => world.hashRequests(peer))).toHaveLength(1)
    world.say(asked, (writer) => writer.plain(MESSAGE.unchoke))
    expect(court.finish(asked, 0)).toEqual([0])
    expect(world.torrent.isComplete).toBe(true)
  })

  it('from one sender alone bans at once, and keeps what is right of it', () => {
    const content = contentAs(format, 4, 8)
    const world = new OneClient(content)
    world.trustsPeers = true
    const liar = world.seed()
    const honest = world.peer()
    world.say(honest, (writer) => writer.plain(MESSAGE.haveAll))
    const piece = world.asked(liar)[0]![0]
    for (let next = world.asked(liar)[0]; next !== undefined; next = world.asked(liar)[0]) {
      const frame = blockFrame(content, ...next)
      if (next[1] === 5) frame[100]! ^= 1
      world.receive(liar, frame)
    }
    expect(world.session(liar)).toBeUndefined()
    const [request] = world.hashRequests(honest)
    const leaves = digestBlocks(content.bytes)
    const hashes = new HashTree(leaves, 0, leaves.length / 32, nodeCrypto).answer(request!)!
    world.say(honest, (writer) => writer.bytes(MESSAGE.hashes, encodeHashes({ request: request!, hashes })))
    world.say(honest, (writer) => writer.plain(MESSAGE.unchoke))
    world.serve(honest, 5)
    const requests = world.frames(honest, MESSAGE.request).map((payload) => Buffer.from(payload))
    const again = requests.filter((payload) => payload.readUInt32BE(0) === piece)
    expect(again.map((payload) => payload.readUInt32BE(4) / BLOCK)).toEqual([5])
    expect(world.torrent.isComplete).toBe(true)
  })
})

describe('hashes of blocks', () => {
  it('of a piece longer than 8 MiB come in parts with proofs', () => {
    const court = new Court(contentAs('v2', 2, 1024))
    const witness = court.witness()
    const piece = court.spoil([0])
    const requests = court.world.hashRequests(witness)
    expect(requests.map(({ index, count }) => [index - 1024 * piece, count])).toEqual([
      [0, 512],
      [512, 512],
    ])
    for (const request of requests) court.answer(witness, request)
    expect(court.banned).toEqual([court.address(court.liar)])
  })

  it('are not asked for in v1, nor of peers that know a hybrid as v1 only', () => {
    const court = new Court(contentAs('v1', 4, 8))
    const witness = court.witness()
    court.spoil([0])
    expect(court.world.hashRequests(witness)).toEqual([])
    expect(court.world.torrent.core.blame.recordCount).toBe(1)
  })

  it('tell a spoiled padding of a hybrid, too', () => {
    const files = { a: Buffer.from(contentAs('v1', 1, 4).bytes.subarray(0, 3 * BLOCK + 100)), b: 10 }
    const fixture = torrentFixture({ name: 'two', files, pieceLength: 4 * BLOCK, format: 'hybrid' })
    const bytes = Buffer.concat([fixture.piece(0), fixture.piece(1)])
    const court = new Court({ bytes, metainfo: metainfoFrom(fixture) })
    const witness = court.witness()
    const piece = court.spoil([3], (frame) => void (frame[frame.length - 1]! ^= 1))
    court.answer(witness, court.world.hashRequests(witness)[0]!)
    expect(court.banned).toEqual([court.address(court.liar)])
    expect(court.finish(court.honest, piece)).toEqual([3])
    expect(court.world.torrent.isComplete).toBe(true)
  })

  it('are waited for by a few pieces at a time only', () => {
    const court = new Court(contentAs('v2', 12, 2))
    const { world } = court
    const witness = court.witness()
    const liars = [court.liar, ...Array.from({ length: 7 }, () => world.seed())]
    for (const liar of liars) {
      const own = world.asked(liar)[0]
      if (own === undefined) continue
      for (const [piece, block] of world.asked(liar)) {
        if (piece !== own[0]) continue
        const frame = blockFrame(contentAs('v2', 12, 2), piece, block)
        frame[50]! ^= 1
        world.receive(liar, frame)
      }
    }
    expect(court.banned.length).toBeGreaterThan(4)
    expect(world.hashRequests(witness).length + world.hashRequests(court.honest).length).toBeLessThanOrEqual(
      4,
    )
    world.say(court.honest, (writer) => writer.plain(MESSAGE.unchoke))
    world.serve(court.honest, 12)
    expect(world.torrent.isComplete).toBe(true)
  })
})
