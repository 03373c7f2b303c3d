/** The small parts of the engine, each alone: queue, window, choker, peer list, buffers. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { Prng } from '../base/prng.ts'
import { instant, seconds } from '../base/time.ts'
import { type ChokeCandidate, Choker } from './choker.ts'
import { clientName, peerIdText } from './client-name.ts'
import { PeerList } from './peer-list.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { RequestQueue } from './request-queue.ts'
import { RequestWindow } from './request-window.ts'

describe('RequestQueue', () => {
  it('is a bounded queue from which entries can be taken out', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push'), begin: fc.nat(30) }),
      fc.record({ kind: fc.constant('drop'), begin: fc.nat(30) }),
      fc.record({ kind: fc.constant('remove'), begin: fc.nat(30) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queue = new RequestQueue(150)
        const model: number[] = []
        for (const { kind, begin } of steps) {
          if (kind === 'push') {
            expect(queue.push(0, begin, 1)).toBe(model.length < 150)
            if (model.length < 150) model.push(begin)
          } else if (kind === 'drop' && model.length > 0) {
            const at = begin % model.length
            const count = Math.min(2, model.length - at)
            queue.drop(count, at)
            model.splice(at, count)
          } else if (kind === 'remove') {
            const at = model.indexOf(begin)
            expect(queue.remove({ piece: 0, begin, length: 1 })).toBe(at >= 0)
            if (at >= 0) model.splice(at, 1)
          }
          expect(Array.from({ length: queue.size }, (_, i) => queue.at(i).begin)).toEqual(model)
        }
      }),
    )
  })

  it('finds runs of neighbouring blocks of one piece', () => {
    const queue = new RequestQueue(10)
    for (const [piece, begin] of [
      [1, 0],
      [1, 16],
      [1, 32],
      [1, 64],
      [2, 80],
    ] as const)
      queue.push(piece, begin, 16)
    expect(queue.run(8)).toEqual({ piece: 1, begin: 0, count: 3, bytes: 48 })
    expect(queue.run(2)).toEqual({ piece: 1, begin: 0, count: 2, bytes: 32 })
    expect(queue.run(8, 1)).toEqual({ piece: 1, begin: 16, count: 2, bytes: 32 })
    expect(queue.run(8, 4)).toEqual({ piece: 2, begin: 80, count: 1, bytes: 16 })
    queue.drop(3)
    expect(queue.run(8)).toEqual({ piece: 1, begin: 64, count: 1, bytes: 16 })
  })
})

describe('RequestWindow', () => {
  const BLOCK = 16_384

  it('opens while blocks come faster and faster', () => {
    const window = new RequestWindow(BLOCK)
    for (let i = 0; i < 5000; i++) window.received(instant(i * 100), BLOCK, 1)
    expect(window.depth).toBe(LIMITS.requestsOutstandingPerPeerMax.value)
  })

  it('follows the rate of a slow peer', () => {
    const window = new RequestWindow(BLOCK)
    for (let i = 0; i < 60; i++) window.received(instant(i * seconds(0.16)), BLOCK, 1)
    expect(window.depth).toBeGreaterThanOrEqual(4)
    expect(window.depth).toBeLessThan(20)
    expect(window.waitSeconds(10)).toBeGreaterThan(1)
    expect(window.waitSeconds(10)).toBeLessThan(2.5)
  })

  it('leaves a snubbed peer one request until it answers', () => {
    const window = new RequestWindow(BLOCK)
    window.snub()
    expect([window.depth, window.isSnubbed]).toEqual([1, true])
    window.received(instant(0), BLOCK, 1)
    expect(window.isSnubbed).toBe(false)
    expect(window.depth).toBeGreaterThan(1)
  })
})

describe('Choker', () => {
  const peer = (id: number, rate: number, change: Partial<ChokeCandidate> = {}): ChokeCandidate => ({
    id,
    isInterested: true,
    isSnubbed: false,
    rate,
    connectedSeconds: 100,
    ...change,
  })

  it('serves everybody who is interested while there are slots', () => {
    const choker = new Choker(new Prng(1))
    expect([...choker.round([peer(1, 0), peer(2, 5, { isInterested: false })], 4)]).toEqual([1])
  })

  it('keeps the best and one by chance, never more than the slots', () => {
    const peers = Array.from({ length: 10 }, (_, id) => peer(id, id * 100))
    const chosen = new Set<number>()
    const choker = new Choker(new Prng(2))
    for (let round = 0; round < 60; round++) {
      const unchoked = choker.round(peers, 4)
      expect(unchoked.size).toBe(4)
      for (const best of [9, 8, 7]) expect(unchoked.has(best)).toBe(true)
      for (const id of unchoked) chosen.add(id)
    }
    expect(chosen.size).toBeGreaterThan(7)
  })

  it('puts peers that owe us blocks last', () => {
    const peers = [peer(1, 900, { isSnubbed: true }), peer(2, 10), peer(3, 20), peer(4, 30)]
    const choker = new Choker(new Prng(3))
    choker.round(peers, 3)
    expect(choker.round(peers, 3).has(4) && choker.round(peers, 3).has(3)).toBe(true)
  })
})

describe('PeerList', () => {
  const endpoint = (port: number, host = '10.0.0.1') => ({ host, port })

  it('offers each address once, then backs off after failures', () => {
    const peers = new PeerList(new Prng(1))
    expect(peers.add(endpoint(1), 'tracker')).toBe(true)
    expect(peers.add(endpoint(1), 'pex')).toBe(false)
    const first = peers.candidate(instant(0))
    first!.isConnected = true
    expect(peers.candidate(instant(0))).toBeUndefined()
    peers.release(instant(0), endpoint(1), false)
    expect(peers.candidate(instant(seconds(3)))).toBeUndefined()
    expect(peers.candidate(instant(seconds(7)))).toBeDefined()
  })

  it('waits longer after each failure, and starts anew after a useful session', () => {
    const peers = new PeerList(new Prng(1))
    peers.add(endpoint(1), 'tracker')
    for (let i = 0; i < 6; i++) peers.release(instant(0), endpoint(1), false)
    expect(peers.candidate(instant(seconds(60)))).toBeUndefined()
    peers.release(instant(0), endpoint(1), true)
    expect(peers.candidate(instant(seconds(10)))).toBeDefined()
  })

  it('knows when there will be somebody to dial, however often it was asked before', () => {
    const peers = new PeerList(new Prng(1))
    expect(peers.candidate(instant(0))).toBeUndefined()
    expect(peers.nextCandidateAt()).toBeUndefined()
    for (const port of [1, 2]) {
      peers.add(endpoint(port), 'tracker')
      peers.candidate(instant(0))!.isConnected = true
    }
    expect(peers.candidate(instant(0))).toBeUndefined()
    peers.release(instant(0), endpoint(2), false)
    peers.release(instant(seconds(1)), endpoint(1), false)
    expect(peers.candidate(instant(seconds(1)))).toBeUndefined()
    const next = peers.nextCandidateAt()!
    expect(peers.candidate(instant(next - 1))).toBeUndefined()
    expect(peers.candidate(next)).toBeDefined()
    peers.add(endpoint(3), 'tracker')
    expect(peers.candidate(instant(seconds(1)))?.endpoint.port).toBe(3)
  })

  it('does not dial who has dialled us, if we hear of the address before or after', () => {
    const peers = new PeerList(new Prng(1))
    peers.add(endpoint(1), 'tracker')
    peers.arrived(endpoint(1))
    peers.arrived(endpoint(2))
    peers.add(endpoint(2), 'tracker')
    expect(peers.candidate(instant(0))).toBeUndefined()
    // a dial crossed with theirs and was closed
    peers.release(instant(0), endpoint(1), false)
    expect(peers.candidate(instant(seconds(60)))).toBeUndefined()
    peers.departed(instant(seconds(60)), endpoint(2), true)
    expect(peers.candidate(instant(seconds(67)))?.endpoint.port).toBe(2)
  })

  it('bans a host, but on loopback only the endpoint', () => {
    const peers = new PeerList(new Prng(1))
    peers.ban(endpoint(1))
    expect(peers.isBanned(endpoint(2))).toBe(true)
    peers.ban(endpoint(1, '127.0.0.1'))
    expect(peers.isBanned(endpoint(1, '127.0.0.1'))).toBe(true)
    expect(peers.isBanned(endpoint(2, '127.0.0.1'))).toBe(false)
    expect(peers.add(endpoint(3), 'tracker')).toBe(false)
  })

  it('stays within its bound and never offers port 0', () => {
    const peers = new PeerList(new Prng(1))
    expect(peers.add(endpoint(0), 'tracker')).toBe(false)
    const max = LIMITS.knownPeersMax.value
    for (let i = 0; i < max + 100; i++)
      peers.add(endpoint(1 + (i % 60_000), `10.1.${i >> 8}.${i & 255}`), 'tracker')
    expect(peers.size).toBe(max)
  })
})

describe('PieceBuffers', () => {
  it('never promises more than its budget, except one oversized piece alone', () => {
    const buffers = new PieceBuffers(100)
    expect(buffers.reserve(60)).toBe(true)
    expect(buffers.reserve(60)).toBe(false)
    expect(buffers.reserve(40)).toBe(true)
    buffers.release(60, buffers.draw(60))
    buffers.release(40, undefined)
    expect(buffers.reservedBytes).toBe(0)
    expect(buffers.reserve(500)).toBe(true)
    expect(buffers.draw(500).length).toBe(500)
    expect(buffers.reserve(1)).toBe(false)
  })

  it('reuses memory of the same length, the last released first', () => {
    const buffers = new PieceBuffers(100)
    for (let i = 0; i < 3; i++) buffers.reserve(30)
    const [a, b] = [buffers.draw(30), buffers.draw(30)]
    buffers.release(30, a)
    buffers.release(30, b)
    expect(buffers.draw(30)).toBe(b)
    expect(buffers.heldBytes).toBe(60)
  })

  it('holds no more memory than its budget when lengths change', () => {
    const buffers = new PieceBuffers(100)
    for (const length of [30, 40, 50, 60, 70]) {
      buffers.reserve(length)
      buffers.release(length, buffers.draw(length))
      expect(buffers.heldBytes).toBeLessThanOrEqual(100)
    }
  })
})

describe('client names', () => {
  it('reads Azureus-style ids and shows others safely', () => {
    const id = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
    expect(clientName(id('-TR3000-abcdefghijkl'))).toBe('Transmission 3.0')
    expect(clientName(id('-ZZ1230-abcdefghijkl'))).toBe('ZZ 1.2.3')
    expect(clientName(id('randomrandomrandom!!'))).toBe('unknown')
    expect(peerIdText(Uint8Array.of(0x1b, 0x41, 0xff))).toBe('.A.')
  })
})
