import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { Prng } from '../base/prng.ts'
import { type Instant, instant, seconds } from '../base/time.ts'
import { METADATA_PART_LENGTH as PART } from '../wire/metadata-messages.ts'
import { MetadataFetch } from './metadata-fetch.ts'

const crypto = {
  sha1: (bytes: Uint8Array) => new Uint8Array(hash('sha1', bytes, 'buffer')),
  sha256: (bytes: Uint8Array) => new Uint8Array(hash('sha256', bytes, 'buffer')),
}

/** How a peer answers a request for a part; undefined for silence. */
type Answer = { bytes: Uint8Array; totalSize?: number } | 'reject' | undefined
type Script = (part: number, truth: Uint8Array) => Answer

const honest: Script = (_, truth) => ({ bytes: truth })
const liar: Script = (_, truth) => ({ bytes: truth.map((byte) => byte ^ 1) })

class World {
  readonly truth: Uint8Array
  readonly fetch: MetadataFetch
  now: Instant = instant(0)
  /** `peer/part`, in the order they were asked for. */
  readonly asked: string[] = []
  readonly banned: string[] = []
  readonly failed: (readonly string[])[] = []
  /** Peers whose promises were broken in a way that ends the session. */
  readonly faults: number[] = []
  fetched: Uint8Array | undefined
  readonly #scripts = new Map<number, Script>()
  #queue: { peer: number; part: number }[] = []

  constructor(length: number, version: 'v1' | 'v2' | 'both' = 'v1') {
    this.truth = new Prng(length).bytes(length)
    const hashes = {
      infoHashV1: version === 'v2' ? null : crypto.sha1(this.truth),
      infoHashV2: version === 'v1' ? null : crypto.sha256(this.truth),
    }
    this.fetch = new MetadataFetch(hashes, crypto, {
      requestPart: (peer, part) => {
        this.asked.push(`${peer}/${part}`)
        this.#queue.push({ peer, part })
      },
      banned: (address) => this.banned.push(address),
      failed: (senders) => this.failed.push(senders),
      fetched: (bytes) => {
        this.fetched = bytes
      },
    })
  }

  peer(id: number, script: Script, size = this.truth.length): void {
    this.#scripts.set(id, script)
    this.fetch.offers(this.now, id, `10.0.0.${id}:1`, size)
  }

  leave(id: number): void {
    this.#scripts.delete(id)
    this.fetch.left(this.now, id)
  }

  /** Every peer answers what it was asked, until nothing is left to say. */
  answer(countMax = Number.POSITIVE_INFINITY): void {
    for (let i = 0; this.#queue.length > 0 && i < countMax; i++) {
      const { peer, part } = this.#queue.shift()!
      const answer = this.#scripts.get(peer)?.(part, this.truth.slice(part * PART, (part + 1) * PART))
      if (answer === undefined) continue
      const message =
        answer === 'reject'
          ? ({ kind: 'reject', part } as const)
          : ({ kind: 'data', part, totalSize: undefined, ...answer } as const)
      if (this.fetch.received(this.now, peer, message) !== undefined) {
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

  get isRight(): boolean {
    return this.fetched !== undefined && equalBytes(this.fetched, this.truth)
  }
}

describe('fetching metadata', () => {
  it.each(['v1', 'v2', 'both'] as const)('asks each part once, spread over the peers (%s)', (version) => {
    const world = new World(5 * PART + 1, version)
    world.peer(1, honest)
    world.peer(2, honest)
    world.answer()
    expect(world.isRight).toBe(true)
    expect(new Set(world.asked.map((asked) => asked.split('/')[1])).size).toBe(6)
    expect(world.asked).toHaveLength(6)
    expect(new Set(world.asked.map((asked) => asked.split('/')[0])).size).toBe(2)
  })

  it('does not keep more than a few parts open at one peer', () => {
    const world = new World(50 * PART)
    world.peer(1, honest)
    expect(world.asked).toHaveLength(LIMITS.metadataPartsAskedMax.value)
  })

  it('needs both hashes where both are known', () => {
    const world = new World(100, 'both')
    const other = new World(100, 'v1')
    const both = new MetadataFetch(
      { infoHashV1: crypto.sha1(other.truth), infoHashV2: new Uint8Array(32) },
      crypto,
      {
        requestPart: () => {},
        banned: () => {},
        failed: (senders) => world.failed.push(senders),
        fetched: () => {
          throw new Error('must not be taken')
        },
      },
    )
    both.offers(world.now, 1, 'a', 100)
    both.received(world.now, 1, { kind: 'data', part: 0, totalSize: 100, bytes: other.truth })
    expect(world.failed).toEqual([['a']])
  })

  it('asks one peer at a time once the parts of several gave a wrong whole', () => {
    const world = new World(8 * PART)
    world.peer(1, liar)
    world.peer(2, honest)
    world.answer()
    expect(world.isRight).toBe(true)
    expect(world.failed[0]).toEqual(['10.0.0.1:1', '10.0.0.2:1'])
    expect(world.banned).not.toContain('10.0.0.2:1')
  })

  it('bans who sends a wrong whole twice, and takes it from the next', () => {
    const world = new World(2 * PART)
    world.peer(1, liar)
    world.answer()
    expect(world.banned).toEqual(['10.0.0.1:1'])
    world.leave(1)
    world.peer(2, honest)
    world.answer()
    expect(world.isRight).toBe(true)
    expect(world.banned).toHaveLength(1)
  })

  it('asks a peer once more whose memory failed it once', () => {
    const world = new World(3 * PART)
    let wrongCount = 0
    world.peer(1, (part, truth) =>
      part === 1 && wrongCount++ === 0 ? liar(part, truth) : honest(part, truth),
    )
    world.answer()
    expect(world.isRight).toBe(true)
    expect(world.banned).toEqual([])
  })

  it('believes the size that most peers claim', () => {
    const world = new World(3 * PART)
    world.peer(1, () => undefined, 40 * PART)
    world.pass(1)
    world.peer(2, honest)
    world.peer(3, honest)
    // The lone claim of another size is silent and given up.
    world.pass(40)
    expect(world.isRight).toBe(true)
  })

  it.each([0, -1, LIMITS.metadataBytesMax.value + 1])(
    'asks nothing of a peer that claims %i bytes',
    (size) => {
      const world = new World(PART)
      world.peer(1, honest, size)
      expect(world.asked).toEqual([])
      expect(world.fetch.peerCount).toBe(0)
    },
  )

  it.each([
    ['shorter than it must be', { bytes: new Uint8Array(5) }],
    ['of another total size', { bytes: new Uint8Array(PART), totalSize: 5 }],
  ])('ends the session of a peer that sends a part %s', (_, answer) => {
    const world = new World(2 * PART)
    world.peer(1, () => answer)
    world.answer(1)
    expect(world.faults).toEqual([1])
  })

  it('goes on with others when a peer vanishes, refuses or stays silent', () => {
    for (const script of [() => undefined, () => 'reject' as const]) {
      const world = new World(6 * PART)
      world.peer(1, script)
      world.peer(2, honest)
      world.pass(60)
      expect(world.isRight).toBe(true)
    }
    const world = new World(6 * PART)
    world.peer(1, () => undefined)
    world.leave(1)
    world.peer(2, honest)
    world.answer()
    expect(world.isRight).toBe(true)
  })

  it('keeps asking a lone peer that refused, but leaves it in peace for a while', () => {
    const world = new World(PART)
    let isReady = false
    world.peer(1, (part, truth) => (isReady ? honest(part, truth) : 'reject'))
    world.pass(50)
    expect(world.asked.length).toBeLessThan(5)
    isReady = true
    world.pass(30)
    expect(world.isRight).toBe(true)
  })

  it('ignores parts that nobody asked for', () => {
    const world = new World(2 * PART)
    world.peer(1, () => undefined)
    world.peer(2, () => undefined)
    const message = { kind: 'data', part: 0, totalSize: undefined, bytes: new Uint8Array(3) } as const
    expect(world.fetch.received(world.now, 9, message)).toBeUndefined()
    for (const [peer, part] of world.asked.map((asked) => asked.split('/').map(Number)))
      expect(world.fetch.received(world.now, 3 - peer!, { ...message, part: part! })).toBeUndefined()
    expect(world.fetched).toBeUndefined()
  })

  it('is not held up by a majority that agrees on a size and keeps silent in turns', () => {
    const world = new World(PART)
    for (const id of [1, 2, 3]) world.peer(id, () => undefined, PART - 1)
    world.peer(4, honest)
    world.pass(60)
    expect(world.isRight).toBe(true)
  })

  it('keeps what it has while nobody is there, or only silent ones of the same size', () => {
    const world = new World(20 * PART)
    world.peer(1, honest)
    world.answer(15)
    world.leave(1)
    world.peer(2, () => undefined)
    world.pass(60)
    world.leave(2)
    world.pass(60)
    world.asked.length = 0
    world.peer(3, honest)
    world.pass(1)
    expect(world.isRight).toBe(true)
    expect(world.asked).toHaveLength(5)
  })

  it('gets there among any liars as long as one peer is honest, and never bans that one', () => {
    const scripts: Script[] = [liar, () => 'reject', () => undefined, () => ({ bytes: new Uint8Array(1) })]
    const others = fc.array(fc.record({ script: fc.nat(3), extra: fc.nat(2) }), { maxLength: 6 })
    fc.assert(
      fc.property(others, fc.nat(6), fc.integer({ min: 1, max: 5 * PART }), (peers, place, length) => {
        const world = new World(length)
        peers.splice(place, 0, { script: -1, extra: 0 })
        const honestId = peers.findIndex(({ script }) => script === -1) + 1
        for (const [index, { script, extra }] of peers.entries())
          world.peer(index + 1, scripts[script] ?? honest, length + extra * PART)
        for (let i = 0; i < 40 && world.fetched === undefined; i++) world.pass(30)
        expect(world.isRight).toBe(true)
        expect(world.banned).not.toContain(`10.0.0.${honestId}:1`)
      }),
      { numRuns: 30, endOnFailure: true },
    )
  })
})
