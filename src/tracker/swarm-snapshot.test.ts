import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { Prng } from '../base/prng.ts'
import { keptSwarms, restoreSwarm } from './swarm-snapshot.ts'
import { SwarmTable, sizeOf } from './swarm-table.ts'

const newTable = () => new SwarmTable(new Prng(1), { swarmsMax: 1000, peersPerFamilyMax: 1000 })
const infoHash = (swarm: number) => new Uint8Array(20).fill(swarm)

/** Everything that is known of everybody, in no order. */
function contents(table: SwarmTable): string[] {
  return [...table.swarms()].flatMap((swarm) =>
    table.sampleRefs(swarm, sizeOf(swarm)).map((ref) => {
      const { infoHash, address, port, peerId, isSeed } = table.record(ref)
      return [toHex(infoHash), toHex(address), port, toHex(peerId), isSeed, table.mayBeProbed(ref)].join(' ')
    }),
  )
}

const join = fc.record({
  swarm: fc.nat({ max: 3 }),
  address: fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
  peerId: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  left: fc.nat({ max: 1 }),
  isCompleted: fc.boolean(),
  mayBeProbed: fc.boolean(),
})

test('what is kept of swarms restores all that is told of them', () => {
  fc.assert(
    fc.property(fc.array(join, { maxLength: 40 }), (joins) => {
      const before = newTable()
      for (const { swarm, address, port, peerId, left, isCompleted, mayBeProbed } of joins) {
        const event = isCompleted ? ('completed' as const) : undefined
        const member = { infoHash: infoHash(swarm), peerId, port, left, event }
        before.join(0, address, member, mayBeProbed)
      }
      const after = newTable()
      // Twice, since a peer may have come back by itself.
      for (const kept of [...keptSwarms(before), ...keptSwarms(before)]) restoreSwarm(after, 7, kept)
      expect(contents(after).sort()).toEqual(contents(before).sort())
      for (const swarm of [0, 1, 2, 3])
        expect(after.counts(infoHash(swarm))).toEqual(before.counts(infoHash(swarm)))
    }),
  )
})

test('a peer that is there already stays as it is', () => {
  const address = Uint8Array.of(10, 0, 0, 1)
  const member = { infoHash: infoHash(1), peerId: new Uint8Array(20).fill(1), port: 1, event: undefined }
  const [before, after] = [newTable(), newTable()]
  before.join(0, address, { ...member, left: 1 })
  after.join(0, address, { ...member, peerId: new Uint8Array(20).fill(2), left: 0 })
  const there = contents(after)
  for (const kept of keptSwarms(before)) restoreSwarm(after, 7, kept)
  expect(contents(after)).toEqual(there)
})

test('what does not read is passed over', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, hasVersion) => {
      if (hasVersion && bytes.length > 0) bytes[0] = 1
      const table = newTable()
      restoreSwarm(table, 0, { infoHash: infoHash(1), bytes })
      expect(table.peerCount).toBeLessThanOrEqual(Math.floor(bytes.length / 27))
    }),
  )
})

test('a full table takes what it can', () => {
  const before = newTable()
  for (let port = 1; port <= 20; port++)
    before.join(0, Uint8Array.of(10, 0, 0, 1), {
      ...{ infoHash: infoHash(1), peerId: new Uint8Array(20).fill(port), port, left: 1, event: undefined },
    })
  const small = new SwarmTable(new Prng(1), { swarmsMax: 1, peersPerFamilyMax: 5 })
  for (const kept of keptSwarms(before)) restoreSwarm(small, 0, kept)
  expect(small.peerCount).toBe(5)
})
