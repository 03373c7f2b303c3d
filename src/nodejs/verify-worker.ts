/** The thread of `thread-verifier.ts`: hashes pieces that lie in shared memory, in the order they come. */
import { parentPort } from 'node:worker_threads'
import { digestPiece } from './piece-digests.ts'
import type { VerifyJob, VerifyResult } from './thread-verifier.ts'

parentPort!.on('message', (jobs: readonly VerifyJob[]) => {
  const results: VerifyResult[] = []
  for (const { id, bytes, wantsSha1, merkle } of jobs)
    results.push({ id, digests: digestPiece(bytes, wantsSha1, merkle) })
  parentPort!.postMessage(results)
})
