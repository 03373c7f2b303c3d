/**
 * The body of a hash worker thread: one job after the other, each answered with its
 * hashes or with what went wrong.
 * Invariant: every job is answered exactly once, in order.
 */
import { parentPort } from 'node:worker_threads'
import type { FromWorker, ToWorker } from './hash-job.ts'
import { PieceHasher } from './piece-hasher.ts'
import { ShoalError } from './shoal-error.ts'

const hasher = new PieceHasher()

parentPort!.on('message', (message: ToWorker) => {
  if (message === 'release') hasher.release()
  else parentPort!.postMessage(answer(message.id, () => hasher.run(message)))
})

function answer(id: number, run: () => ReturnType<PieceHasher['run']>): FromWorker {
  try {
    const hashes = run()
    return hashes === undefined ? { id } : { id, hashes }
  } catch (error) {
    // Anything else is a mistake of ours and ends the worker.
    if (!(error instanceof ShoalError)) throw error
    const { code, message, hint } = error
    return { id, fault: hint === undefined ? { code, message } : { code, message, hint } }
  }
}
