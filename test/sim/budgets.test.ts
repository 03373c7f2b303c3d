/** What one peer can make us compute, and one torrent take from another, is bounded (S16). */
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/base/bytes.ts'
import { PieceBuffers } from '../../src/swarm/piece-buffers.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { blockFrame, type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf } from './small-world.ts'

function made(pieceCount: number, blocksPerPiece: number, seed = 1): Content {
  const bytes = content(pieceCount * blocksPerPiece * BLOCK, seed)
  return { bytes, metainfo: metainfoOf(bytes, blocksPerPiece * BLOCK) }
}

const SMALL = made(8, 4)

/** As many pieces as it is given, which nobody will ever hash. */
function manyPieces(pieceCount: number): Content {
  const [first] = [made(1, 1)]
  const metainfo = { ...first!.metainfo, pieceCount, contentLength: pieceCount * BLOCK }
  const [file] = metainfo.files
  return {
    bytes: first!.bytes,
    metainfo: {
      ...metainfo,
      files: [{ ...file!, length: pieceCount * BLOCK }],
      pieceHashesV1: new Uint8Array(20 * pieceCount),
    },
  }
}

describe('a peer that repeats itself', () => {
  it('may send its bitfield again while pieces come in (aria2)', () => {
    const world = new OneClient(SMALL)
    const peer = world.peer()
    for (let i = 0; i < 100; i++) {
      world.say(peer, (w) => w.bitfield(Uint8Array.of(0xff << (i % 8))))
      world.pass(0.05)
    }
    expect(world.session(peer)).toBeDefined()
  })

  it('may begin with nothing, and say that it has all when it has (aria2), more than once', () => {
    const world = new OneClient(SMALL)
    const peer = world.peer()
    for (const type of [MESSAGE.haveNone, MESSAGE.haveAll, MESSAGE.haveAll]) {
      world.say(peer, (w) => w.plain(type))
      world.pass(1)
    }
    expect(world.session(peer)?.isSeed).toBe(true)
    expect(world.torrent.core.picker.seedCount).toBe(1)
  })

  it('is sent away when its bitfields of many pieces do not end', () => {
    const world = new OneClient(manyPieces(100_000))
    const peer = world.peer()
    const bits = new Uint8Array(100_000 / 8)
    let sent = 0
    for (; world.session(peer) !== undefined && sent < 1000; sent++) {
      bits[0] = sent
      world.say(peer, (w) => w.bitfield(bits))
      world.pass(0.01)
    }
    expect(sent).toBeGreaterThan(5)
    expect(sent).toBeLessThan(20)
    expect(world.torrent.core.picker.availability(7)).toBe(0)
  })

  it('is sent away when it refuses its last piece and has it again without end', () => {
    const world = new OneClient(manyPieces(100_000))
    const peer = world.seed()
    let turns = 0
    for (; world.session(peer) !== undefined && turns < 1000; turns++) {
      const [piece] = world.asked(peer)[0]!
      world.say(peer, (w) => {
        w.block(MESSAGE.reject, piece, 0, BLOCK)
        w.number(MESSAGE.have, piece)
      })
      world.pass(0.01)
    }
    expect(turns).toBeLessThan(20)
  })

  it('is asked no more when it refuses a piece and has it again without end', () => {
    const world = new OneClient(manyPieces(100_000))
    const peer = world.peer()
    world.say(peer, (w) => {
      w.plain(MESSAGE.unchoke)
      w.number(MESSAGE.have, 99_999)
    })
    let turns = 0
    for (; world.asked(peer).length > 0 && turns < 1000; turns++) {
      world.say(peer, (w) => {
        w.block(MESSAGE.reject, 99_999, 0, BLOCK)
        w.number(MESSAGE.have, 99_999)
      })
      world.pass(0.01)
    }
    expect(turns).toBeGreaterThan(3)
    expect(turns).toBeLessThan(20)
  })

  it('costs no search among open pieces while there is no room to start one', () => {
    const world = new OneClient(SMALL, {}, { buffers: new PieceBuffers(4 * BLOCK) })
    const [owner, waiting] = [world.seed(), world.seed()]
    expect(world.asked(owner)).not.toEqual([])
    expect(world.asked(waiting)).toEqual([])
    const { picker } = world.torrent.core
    const pick = picker.pick.bind(picker)
    let searches = 0
    picker.pick = (has) => {
      searches++
      return pick(has)
    }
    for (let i = 0; i < 100; i++) world.receive(waiting, new Uint8Array(4))
    expect(searches).toBe(0)
    world.serve(owner, 20)
    world.serve(waiting, 20)
    expect(world.torrent.isComplete).toBe(true)
  })

  it('costs no search among open pieces by having what we have', () => {
    const world = new OneClient(SMALL, {}, {}, [0, 1, 2, 3])
    const choking = world.peer()
    world.say(choking, (w) => w.bitfield(Uint8Array.of(0b0000_1100)))
    const [owner, peer] = [world.peer(), world.peer()]
    for (const one of [owner, peer])
      world.say(one, (w) => {
        w.plain(MESSAGE.unchoke)
        w.number(MESSAGE.have, 6)
      })
    expect(world.asked(owner).map(([piece]) => piece)).toContain(6)
    expect([world.asked(peer), world.session(peer)!.amInterested]).toEqual([[], true])
    const { picker } = world.torrent.core
    const pick = picker.pick.bind(picker)
    let searches = 0
    picker.pick = (has) => {
      searches++
      return pick(has)
    }
    for (const piece of [0, 1, 2, 3]) world.say(peer, (w) => w.number(MESSAGE.have, piece))
    expect(searches).toBe(0)
    world.say(peer, (w) => w.number(MESSAGE.have, 5))
    expect(world.asked(peer).map(([piece]) => piece)).toContain(5)
  })
})

describe('a disk that is behind', () => {
  it('gets so many short pieces and no more, and all of them in the end', () => {
    const bytes = content(8000 * 32)
    const short = { bytes, metainfo: metainfoOf(bytes, 32) }
    const world = new OneClient(short)
    world.trustsPeers = true
    world.holdsWrites = true
    const peer = world.seed()
    world.serve(peer, 60, short)
    const { checking } = world.torrent.core.pieces
    expect(checking.size).toBeGreaterThan(4000)
    expect(checking.size).toBeLessThan(6000)
    expect(world.asked(peer)).toEqual([])
    world.holdsWrites = false
    for (const piece of [...checking.keys()])
      world.input({ kind: 'piece-written', torrent: 1, piece, fault: undefined })
    world.serve(peer, 60, short)
    expect(world.torrent.isComplete).toBe(true)
  })
})

describe('complete pieces that wait', () => {
  const MIB = 1024 * 1024
  const LONG = made(240, 16, 9)

  /** MiB that wait once nothing is asked for any more. */
  function waitingMib(isHashedAside: boolean): number {
    const world = new OneClient(LONG, {}, { buffers: new PieceBuffers(64 * MIB) })
    if (isHashedAside) world.input({ kind: 'hashing-aside' })
    world.trustsPeers = true
    world.holdsWrites = true
    const peer = world.seed()
    for (let i = 0; i < 1000 && (i === 0 || world.asked(peer).length > 0); i++) {
      const frames = world.asked(peer).slice(0, 16)
      world.receive(peer, concatBytes(frames.map(([piece, block]) => blockFrame(LONG, piece, block))))
    }
    expect(world.asked(peer)).toEqual([])
    const { checking, checkingBytes } = world.torrent.core.pieces
    world.holdsWrites = false
    for (const piece of [...checking.keys()])
      world.input({ kind: 'piece-written', torrent: 1, piece, fault: undefined })
    expect(world.asked(peer)).not.toEqual([])
    return checkingBytes / MIB
  }

  it('are few while the same thread hashes, and a quarter of the pool when another does', () => {
    const here = waitingMib(false)
    const aside = waitingMib(true)
    expect(here).toBeGreaterThan(8)
    expect(here).toBeLessThan(16)
    // What is on its way by then comes on top, in both cases.
    expect(aside).toBeGreaterThan(16)
    expect(aside).toBeLessThan(32)
  })
})

describe('a piece larger than the pool', () => {
  const LARGE = made(2, 16, 5)

  function both(budgetBlocks: number): OneClient {
    const world = new OneClient(made(200, 4), {}, { buffers: new PieceBuffers(budgetBlocks * BLOCK) })
    world.add(2, LARGE)
    return world
  }

  function give(world: OneClient, peer: number, from: Content, count = 1): void {
    const asked = world.asked(peer).slice(0, count)
    const frames = asked.map(([piece, block]) => blockFrame(from, piece, block))
    if (frames.length > 0) world.receive(peer, concatBytes(frames))
  }

  it('gets its turn although another torrent always has more to fetch, and that one its own', () => {
    const first = made(200, 4)
    const world = both(12)
    const [busy, large] = [world.seed(first), world.seed(LARGE)]
    const turns = new Set<number>()
    for (let i = 0; i < 400 && world.client.torrents.get(2)?.isComplete === false; i++) {
      // One torrent is never quite done with its pieces.
      give(world, busy, first, 3)
      give(world, large, LARGE, 8)
      if (world.client.torrents.get(2)!.core.pieces.have.count === 1)
        turns.add(world.torrent.core.pieces.have.count)
      world.pass(0.05)
    }
    expect(world.client.torrents.get(2)?.isComplete).toBe(true)
    expect(world.torrent.isComplete).toBe(false)
    // Between the two large pieces the other torrent went on.
    expect(turns.size).toBeGreaterThan(1)
  })

  it('does not wait for ever for peers that bring a block now and then', () => {
    const first = made(3, 200, 7)
    const world = new OneClient(first, {}, { buffers: new PieceBuffers(208 * BLOCK) })
    const long = made(1, 256, 8)
    world.add(2, long)
    const slow = world.seed(first)
    const large = world.seed(long)
    let waited = 0
    for (; world.client.torrents.get(2)?.isComplete === false && waited < 600; waited++) {
      if (waited % 3 === 0) give(world, slow, first)
      for (let i = 0; i < 40; i++) give(world, large, long, 8)
      world.pass(1)
    }
    expect(world.client.torrents.get(2)?.isComplete).toBe(true)
    expect(waited).toBeGreaterThan(60)
    expect(waited).toBeLessThan(200)
    expect(world.torrent.core.pieces.gathering.size).toBeLessThanOrEqual(1)
  })
})
