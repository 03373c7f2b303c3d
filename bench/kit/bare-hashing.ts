/**
 * What making a v1 torrent costs on Node.js at the least: two threads that open, read, hash and close, and do
 * nothing else. Everything is known before: the files, their sizes, the pieces.
 *
 *   node bare-hashing.ts FOLDER PIECE_LENGTH      FOLDER may be one file
 *
 * Prints the seconds from the first open to the last hash, without start-up and search.
 */
import { hash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import path from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

interface Plan {
  readonly files: readonly string[]
  /** Where each file ends, one after the other. */
  readonly ends: Float64Array
  readonly pieceLength: number
  /** One Int32: the next piece that nobody has taken. */
  readonly next: SharedArrayBuffer
}

/** Taken at once. */
const PIECES = 4

if (isMainThread) await measure()
else {
  const port = parentPort!
  port.on('message', () => {
    hashPieces(workerData)
    port.postMessage('done')
  })
  port.postMessage('up')
}

async function measure(): Promise<void> {
  const [root, pieceLength] = process.argv.slice(2)
  const files = statSync(root!).isFile()
    ? [root!]
    : readdirSync(root!, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name))
        .sort()
  let end = 0
  const ends = Float64Array.from(files, (file) => (end += statSync(file).size))
  const plan: Plan = { files, ends, pieceLength: Number(pieceLength), next: new SharedArrayBuffer(4) }
  const worker = new Worker(new URL(import.meta.url), { workerData: plan })
  const heard = () => new Promise((resolve) => worker.once('message', resolve))
  await heard()
  const startedAtMs = performance.now()
  const done = heard()
  worker.postMessage('go')
  hashPieces(plan)
  await done
  console.log((performance.now() - startedAtMs) / 1000)
  process.exit()
}

function hashPieces({ files, ends, pieceLength, next }: Plan): void {
  const counter = new Int32Array(next)
  const buffer = Buffer.allocUnsafeSlow(pieceLength)
  const total = ends.at(-1)!
  const count = Math.ceil(total / pieceLength)
  let file = 0
  for (let first = 0; (first = Atomics.add(counter, 0, PIECES)) < count; )
    for (let piece = first; piece < Math.min(first + PIECES, count); piece++) {
      const start = piece * pieceLength
      const end = Math.min(start + pieceLength, total)
      while (ends[file]! <= start) file++
      for (let at = start, i = file; at < end; i++) {
        const length = Math.min(ends[i]!, end) - at
        const fd = openSync(files[i]!, 'r')
        readSync(fd, buffer, at - start, length, at - (i === 0 ? 0 : ends[i - 1]!))
        closeSync(fd)
        at += length
      }
      hash('sha1', buffer.subarray(0, end - start), 'buffer')
    }
}
