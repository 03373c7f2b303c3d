/**
 * Several blocks in one request and in one `piece` message, with peers that say that they take them
 * (docs/decisions/0022-long-messages.md). Played message by message.
 */
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/base/bytes.ts'
import { digestBlocks } from '../../src/nodejs/piece-digests.ts'
import type { SwarmOutput } from '../../src/swarm/effects.ts'
import { BLOCK as BLOCK_STATE } from '../../src/swarm/piece-tracker.ts'
import { encodeExtensionHandshake } from '../../src/wire/extension-handshake.ts'
import { type BlockRange, MESSAGE, readBlockRange, writePieceHeader } from '../../src/wire/peer-messages.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { type Content, contentAs, OneClient } from './one-client.ts'
import { BLOCK } from './small-world.ts'

const LONG = 8 * BLOCK
const BLOCKS_PER_PIECE = 32

class World extends OneClient {
  readonly content: Content

  constructor(pieces: number[], format: Format) {
    const content = contentAs(format, 8, BLOCKS_PER_PIECE)
    super(content, {}, {}, pieces)
    this.content = content
    this.trustsPeers = true
  }

  static make(pieces: number[] = [], format: Format = 'v1'): World {
    return new World(pieces, format)
  }

  /** A peer that takes so many bytes in a message. */
  speaker(longMessageBytes: number | undefined, isSeed: boolean): number {
    const peer = this.peer(undefined, '127.0.0.1', true)
    const facts = { client: 'x', listenPort: 1, requestQueueLength: 500, isUploadOnly: false }
    const messages = new Map<string, number>()
    this.say(peer, (writer) => {
      writer.extended(
        0,
        encodeExtensionHandshake({ ...facts, messages, metadataSize: undefined, longMessageBytes }),
      )
      if (isSeed) {
        writer.plain(MESSAGE.haveAll)
        writer.plain(MESSAGE.unchoke)
      } else writer.plain(MESSAGE.interested)
    })
    return peer
  }

  /** Blocks come singly until the peer is known to be fast. */
  warm(peer: number): void {
    while (this.session(peer)!.window.depth < 64) {
      const [piece, block] = this.asked(peer)[0]!
      this.bring(peer, { piece, begin: block * BLOCK, length: BLOCK })
    }
  }

  bring(peer: number, range: BlockRange, isWrong = false): SwarmOutput[] {
    return this.receive(peer, this.message(range, isWrong))
  }

  message({ piece, begin, length }: BlockRange, isWrong = false): Uint8Array {
    const frame = new Uint8Array(13 + length)
    writePieceHeader(frame, 0, piece, begin, length)
    const at = piece * BLOCKS_PER_PIECE * BLOCK + begin
    frame.set(this.content.bytes.subarray(at, at + length), 13)
    if (isWrong) frame[500]! ^= 1
    return frame
  }

  requests(peer: number): BlockRange[] {
    return this.frames(peer, MESSAGE.request).map(readBlockRange)
  }

  /** Reads and sockets are done at once. */
  serveReads(outputs: readonly SwarmOutput[]): Uint8Array[] {
    const sent: Uint8Array[] = []
    for (const output of outputs) {
      if (output.kind === 'read-blocks') {
        let at = output.piece * BLOCKS_PER_PIECE * BLOCK + output.begin
        for (const view of output.views) {
          view.set(this.content.bytes.subarray(at, at + view.length))
          at += view.length
        }
        sent.push(
          ...this.serveReads(
            this.input({ kind: 'blocks-read', torrent: 1, read: output.read, fault: undefined }),
          ),
        )
      }
      if (output.kind !== 'send' || output.frame === undefined) continue
      sent.push(output.bytes.slice())
      const { connection, frame } = output
      sent.push(...this.serveReads(this.input({ kind: 'sent', connection, frame })))
    }
    return sent
  }
}

function messagesIn(frames: readonly Uint8Array[]): { begin: number; length: number; data: Uint8Array }[] {
  const found = []
  for (const bytes of frames) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length; at += 4 + view.getUint32(at)) {
      const length = view.getUint32(at) - 9
      found.push({ begin: view.getUint32(at + 9), length, data: bytes.subarray(at + 13, at + 13 + length) })
    }
  }
  return found
}

describe('asking', () => {
  it('goes in long requests to who takes them, once it is fast', () => {
    const world = World.make()
    const peer = world.speaker(LONG, true)
    expect(world.requests(peer).every(({ length }) => length === BLOCK)).toBe(true)
    world.warm(peer)
    const lengths = world.requests(peer).map(({ length }) => length)
    expect(Math.max(...lengths)).toBe(LONG)
    // Nothing is asked for twice.
    const blocks = world
      .requests(peer)
      .flatMap(({ piece, begin, length }) =>
        Array.from({ length: length / BLOCK }, (_, i) => `${piece} ${begin / BLOCK + i}`),
      )
    expect(new Set(blocks).size).toBe(blocks.length)
    expect(world.asked(peer)).toHaveLength(world.session(peer)!.outstanding.size)
  })

  it.each([
    ['nobody', undefined, BLOCK],
    ['a whole block', BLOCK, BLOCK],
    ['less than a block', 1, BLOCK],
    ['two and a half blocks', 2.5 * BLOCK, 2 * BLOCK],
    ['four gigabytes', 0xffff_ffff, LONG],
  ])('asks for no more than %s says', (_, said, most) => {
    const world = World.make()
    const peer = world.speaker(said, true)
    world.warm(peer)
    expect(Math.max(...world.requests(peer).map(({ length }) => length))).toBe(most)
  })

  it('takes what comes in long messages, in fragments too', () => {
    const world = World.make()
    const peer = world.speaker(LONG, true)
    world.warm(peer)
    let answered = 0
    for (let turn = 0; turn < 400 && !world.torrent.isComplete; turn++) {
      const [first] = world.asked(peer)
      if (first === undefined) world.pass(0.3)
      else {
        const [piece, block] = first
        const next = world.asked(peer).slice(0, 8)
        const run = next.findIndex(([p, b], i) => p !== piece || b !== block + i)
        const length = (run < 0 ? next.length : run) * BLOCK
        const message = world.message({ piece, begin: block * BLOCK, length })
        for (let at = 0; at < message.length; at += 50_000)
          world.receive(peer, message.subarray(at, at + 50_000))
        answered += length
      }
    }
    expect(world.torrent.isComplete).toBe(true)
    expect(answered).toBeGreaterThan(world.content.bytes.length / 2)
    expect(world.torrent.core.downloaded.total).toBe(world.content.bytes.length)
  })

  it('takes all of a message or nothing, and asks again for what it threw away', () => {
    const world = World.make()
    const peer = world.speaker(LONG, true)
    world.warm(peer)
    const [piece, block] = world.asked(peer)[0]!
    // The first two are asked for, but one in the middle came before.
    world.bring(peer, { piece, begin: (block + 2) * BLOCK, length: BLOCK })
    const before = world.session(peer)!.downloaded.total
    world.bring(peer, { piece, begin: block * BLOCK, length: 4 * BLOCK })
    expect(world.session(peer)!.downloaded.total).toBe(before + 3 * BLOCK)
    const gathering = world.torrent.core.pieces.gathering.get(piece)!
    expect([...gathering.senders.slice(block, block + 4)].map((sender) => sender !== '')).toEqual([
      false,
      false,
      true,
      false,
    ])
    for (let turn = 0; turn < 1000 && !world.torrent.isComplete; turn++) {
      const [next] = world.asked(peer)
      if (next === undefined) world.pass(0.3)
      else world.bring(peer, { piece: next[0], begin: next[1] * BLOCK, length: BLOCK })
    }
    expect(world.torrent.isComplete).toBe(true)
  })

  it.each(['chokes', 'leaves'] as const)('frees the rest when the peer %s in the middle', (how) => {
    const world = World.make()
    const peer = world.speaker(LONG, true)
    world.warm(peer)
    const [piece, block] = world.asked(peer)[0]!
    const message = world.message({ piece, begin: block * BLOCK, length: 4 * BLOCK })
    world.receive(peer, message.subarray(0, 2 * BLOCK + 100))
    if (how === 'leaves') world.leave(peer)
    else {
      world.receive(peer, message.subarray(2 * BLOCK + 100))
      world.say(peer, (writer) => writer.plain(MESSAGE.choke))
    }
    const other = world.seed()
    world.serve(other, 30)
    if (how === 'chokes') world.leave(peer)
    world.serve(other, 30)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('a wrong block in it fails the piece as any other', () => {
    const world = World.make()
    const peer = world.speaker(LONG, true)
    world.warm(peer)
    const [piece, block] = world.asked(peer)[0]!
    world.bring(peer, { piece, begin: block * BLOCK, length: 3 * BLOCK }, true)
    for (let turn = 0; turn < 40; turn++) {
      const [next] = world.asked(peer)
      if (next !== undefined) world.bring(peer, { piece: next[0], begin: next[1] * BLOCK, length: BLOCK })
    }
    const failed = world.outputs.flatMap((output) =>
      output.kind === 'event' && output.event.event === 'piece-failed' ? [output.event.piece] : [],
    )
    expect(failed).toEqual([piece])
  })

  it.each(['v2', 'hybrid'] as const)(
    'a wrong block in it bans its sender where hashes tell (%s), and nothing behind it is taken',
    (format) => {
      const world = World.make([], format)
      const peer = world.speaker(LONG, true)
      const address = world.session(peer)!.address
      world.warm(peer)
      const [piece, block] = world.asked(peer)[0]!
      const gathering = world.torrent.core.pieces.gathering.get(piece)!
      const leaves = digestBlocks(world.content.bytes)
      gathering.blockHashes = leaves.subarray(
        32 * BLOCKS_PER_PIECE * piece,
        32 * BLOCKS_PER_PIECE * (piece + 1),
      )
      const message = world.message({ piece, begin: block * BLOCK, length: 4 * BLOCK })
      message[13 + BLOCK + 7]! ^= 1
      world.receive(peer, message)
      const banned = world.outputs.flatMap((output) =>
        output.kind === 'event' && output.event.event === 'peer-banned' ? [output.event.address] : [],
      )
      expect(banned).toEqual([address])
      expect([...gathering.blocks.subarray(block, block + 4)]).toEqual([
        BLOCK_STATE.received,
        BLOCK_STATE.free,
        BLOCK_STATE.free,
        BLOCK_STATE.free,
      ])
      world.serve(world.seed(), 30)
      expect(world.torrent.isComplete).toBe(true)
    },
  )

  it('skips a long message that nobody asked for', () => {
    const world = World.make()
    const peer = world.speaker(undefined, true)
    world.bring(peer, { piece: 7, begin: 0, length: LONG })
    world.bring(peer, { piece: 7, begin: 100, length: LONG - 100 })
    world.bring(peer, { piece: 7, begin: (BLOCKS_PER_PIECE - 1) * BLOCK, length: 2 * BLOCK })
    expect(world.session(peer)).toBeDefined()
    expect(world.torrent.core.downloaded.total).toBe(0)
  })
})

describe('serving', () => {
  const ALL = Array.from({ length: 8 }, (_, piece) => piece)

  it.each([
    ['who takes it', LONG, [LONG, LONG]],
    ['who takes half of it', LONG / 2, [LONG / 2, LONG / 2, LONG / 2, LONG / 2]],
    ['others', undefined, Array<number>(16).fill(BLOCK)],
  ])('long requests are answered, in long messages to %s', (_, said, lengths) => {
    const world = World.make(ALL)
    const peer = world.speaker(said, false)
    const outputs = world.say(peer, (writer) => {
      for (let at = 0; at < 8; at++) writer.block(MESSAGE.request, at >> 2, (at & 3) * LONG, LONG)
    })
    const sent = messagesIn(world.serveReads(outputs))
    expect(sent.slice(0, lengths.length).map(({ length }) => length)).toEqual(lengths)
    let at = 0
    for (const { data } of sent) {
      expect(equalBytes(data, world.content.bytes.subarray(at, at + data.length))).toBe(true)
      at += data.length
    }
    expect(at).toBe(8 * LONG)
    expect(world.session(peer)!.uploaded.total).toBe(8 * LONG)
  })

  it('a cancelled block is left out', () => {
    const world = World.make(ALL)
    world.client.handle(world.now, {
      kind: 'set-rates',
      uploadBytesPerSecond: BLOCK,
      downloadBytesPerSecond: 0,
    })
    const peer = world.speaker(LONG, false)
    const outputs = world.say(peer, (writer) => {
      writer.block(MESSAGE.request, 0, 0, LONG)
      writer.block(MESSAGE.cancel, 0, 5 * BLOCK, BLOCK)
    })
    const sent = world.serveReads(outputs)
    for (let turn = 0; turn < 20; turn++) {
      const from = world.outputs.length
      world.pass(1)
      sent.push(...world.serveReads(world.outputs.slice(from)))
    }
    const begins = messagesIn(sent).flatMap(({ begin, length }) =>
      Array.from({ length: length / BLOCK }, (_, i) => begin / BLOCK + i),
    )
    expect(begins).toEqual([0, 1, 2, 3, 4, 6, 7])
  })

  it.each([
    ['too long', 0, 9 * BLOCK],
    ['beyond the piece', 30 * BLOCK, 4 * BLOCK],
    ['not of whole blocks', 0, 2 * BLOCK + 1],
    ['not beginning with a block', 5, 2 * BLOCK],
    ['of a piece that is not there', 0x7fff_ffff, 2 * BLOCK],
  ])('a request that is %s ends the connection', (_, begin, length) => {
    const world = World.make(ALL)
    const peer = world.speaker(LONG, false)
    world.say(peer, (writer) => writer.block(MESSAGE.request, 0, begin, length))
    expect(world.session(peer)).toBeUndefined()
  })

  it('what cannot be read is refused block by block', () => {
    const world = World.make(ALL)
    const peer = world.speaker(LONG, false)
    const outputs = world.say(peer, (writer) => {
      for (let at = 0; at < 8; at++) writer.block(MESSAGE.request, at >> 2, (at & 3) * LONG, LONG)
    })
    const read = outputs.find((output) => output.kind === 'read-blocks')!
    const fault = { code: 'storage/io', message: 'no' }
    world.input({ kind: 'blocks-read', torrent: 1, read: read.read, fault })
    const rejected = world.frames(peer, MESSAGE.reject).map(readBlockRange)
    expect(rejected.length).toBeGreaterThanOrEqual(16)
    expect(rejected.every(({ length }) => length === BLOCK)).toBe(true)
  })
})
