import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { chunkDigests } from '../catalog/payload.ts'
import { MemoryStore } from './memory-store.ts'
import { nodeCrypto } from './node-crypto.ts'
import { PayloadBook } from './payload-book.ts'

const bytes = (text: string) => Buffer.from(text)

test('a string has one entry, found by either hash, and again after a restart', async () => {
  const store = new MemoryStore()
  const book = await PayloadBook.open(store)
  const puts = await Promise.all([1, 2, 3].map((now) => book.put(bytes('same'), true, now)))
  expect(puts.map(({ isNew }) => isNew)).toEqual([true, false, false])
  const [{ record }] = puts as [(typeof puts)[number]]
  const again = await PayloadBook.open(store)
  expect(again.count).toBe(1)
  for (const id of [record.id, record.infoHash]) expect(again.get(id)).toEqual(record)
  expect(Buffer.from((await again.text(record))!).toString()).toBe('same')
})

test('of a string that is not kept its hashes are; it can be kept later', async () => {
  const store = new MemoryStore()
  const book = await PayloadBook.open(store)
  const hashed = await book.put(bytes('hashes only'), false, 1)
  const restarted = await PayloadBook.open(store)
  expect(await restarted.text(hashed.record)).toBeUndefined()
  expect(await restarted.digests(hashed.record)).toEqual(chunkDigests(bytes('hashes only'), nodeCrypto))
  const kept = await restarted.put(bytes('hashes only'), true, 2)
  expect(kept).toMatchObject({ isNew: false, record: { isStored: true, putAt: 1 } })
  expect(await restarted.text(kept.record)).toEqual(bytes('hashes only'))
  expect((await restarted.put(bytes('hashes only'), false, 3)).record.isStored).toBe(true)
  expect(await restarted.digests(kept.record)).toEqual(chunkDigests(bytes('hashes only'), nodeCrypto))
})

test('a full book refuses newcomers only; hashes count as what they take', async () => {
  const store = new MemoryStore()
  const { record } = await (await PayloadBook.open(store)).put(bytes('old'), true, 1)
  const huge = { ...record, id: 'x', infoHash: 'y', bytes: LIMITS.payloadBytesStoredMax.value - 103 }
  store.put('payloads', 'x', bytes(JSON.stringify(huge)))
  const book = await PayloadBook.open(store)
  await book.put(bytes('y'.repeat(50)), true, 1)
  await expect(book.put(bytes('z'.repeat(50)), false, 1)).rejects.toMatchObject({ code: 'payload/full' })
  expect(await book.put(bytes('old'), true, 1)).toMatchObject({ isNew: false })
  expect((await book.put(bytes('z'.repeat(50)), true, 1)).isNew).toBe(true)
})
