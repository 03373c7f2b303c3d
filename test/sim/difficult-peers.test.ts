/**
 * Peers that lie, stall, refuse or flood: none of them may hang the machine, hold a piece
 * for ever or make it grow.
 */
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/base/bytes.ts'
import { LIMITS } from '../../src/base/limits.ts'
import { MESSAGE, MessageWriter } from '../../src/wire/peer-messages.ts'
import { blockFrame, type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf } from './small-world.ts'

function made(pieceCount: number, blocksPerPiece: number, seed = 1): Content {
  const bytes = content(pieceCount * blocksPerPiece * BLOCK, seed)
  return { bytes, metainfo: metainfoOf(bytes, blocksPerPiece * BLOCK) }
}

const SMALL = made(8, 4)
const LARGE = made(8, 16)
const ONE_PIECE = made(1, 4)

describe('a peer that breaks its word', () => {
  it('cannot confuse blocks by a range beyond the end of a piece', () => {
    const world = new OneClient(SMALL)
    const liar = world.seed()
    for (let block = 0; block < 4; block++) world.receive(liar, blockFrame(SMALL, 0, block))
    for (let i = 0; i < 300; i++) world.say(liar, (w) => w.block(MESSAGE.reject, 0, 4 * BLOCK, 0))
    world.serve(liar, 20)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('cannot make the owner of a piece forget what it took of it and refused', () => {
    const three = made(3, 8)
    const world = new OneClient(three)
    const [owner, refuser] = [world.peer(), world.peer()]
    for (const peer of [owner, refuser])
      world.say(peer, (w) => {
        w.bitfield(Uint8Array.of(0x80))
        w.plain(MESSAGE.unchoke)
      })
    const taken = world.asked(refuser)
    expect(taken.map(([piece]) => piece)).toEqual([0, 0, 0, 0])
    world.say(owner, (w) => {
      w.number(MESSAGE.have, 1)
      w.number(MESSAGE.have, 2)
    })
    const order: number[] = []
    for (let asked = world.asked(owner); asked.length > 0; asked = world.asked(owner))
      for (const [piece, block] of asked) {
        order.push(piece)
        world.receive(owner, blockFrame(three, piece, block))
        if (piece === 1 && taken.length > 0)
          world.say(refuser, (w) => {
            for (const [refused, at] of taken.splice(0)) w.block(MESSAGE.reject, refused, at * BLOCK, BLOCK)
          })
      }
    expect(order.lastIndexOf(0)).toBeGreaterThan(order.indexOf(1))
    expect(order.lastIndexOf(0)).toBeLessThan(order.indexOf(2))
    expect(world.torrent.isComplete).toBe(true)
  })

  it('that stops in the middle of a block and goes on after the time-out loses nothing for us', () => {
    const world = new OneClient(ONE_PIECE)
    const slow = world.seed()
    const first = blockFrame(ONE_PIECE, 0, 0)
    world.receive(slow, first.subarray(0, 5000))
    world.pass(6)
    world.receive(slow, first.subarray(5000))
    world.serve(slow, 60)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('that refuses everything is not asked the same again and again', () => {
    const world = new OneClient(SMALL)
    const refuser = world.seed()
    let requestCount = 0
    for (let turn = 0; turn < 500; turn++) {
      const asked = world.asked(refuser)
      requestCount += asked.length
      world.say(refuser, (w) => {
        for (const [piece, block] of asked) w.block(MESSAGE.reject, piece, block * BLOCK, BLOCK)
      })
      world.pass(0.3)
    }
    expect(requestCount).toBeLessThan(100)
    const honest = world.seed()
    world.serve(honest, 20)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('that chokes, and then sends what was on its way, does not keep the piece', () => {
    const world = new OneClient(LARGE, { gatheringPiecesMax: 1 })
    const chokes = world.seed()
    const frames = world.asked(chokes).map(([piece, block]) => blockFrame(LARGE, piece, block))
    world.receive(chokes, concatBytes([Uint8Array.of(0, 0, 0, 1, MESSAGE.choke), ...frames]))
    const idle = world.seed()
    world.serve(idle, 60)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('that says nothing does not take back what it let lie', () => {
    const world = new OneClient(LARGE, { gatheringPiecesMax: 1 })
    world.seed()
    const honest = world.seed()
    world.serve(honest, 120)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('that sends blocks nobody asked for does not count as busy', () => {
    const world = new OneClient(ONE_PIECE)
    const junk = [world.seed(), world.seed(), world.seed()]
    const honest = world.seed()
    const empty = blockFrame({ ...ONE_PIECE, bytes: new Uint8Array(0) }, 99, 0)
    for (let second = 0; second < 60 && !world.torrent.isComplete; second++) {
      for (const peer of junk) world.receive(peer, empty)
      world.serve(honest, 1)
    }
    expect(world.torrent.isComplete).toBe(true)
  })

  it('that says have all again and again is sent away', () => {
    const world = new OneClient(SMALL)
    const peer = world.peer()
    world.say(peer, (w) => {
      for (let i = 0; i < 10; i++) w.plain(i % 2 === 0 ? MESSAGE.haveAll : MESSAGE.haveNone)
    })
    expect(world.session(peer)).toBeUndefined()
    expect(world.torrent.core.picker.seedCount).toBe(0)
  })

  it('cannot make us hold more answers than the limit by asking for single bytes', () => {
    const world = new OneClient(SMALL, {}, {}, [0, 1, 2, 3, 4, 5, 6, 7])
    const peer = world.peer()
    world.say(peer, (w) => w.plain(MESSAGE.interested))
    const writer = new MessageWriter()
    for (let i = 0; i < 20_000; i++) writer.block(MESSAGE.request, 3, 100, 1)
    world.receive(peer, writer.take())
    const reads = world.outputs.filter((output) => output.kind === 'read-blocks')
    expect(reads.length).toBeGreaterThan(0)
    expect(reads.length * (BLOCK + 13)).toBeLessThan(LIMITS.uploadBufferBytesMax.value + 64 * BLOCK)
  })
})

describe('what nobody can finish now', () => {
  it('makes room for pieces that others have', () => {
    const world = new OneClient(LARGE, { gatheringPiecesMax: 1 })
    const gone = world.seed()
    world.receive(gone, blockFrame(LARGE, ...world.asked(gone)[0]!))
    world.leave(gone)
    const other = world.peer()
    world.say(other, (w) => {
      w.bitfield(Uint8Array.of(0x7f))
      w.plain(MESSAGE.unchoke)
    })
    world.serve(other, 60)
    expect(world.torrent.core.pieces.have.count).toBe(7)
  })

  it('is kept while a block of it is still on its way', () => {
    const world = new OneClient(SMALL, { gatheringPiecesMax: 1 })
    const chokes = world.seed()
    const frames = world.asked(chokes).map(([piece, block]) => blockFrame(SMALL, piece, block))
    const late = frames.pop()!
    world.receive(chokes, concatBytes([...frames, Uint8Array.of(0, 0, 0, 1, MESSAGE.choke)]))
    const waits = world.peer()
    world.say(waits, (w) => {
      w.bitfield(Uint8Array.of(0x40))
      w.plain(MESSAGE.unchoke)
    })
    world.serve(waits, 2)
    world.receive(chokes, late)
    expect(world.torrent.core.pieces.have.has(0)).toBe(true)
    world.serve(waits, 2)
    expect(world.torrent.core.pieces.have.count).toBe(2)
  })

  it('gives its memory to another torrent', () => {
    const huge = made(5, 1024)
    const world = new OneClient(huge)
    const seeds = [1, 2, 3, 4].map(() => world.seed())
    expect(world.torrent.core.pieces.gathering.size).toBe(4)
    for (const seed of seeds) world.leave(seed)
    const second = made(4, 16, 9)
    world.add(2, second)
    const seed = world.seed(second)
    world.serve(seed, 30, second)
    expect(world.client.torrents.get(2)?.isComplete).toBe(true)
  })
})

describe('a short budget', () => {
  it('is shared by two torrents', () => {
    const other = made(8, 16, 3)
    const pieces = [0, 1, 2, 3, 4, 5, 6, 7]
    const world = new OneClient(LARGE, {}, { uploadBytesPerSecond: 200_000 }, pieces)
    world.add(2, other, {}, pieces)
    const peers = [world.peer(), world.peer(other)]
    for (const peer of peers)
      world.say(peer, (w) => {
        w.plain(MESSAGE.interested)
        for (let i = 0; i < 100; i++) w.block(MESSAGE.request, i >> 4, (i & 15) * BLOCK, BLOCK)
      })
    for (let i = 0; i < 200; i++) {
      for (const output of world.outputs.splice(0)) {
        if (output.kind === 'read-blocks')
          world.input({ kind: 'blocks-read', torrent: output.torrent, read: output.read, fault: undefined })
        else if (output.kind === 'send' && output.frame !== undefined)
          world.input({ kind: 'sent', connection: output.connection, frame: output.frame })
      }
      world.pass(0.05)
    }
    const [first, second] = [1, 2].map((id) => world.client.torrents.get(id)!.core.uploaded.total)
    expect(Math.min(first!, second!)).toBeGreaterThan(Math.max(first!, second!) / 2)
  })
})

describe('stopping', () => {
  it('is final for a torrent whose files are still being checked', () => {
    const world = new OneClient(SMALL)
    const options = { ...world.torrent.core.options, trackers: [['http://127.0.0.1:1/announce']] }
    world.input({ kind: 'add-torrent', torrent: 2, options: { ...options, metainfo: ONE_PIECE.metainfo } })
    expect(world.input({ kind: 'stop' }).map((output) => output.kind)).toContain('stopped')
    expect(world.input({ kind: 'checked', torrent: 2, pieces: [] })).toEqual([])
  })

  it('ends although a torrent is added meanwhile', () => {
    const world = new OneClient(SMALL, { trackers: [['http://127.0.0.1:1/announce']] })
    world.input({ kind: 'stop' })
    const options = { ...world.torrent.core.options, metainfo: ONE_PIECE.metainfo }
    world.input({ kind: 'add-torrent', torrent: 2, options })
    world.pass(600)
    expect(world.outputs.some((output) => output.kind === 'stopped')).toBe(true)
  })
})

describe('a liar among honest peers', () => {
  it('is banned although it hangs up before each verdict', () => {
    const world = new OneClient(SMALL)
    for (let round = 0; round < 3; round++) {
      const liar = world.seed()
      if (world.session(liar) === undefined) break
      for (const [piece, block] of world.asked(liar)) {
        const frame = blockFrame(SMALL, piece, block)
        frame.fill(0xee, 13)
        world.receive(liar, frame)
      }
      world.leave(liar)
    }
    const events = world.outputs.flatMap((output) => (output.kind === 'event' ? [output.event] : []))
    const failed = events.filter((event) => event.event === 'piece-failed')
    const banned = events.filter((event) => event.event === 'peer-banned')
    expect(failed.length).toBeGreaterThan(0)
    expect(banned.length).toBe(failed.length)
  })
})
