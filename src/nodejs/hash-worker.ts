/**
 * The body of a hash worker thread: one job after the other, each answered with its
 * hashes or with what went wrong.
 * Invariant: every job is answered exactly once, in order.
 */
import { parentPort } from 'node:worker_threads'
import type { ToWorker } from './hash-job.ts'
import { PieceHasher } from './piece-hasher.ts'

const hasher = new PieceHasher()

parentPort!.on('message', (message: ToWorker) => {
  if (message === 'release') hasher.release()
  else parentPort!.postMessage(hasher.answer(message))
})
