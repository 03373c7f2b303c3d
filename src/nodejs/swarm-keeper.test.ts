import { expect, test } from 'vitest'
import type { KeptSwarm } from '../tracker/swarm-snapshot.ts'
import { MemoryStore } from './memory-store.ts'
import { type SwarmHolder, SwarmKeeper } from './swarm-keeper.ts'

class Holder implements SwarmHolder {
  swarms: KeptSwarm[] = []
  restored: readonly KeptSwarm[] = []

  restoreSwarms(swarms: readonly KeptSwarm[]): void {
    this.restored = swarms
  }

  *keptSwarms(): Generator<KeptSwarm> {
    yield* this.swarms
  }
}

const swarm = (number: number): KeptSwarm => ({
  infoHash: new Uint8Array(20).fill(number),
  bytes: Uint8Array.of(number),
})

async function open(store: MemoryStore, nowMs: number): Promise<{ holder: Holder; keeper: SwarmKeeper }> {
  const holder = new Holder()
  const keeper = await SwarmKeeper.open(holder, store, { lifetimeSeconds: 60, now: () => nowMs })
  return { holder, keeper }
}

test('swarms are written at the end and read at the next start, those that are gone are not', async () => {
  const store = new MemoryStore()
  const first = await open(store, 1_000_000)
  expect(first.holder.restored).toEqual([])
  first.holder.swarms = [swarm(1), swarm(2)]
  await first.keeper.close()
  const second = await open(store, 1_059_000)
  expect(second.holder.restored).toEqual([swarm(1), swarm(2)])
  second.holder.swarms = [swarm(2), swarm(3)]
  await second.keeper.close()
  expect((await open(store, 1_060_000)).holder.restored).toEqual([swarm(2), swarm(3)])
})

test('what is older than peers live is not read, what a clock has in the future is', async () => {
  const store = new MemoryStore()
  const first = await open(store, 1_000_000)
  first.holder.swarms = [swarm(1)]
  await first.keeper.close()
  expect((await open(store, 1_060_000)).holder.restored).toEqual([])
  expect((await open(store, 900_000)).holder.restored).toEqual([swarm(1)])
})

test('what is no infohash is passed over', async () => {
  const store = new MemoryStore()
  const first = await open(store, 0)
  first.holder.swarms = [swarm(1)]
  await first.keeper.close()
  store.put('swarms', 'nonsense', Uint8Array.of(1))
  expect((await open(store, 0)).holder.restored).toEqual([swarm(1)])
})
