import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { batchesOf } from './publication-batches.ts'

function libraries(count: number, pictureBytes: number) {
  const previews = Array.from({ length: 4 }, () => new Uint8Array(pictureBytes))
  return Array.from({ length: count }, () => ({
    record: new Uint8Array(1000),
    signature: new Uint8Array(64),
    previews,
  }))
}

test.for([
  [1, 0, 1],
  [100, 0, 1],
  [101, 0, 2],
  [250, 32 * 1024, 17],
] as const)('%i libraries with pictures of %i bytes take %i requests', ([count, pictureBytes, requests]) => {
  const all = libraries(count, pictureBytes)
  const batches = [...batchesOf(all)]
  expect(batches.length).toBe(requests)
  expect(batches.flatMap(({ batch }) => batch)).toEqual(all)
  for (const { at, batch } of batches) {
    expect(batch[0]).toBe(all[at])
    expect(batch.length).toBeLessThanOrEqual(LIMITS.catalogBatchMax.value)
    const body = JSON.stringify(
      batch.map(({ record, signature, previews }) =>
        [record, signature, ...previews].map((bytes) => Buffer.from(bytes).toString('base64')),
      ),
    )
    expect(body.length).toBeLessThan(LIMITS.catalogBodyBytesMax.value)
  }
})
