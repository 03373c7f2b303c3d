/**
 * One liar among twenty peers (S14): it is banned after at most three bad pieces, nobody else is, and the
 * download hardly takes longer than from twenty honest ones.
 */
import { describe, expect, it } from 'vitest'
import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { Prng } from '../../src/base/prng.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { blockFrame, type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf, type Peer, type PeerSetup, SmallWorld } from './small-world.ts'

const BAD_PIECES_MAX = 3

function made(pieceCount: number, blocksPerPiece: number, seed = 1): Content {
  const bytes = content(pieceCount * blocksPerPiece * BLOCK, seed)
  return { bytes, metainfo: metainfoOf(bytes, blocksPerPiece * BLOCK) }
}

function banned(events: readonly SwarmEvent[]): string[] {
  return events.flatMap((event) => (event.event === 'peer-banned' ? [event.address] : []))
}

function failedBeforeBan(events: readonly SwarmEvent[]): number {
  const end = events.findIndex((event) => event.event === 'peer-banned')
  return events.slice(0, end < 0 ? undefined : end).filter((event) => event.event === 'piece-failed').length
}

describe.each([1, 2, 3])('a liar among twenty peers of a download (seed %i)', (seed) => {
  const { bytes, metainfo } = made(160, 8, seed)
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

  it.each<[string, () => PeerSetup]>([
    ['everything', () => ({ spoil: spoilEvery(1) })],
    ['everything, slowly', () => ({ spoil: spoilEvery(1), uploadBytesPerSecond: RATE / 10 })],
    ['one block in fifty', () => ({ spoil: spoilEvery(50), uploadBytesPerSecond: RATE })],
    ['everything after a while', () => ({ spoil: spoilEvery(1, 30) })],
  ])('who spoils %s', (_, setup) => {
    const { seconds, leecher, liarAddress } = download(setup())
    expect(banned(leecher.events)).toEqual([liarAddress])
    expect(failedBeforeBan(leecher.events)).toBeLessThanOrEqual(BAD_PIECES_MAX)
    expect(seconds / honest).toBeLessThan(1.3)
  })
})

/**
 * Twenty peers played block by block. `bad` are asked for the same as all others, give one spoiled block of
 * each piece and refuse the rest, so that others finish what they began.
 */
class Mixing {
  readonly world: OneClient
  readonly good: number[]
  readonly bad: number[]
  readonly #content: Content

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

  run(turnsMax: number): void {
    for (let turn = 0; turn < turnsMax && !this.world.torrent.isComplete; turn++) {
      for (const peer of this.bad) this.#lie(peer)
      for (const peer of this.good) {
        // Two blocks at a time, so that pieces of many peers are on their way at any moment.
        const asked = this.world.asked(peer).slice(0, 2)
        const frames = asked.map(([piece, block]) => blockFrame(this.#content, piece, block))
        if (frames.length > 0 && this.world.session(peer)) this.world.receive(peer, concatBytes(frames))
      }
      this.world.pass(0.1)
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
