import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NO_SLOT, PeerTable } from './peer-table.ts'

const ID = new Uint8Array(20)

function endpoint(n: number): Uint8Array {
  return Uint8Array.of(10, n >> 24, n >> 16, n >> 8, n, 7)
}

test('grows while it has to, and finds everybody afterwards', () => {
  const peers = new PeerTable(6, 1, 50_000)
  const slots = Array.from({ length: 20_000 }, (_, n) => peers.add(n % 7, endpoint(n), ID, n))
  expect(new Set(slots).size).toBe(20_000)
  for (const [n, slot] of slots.entries()) {
    expect(peers.find(n % 7, endpoint(n))).toBe(slot)
    expect(peers.find((n + 1) % 7, endpoint(n))).toBe(NO_SLOT)
  }
  expect(peers.oldest).toBe(slots[0])
})

test('is bounded, and slots are used again', () => {
  const peers = new PeerTable(6, 1, 3)
  const slots = [1, 2, 3].map((n) => peers.add(0, endpoint(n), ID, 0))
  expect(peers.add(0, endpoint(4), ID, 0)).toBe(NO_SLOT)
  peers.remove(slots[1]!)
  expect(peers.add(0, endpoint(4), ID, 0)).toBe(slots[1])
  expect(peers.size).toBe(3)
})

test('random work agrees with a plain list, whatever the seed of the index', () => {
  const step = fc.record({ kind: fc.constantFrom('add', 'add', 'touch', 'remove'), n: fc.nat({ max: 40 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.nat(), (steps, seed) => {
      const peers = new PeerTable(6, seed)
      /** Endpoints, the one heard of longest ago first. */
      let order: number[] = []
      for (const [at, { kind, n }] of steps.entries()) {
        const slot = peers.find(0, endpoint(n))
        expect(slot !== NO_SLOT).toBe(order.includes(n))
        if (slot === NO_SLOT) {
          if (kind !== 'add') continue
          peers.add(0, endpoint(n), ID, at)
          order.push(n)
        } else {
          order = order.filter((other) => other !== n)
          if (kind === 'remove') peers.remove(slot)
          else {
            peers.touch(slot, at)
            order.push(n)
          }
        }
        expect(peers.size).toBe(order.length)
        const oldest = order[0] === undefined ? NO_SLOT : peers.find(0, endpoint(order[0]))
        expect(peers.oldest).toBe(oldest)
      }
    }),
  )
})
