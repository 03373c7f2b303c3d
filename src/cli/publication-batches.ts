/** What is published, in portions that one request to a catalog may hold. */
import { LIMITS } from '../base/limits.ts'
import type { LibraryToPublish } from '../nodejs/catalog-client.ts'

/** As base64, with what stands around it, well below what a catalog takes in one body. */
const BATCH_BYTES = LIMITS.catalogBodyBytesMax.value / 2

/** As many at once as one request takes, in number and in bytes. */
export function* batchesOf(
  prepared: readonly LibraryToPublish[],
): Generator<{ at: number; batch: readonly LibraryToPublish[] }> {
  let at = 0
  let bytes = 0
  for (const [index, library] of prepared.entries()) {
    const own = library.record.length + library.previews.reduce((sum, { length }) => sum + length, 0)
    const isFull = bytes + own > BATCH_BYTES || index - at >= LIMITS.catalogBatchMax.value
    if (isFull && index > at) {
      yield { at, batch: prepared.slice(at, index) }
      at = index
      bytes = 0
    }
    bytes += own
  }
  yield { at, batch: prepared.slice(at) }
}
