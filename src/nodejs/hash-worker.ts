/**
 * The body of a hash worker thread: one job after the other, each answered with its
 * hashes or with what went wrong.
 * Invariants: the first word is that it is up; every job is answered exactly once, in order.
 */
import { parentPort } from 'node:worker_threads'
import type { FromWorker, ToWorker } from './hash-job.ts'
import { PieceHasher } from './piece-hasher.ts'

const hasher = new PieceHasher()

parentPort!.on('message', (message: ToWorker) => {
  if (message === 'release') hasher.release()
  else answer(hasher.answer(message))
})
answer('up')

function answer(message: FromWorker): void {
  parentPort!.postMessage(message)
}
