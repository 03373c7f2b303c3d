import { describe, expect, it } from 'vitest'
import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { Prng } from '../base/prng.ts'
import { type Instant, instant, seconds } from '../base/time.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { type HashRequest, hashRequestKey } from '../wire/hash-messages.ts'
import { HashTree, pieceLayerOf, rootOfPieceLayer } from '../wire/merkle.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import { LayerFetch, lacksPieceLayers } from './layer-fetch.ts'

const PIECE = 32_768

/** A v2 torrent with files of so many pieces, whose hashes are made up; the last piece is short. */
function torrentOf(pieceCounts: readonly number[], seed = 1): Metainfo {
  const files = pieceCounts.map((count, index): FileEntry => {
    const layer = new Prng(seed + index).bytes(32 * count)
    return {
      path: [`${index}`],
      rawPath: [],
      length: (count - 1) * PIECE + 100,
      offset: 0,
      isPad: false,
      piecesRoot: count === 1 ? layer : rootOfPieceLayer(layer, PIECE, nodeCrypto),
      pieceLayer: count === 1 ? null : layer,
    }
  })
  return {
    format: 'v2',
    name: 'made',
    rawName: new Uint8Array(0),
    infoHashV1: null,
    infoHashV2: new Uint8Array(32),
    infoBytes: new Uint8Array(1),
    pieceLength: PIECE,
    pieceCount: pieceCounts.reduce((sum, count) => sum + count, 0),
    contentLength: 0,
    files,
    isSingleFile: false,
    pieceHashesV1: null,
    private: false,
    trackers: [],
    webSeeds: [],
    warnings: [],
  }
}

type Script = (hashes: Uint8Array) => Uint8Array | 'reject' | undefined
const honest: Script = (hashes) => hashes
const liar: Script = (hashes) => hashes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))

class World {
  readonly whole: Metainfo
  readonly fetch: LayerFetch
  now: Instant = instant(0)
  result: Metainfo | undefined
  readonly faults: number[] = []
  readonly asked: string[] = []
  readonly #scripts = new Map<number, Script>()
  #queue: { peer: number; request: HashRequest }[] = []

  constructor(pieceCounts: readonly number[]) {
    this.whole = torrentOf(pieceCounts)
    const bare = { ...this.whole, files: this.whole.files.map((file) => ({ ...file, pieceLayer: null })) }
    this.fetch = new LayerFetch(bare, nodeCrypto, {
      requestHashes: (peer, request) => {
        this.asked.push(hashRequestKey(request))
        this.#queue.push({ peer, request })
      },
      complete: (metainfo) => {
        this.result = metainfo
      },
    })
  }

  get openCount(): number {
    return this.#queue.length
  }

  peer(id: number, script: Script): void {
    this.#scripts.set(id, script)
    this.fetch.joined(this.now, id)
  }

  leave(id: number): void {
    this.#scripts.delete(id)
    this.fetch.left(this.now, id)
  }

  answer(): void {
    while (this.#queue.length > 0) {
      const { peer, request } = this.#queue.shift()!
      const answer = this.#scripts.get(peer)?.(this.#truth(request))
      if (answer === undefined) continue
      if (answer === 'reject') this.fetch.refused(this.now, peer, request)
      else if (this.fetch.received(this.now, peer, { request, hashes: answer }) !== undefined) {
        this.faults.push(peer)
        this.leave(peer)
      }
    }
  }

  pass(secondsLong: number): void {
    for (let i = 0; i < secondsLong; i++) {
      this.now = instant(this.now + seconds(1))
      this.fetch.tick(this.now)
      this.answer()
    }
  }

  #truth(request: HashRequest): Uint8Array {
    const file = this.whole.files.find(({ piecesRoot }) => equalBytes(piecesRoot!, request.root))!
    const blockCount = Math.ceil(file.length / 16_384)
    return new HashTree(file.pieceLayer!, pieceLayerOf(PIECE), blockCount, nodeCrypto).answer(request)!
  }
}

describe('fetching piece layers', () => {
  it.each([[[2]], [[3, 1, 7]], [[512]], [[513]], [[1300, 2]], [[2049]]])(
    'of files of %j pieces',
    (counts) => {
      const world = new World(counts)
      world.peer(1, honest)
      world.peer(2, honest)
      world.answer()
      expect(world.result).toEqual(world.whole)
      expect(new Set(world.asked).size).toBe(world.asked.length)
      expect(lacksPieceLayers(world.result!)).toBe(false)
    },
  )

  it('asks once for files that are equal', () => {
    const world = new World([5])
    const [file] = world.whole.files
    const twice = { ...world.whole, files: [file!, file!].map((entry) => ({ ...entry, pieceLayer: null })) }
    const asked: HashRequest[] = []
    const fetch = new LayerFetch(twice, nodeCrypto, {
      requestHashes: (_, request) => asked.push(request),
      complete: () => {},
    })
    fetch.joined(world.now, 1)
    expect(asked).toHaveLength(1)
  })

  it('does not keep more than a few requests open at one peer', () => {
    const large = new World([512 * 20])
    large.peer(1, () => undefined)
    expect(large.openCount).toBe(LIMITS.hashesAskedMax.value / LIMITS.hashesPerRequestMax.value)
    const many = new World(Array(200).fill(2))
    many.peer(1, () => undefined)
    expect(many.openCount).toBe(LIMITS.hashRequestsAskedMax.value)
  })

  it('takes nothing from a liar, who is known by the first wrong answer', () => {
    const world = new World([1300])
    world.peer(1, liar)
    world.answer()
    expect(world.faults).toEqual([1])
    expect(world.result).toBeUndefined()
    world.peer(2, honest)
    world.answer()
    expect(world.result).toEqual(world.whole)
  })

  it('goes to others when a peer vanishes, refuses or stays silent, and comes back to it', () => {
    for (const script of [() => undefined, () => 'reject' as const]) {
      const world = new World([1300, 5])
      world.peer(1, script)
      world.peer(2, honest)
      world.pass(40)
      expect(world.result).toEqual(world.whole)
    }
    const world = new World([1300])
    world.peer(1, () => undefined)
    world.leave(1)
    expect(world.fetch.peerCount).toBe(0)
    let isReady = false
    world.peer(2, (hashes) => (isReady ? hashes : 'reject'))
    world.pass(40)
    expect(world.asked.length).toBeLessThan(40)
    isReady = true
    world.pass(20)
    expect(world.result).toEqual(world.whole)
  })

  it('ignores what nobody asked this peer for', () => {
    const world = new World([2])
    world.peer(1, () => undefined)
    const request = { root: new Uint8Array(32), baseLayer: 1, index: 0, count: 2, proofLayers: 0 }
    expect(world.fetch.received(world.now, 1, { request, hashes: new Uint8Array(64) })).toBeUndefined()
    expect(world.fetch.received(world.now, 2, { request, hashes: new Uint8Array(64) })).toBeUndefined()
    world.fetch.refused(world.now, 2, request)
    expect(world.result).toBeUndefined()
  })
})
