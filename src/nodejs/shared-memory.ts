/**
 * Memory that other threads can see, for pieces on their way to the hasher.
 * It is filled with Node's own copy: `TypedArray.prototype.set` into shared memory goes word by word, because
 * it must not tear them, at a tenth of the speed. Nobody reads a piece before it is complete.
 */
import type { PieceMemory } from '../swarm/piece-buffers.ts'

const { copy } = Buffer.prototype

export const SHARED_MEMORY: PieceMemory = {
  allocate: (length) => new Uint8Array(new SharedArrayBuffer(length)),
  copy: (source, start, end, target, at) => {
    copy.call(source, target, at, start, end)
  },
}
