/** The thread of `thread-verifier.ts`: hashes pieces that lie in shared memory, in the order they come. */
import { parentPort } from 'node:worker_threads'
import { digestBlocks, digestPiece } from './piece-digests.ts'
import type { VerifyJob, VerifyResult } from './thread-verifier.ts'

parentPort!.on('message', (jobs: readonly VerifyJob[]) => {
  const results: VerifyResult[] = []
  for (const { id, bytes, of } of jobs)
    results.push({
      id,
      hashes: of === 'blocks' ? digestBlocks(bytes) : digestPiece(bytes, of.wantsSha1, of.merkle),
    })
  parentPort!.postMessage(results)
})
