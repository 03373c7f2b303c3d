/** The thread of `thread-verifier.ts`: hashes pieces that lie in shared memory, in the order they come. */
import { parentPort } from 'node:worker_threads'
import { type VerifyJob, type VerifyResult, verify } from './verify-job.ts'

/** Pieces are answered when so much is hashed, so that they can be written while the next ones are hashed. */
const ANSWER_BYTES = 512 * 1024

parentPort!.on('message', (jobs: readonly VerifyJob[]) => {
  let results: VerifyResult[] = []
  let hashedBytes = 0
  for (const job of jobs) {
    results.push({ id: job.id, hashes: verify(job) })
    hashedBytes += job.bytes.length
    if (hashedBytes < ANSWER_BYTES) continue
    parentPort!.postMessage(results)
    results = []
    hashedBytes = 0
  }
  if (results.length > 0) parentPort!.postMessage(results)
})
