/**
 * Hashes of blocks for others (BEP 52, layer 0), read from a disk that the test plays: every answer leads to
 * the root of its file, and no number of questions costs more than is allowed (S16).
 */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import { fail } from '../../src/base/result.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { decodeHashes, encodeHashRequest, type HashRequest } from '../../src/wire/hash-messages.ts'
import { treeHeight, verifyHashes } from '../../src/wire/merkle.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'
import { metainfoFrom, OneClient } from './one-client.ts'
import { BLOCK } from './small-world.ts'

const PIECE = 8 * BLOCK

/** One of five pieces and a bit, one of a piece and a bit less, one of a block. */
class Library {
  readonly world: OneClient
  readonly fixture
  /** What is on the disk; undefined for what cannot be read. */
  disk: (piece: number) => Uint8Array | undefined
  readonly #reads = new Set<number>()

  constructor(format: 'v2' | 'hybrid', have?: number[]) {
    const files = { a: 5 * PIECE + 3 * BLOCK + 7, b: 5 * BLOCK - 1, c: 100 }
    this.fixture = torrentFixture({ format, files, pieceLength: PIECE })
    this.disk = (piece) => this.fixture.piece(piece)
    const metainfo = metainfoFrom(this.fixture)
    const all = Array.from({ length: metainfo.pieceCount }, (_, piece) => piece)
    const bytes = new Uint8Array(0)
    this.world = new OneClient({ metainfo, bytes }, { role: 'seed-only' }, {}, have ?? all)
  }

  /** Reads that wait for the disk. */
  get readCount(): number {
    const reads = this.world.outputs.flatMap((output) => (output.kind === 'read-blocks' ? [output.read] : []))
    return reads.filter((read) => !this.#reads.has(read)).length
  }

  ask(peer: number, requests: readonly HashRequest[]): void {
    this.world.say(peer, (writer) => {
      for (const request of requests) writer.bytes(MESSAGE.hashRequest, encodeHashRequest(request))
    })
  }

  /** The disk answers until nothing is asked of it any more. */
  read(countMax = Number.POSITIVE_INFINITY): void {
    for (let count = 0; count < countMax; count++) {
      const output = this.world.outputs.find(
        (candidate) => candidate.kind === 'read-blocks' && !this.#reads.has(candidate.read),
      )
      if (output?.kind !== 'read-blocks') return
      this.#reads.add(output.read)
      const bytes = this.disk(output.piece)
      let at = output.begin
      for (const view of output.views) {
        if (bytes !== undefined) view.set(bytes.subarray(at, at + view.length))
        at += view.length
      }
      const fault = bytes === undefined ? fail('storage/read-failed', 'the disk is broken').error : undefined
      this.world.input({ kind: 'blocks-read', torrent: 1, read: output.read, fault })
    }
  }

  /**
   * Whether the peer was given hashes that lead to the root, for each of its requests; false for a refusal.
   */
  answers(peer: number, length: number): boolean[] {
    const blockCount = Math.ceil(length / BLOCK)
    const told = this.world.frames(peer, MESSAGE.hashes).map((payload) => decodeHashes(payload))
    const right = told.map((hashes) => {
      if (!hashes.ok) return false
      const { request } = hashes.value
      return verifyHashes(request.root, blockCount, request, hashes.value.hashes, nodeCrypto).ok
    })
    return [...right, ...this.world.frames(peer, MESSAGE.hashReject).map(() => false)]
  }
}

const A = 5 * PIECE + 3 * BLOCK + 7

describe.each(['v2', 'hybrid'] as const)('hashes of blocks, %s', (format) => {
  const layersOf = (length: number) => treeHeight(Math.ceil(length / BLOCK)) - 1

  function request(library: Library, file: number, index: number, count: number): HashRequest {
    const { piecesRoot, length } = library.world.torrent.core.options.metainfo.files.filter(
      ({ isPad }) => !isPad,
    )[file]!
    return { root: piecesRoot!, baseLayer: 0, index, count, proofLayers: layersOf(length) }
  }

  it.each<[string, number, number, number, number]>([
    ['a piece', 0, 8, 8, A],
    ['a part of a piece', 0, 12, 2, A],
    ['several pieces', 0, 16, 16, A],
    ['the last piece, which is short', 0, 40, 8, A],
    ['pieces and what would follow the end', 0, 32, 32, A],
    ['a file of one piece', 1, 0, 8, 5 * BLOCK - 1],
    ['a part of a file of one piece', 1, 4, 2, 5 * BLOCK - 1],
  ])('of %s', (_, file, index, count, length) => {
    const library = new Library(format)
    const peer = library.world.peer()
    library.ask(peer, [request(library, file, index, count)])
    library.read()
    expect(library.answers(peer, length)).toEqual([true])
  })

  it('without a proof are hashes alone', () => {
    const library = new Library(format)
    const peer = library.world.peer()
    library.ask(peer, [{ ...request(library, 0, 8, 8), proofLayers: 0 }])
    library.read()
    expect(library.world.frames(peer, MESSAGE.hashes)[0]).toHaveLength(48 + 8 * 32)
  })

  it.each<[string, Partial<HashRequest>]>([
    ['past the end', { index: 64 }],
    ['of padding only', { index: 56, count: 8 }],
    ['out of line', { index: 4, count: 8 }],
    ['more than 512', { index: 0, count: 1024 }],
    ['with a proof past the root', { proofLayers: 9 }],
    ['of a layer between', { baseLayer: 1, index: 4, count: 2, proofLayers: 0 }],
    ['of another torrent', { root: new Uint8Array(32) }],
  ])('are refused %s', (_, change) => {
    const library = new Library(format)
    const peer = library.world.peer()
    library.ask(peer, [{ ...request(library, 0, 8, 8), ...change }])
    expect(library.readCount).toBe(0)
    expect(library.answers(peer, A)).toEqual([false])
  })

  it('are refused of a piece that is not there', () => {
    const library = new Library(format, [0, 2, 3, 4, 5])
    const peer = library.world.peer()
    library.ask(peer, [request(library, 0, 8, 8), request(library, 0, 0, 16), request(library, 0, 16, 8)])
    library.read()
    expect(library.answers(peer, A).sort()).toEqual([false, false, true])
  })

  it('are refused when the disk has something else', () => {
    const library = new Library(format)
    library.disk = (piece) => library.fixture.piece(piece).map((byte, at) => (at === 1000 ? byte ^ 1 : byte))
    const peer = library.world.peer()
    library.ask(peer, [request(library, 0, 8, 8)])
    library.read()
    expect(library.answers(peer, A)).toEqual([false])
  })

  it('are refused when the disk cannot be read, and the piece is not offered any more', () => {
    const library = new Library(format)
    library.disk = () => undefined
    const peer = library.world.peer()
    library.ask(peer, [request(library, 0, 8, 8)])
    library.read()
    expect(library.answers(peer, A)).toEqual([false])
    expect(library.world.torrent.core.pieces.have.has(1)).toBe(false)
  })

  it('are read for nobody who has left', () => {
    const library = new Library(format)
    const [gone, here] = [library.world.peer(), library.world.peer()]
    library.ask(gone, [request(library, 0, 0, 16), request(library, 0, 16, 16)])
    library.ask(here, [request(library, 0, 8, 8)])
    library.read(1)
    library.world.leave(gone)
    library.read()
    expect(library.answers(gone, A)).toEqual([])
    expect(library.answers(here, A)).toEqual([true])
    expect(library.world.outputs.filter((output) => output.kind === 'read-blocks').length).toBeLessThan(5)
  })

  it('are read one at a time, for a few questions, and not without end', () => {
    const library = new Library(format)
    const peer = library.world.peer()
    const asked = Array.from({ length: 3000 }, () => request(library, 0, 0, 16))
    library.ask(peer, asked.slice(0, 100))
    expect(library.readCount).toBe(1)
    library.read()
    expect(library.answers(peer, A).filter(Boolean)).toHaveLength(4)
    for (let i = 0; i < 1000; i++) {
      library.ask(peer, asked.slice(0, 3))
      library.read()
    }
    const bytes = 16 * BLOCK * library.answers(peer, A).filter(Boolean).length
    expect(bytes).toBeLessThanOrEqual(LIMITS.blockHashBytesMax.value)
    expect(library.answers(peer, A)).toHaveLength(3100)
    const other = library.world.peer()
    library.ask(other, [request(library, 0, 0, 16)])
    library.read()
    expect(library.answers(other, A)).toEqual([true])
    library.world.pass(10)
    library.ask(peer, [request(library, 0, 0, 16)])
    library.read()
    expect(library.answers(peer, A)).toHaveLength(3101)
    expect(library.answers(peer, A).filter(Boolean)).toHaveLength(bytes / (16 * BLOCK) + 1)
  })

  it('of sixteen peers wait their turn, and the next is refused', () => {
    const library = new Library(format)
    const peers = Array.from({ length: 17 }, () => library.world.peer())
    for (const peer of peers) library.ask(peer, [request(library, 0, 8, 8)])
    expect(library.readCount).toBe(1)
    library.read()
    expect(peers.map((peer) => library.answers(peer, A)[0])).toEqual([...new Array(16).fill(true), false])
  })
})
