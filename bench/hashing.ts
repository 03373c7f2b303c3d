/**
 * Hashing of received pieces: in place, on the thread that also reads the network, against the verifier's
 * thread, which the product uses. `network thread busy` is what handing over costs the first thread.
 *
 *   npm run bench -- hashing [--rounds 5] [--mib 128] [--in-flight 16]
 *
 * A round hashes `--mib`; the first one warms up and does not count. `--in-flight` pieces are with the
 * verifier at a time. Pieces lie in shared memory, as in the product. No build needed.
 */
import { randomFillSync } from 'node:crypto'
import { parseArgs } from 'node:util'
import { digestPiece } from '../src/nodejs/piece-digests.ts'
import { SHARED_MEMORY } from '../src/nodejs/shared-memory.ts'
import { ThreadVerifier } from '../src/nodejs/thread-verifier.ts'
import type { MerklePiece } from '../src/swarm/geometry.ts'
import { MERKLE_BLOCK_LENGTH } from '../src/wire/merkle.ts'
import { MIB } from './kit/content.ts'
import { positiveNumber } from './kit/options.ts'
import { Results } from './kit/results.ts'

interface Job {
  readonly pieceLength: number
  readonly wantsSha1: boolean
  readonly merkle: MerklePiece | undefined
}

const KIB = 1024
const PIECE_LENGTHS = [16 * KIB, 256 * KIB, MIB, 4 * MIB]
const FORMATS = { 'v1 (SHA-1)': [true, false], 'v2 (SHA-256)': [false, true], hybrid: [true, true] } as const

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    mib: { type: 'string', default: '128' },
    'in-flight': { type: 'string', default: '16' },
  },
})
const roundBytes = positiveNumber('mib', values.mib) * MIB
const inFlight = positiveNumber('in-flight', values['in-flight'])
const results = new Results()
const verifier = new ThreadVerifier()
for (const [format, [wantsSha1, isV2]] of Object.entries(FORMATS))
  for (const pieceLength of PIECE_LENGTHS) {
    const merkle = isV2 ? { length: pieceLength, leafCount: pieceLength / MERKLE_BLOCK_LENGTH } : undefined
    await measure(`${format}, pieces of ${pieceLength / KIB} KiB`, { pieceLength, wantsSha1, merkle })
  }
await verifier.close()
results.printByRow('hashing')
results.save('hashing', values, ['in place MB/s', 'verifier MB/s', 'network thread busy %'])

async function measure(what: string, job: Job): Promise<void> {
  const pieces = Array.from({ length: inFlight }, () => SHARED_MEMORY.allocate(job.pieceLength))
  for (const piece of pieces) randomFillSync(piece)
  for (let round = 0; round <= positiveNumber('rounds', values.rounds); round++) {
    const inPlace = timeInPlace(pieces, job)
    const { bytesPerSecond, busyPercent } = await timeVerifier(pieces, job)
    if (round > 0)
      results.add(what, {
        'in place MB/s': inPlace / 1e6,
        'verifier MB/s': bytesPerSecond / 1e6,
        'network thread busy %': busyPercent,
      })
  }
}

/** Bytes per second. */
function timeInPlace(pieces: readonly Uint8Array[], { pieceLength, wantsSha1, merkle }: Job): number {
  const startedAt = performance.now()
  const count = Math.ceil(roundBytes / pieceLength)
  for (let i = 0; i < count; i++) digestPiece(pieces[i % pieces.length]!, wantsSha1, merkle)
  return (count * pieceLength * 1000) / (performance.now() - startedAt)
}

async function timeVerifier(
  pieces: readonly Uint8Array[],
  { pieceLength, wantsSha1, merkle }: Job,
): Promise<{ bytesPerSecond: number; busyPercent: number }> {
  const startedAt = performance.now()
  const before = performance.eventLoopUtilization()
  const count = Math.ceil(roundBytes / pieceLength)
  let started = 0
  let ended = 0
  await new Promise<void>((resolve) => {
    const next = (piece: Uint8Array) => {
      if (started++ >= count) return
      verifier.digest(piece, wantsSha1, merkle, () => {
        if (++ended === count) resolve()
        next(piece)
      })
    }
    for (const piece of pieces) next(piece)
  })
  const seconds = (performance.now() - startedAt) / 1000
  const { utilization } = performance.eventLoopUtilization(before)
  return { bytesPerSecond: (count * pieceLength) / seconds, busyPercent: 100 * utilization }
}
