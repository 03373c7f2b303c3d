import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/kit/clean-up.ts'
import { toHex } from '../base/bytes.ts'
import type { PieceDigests } from '../swarm/effects.ts'
import { digestPiece } from './piece-digests.ts'
import { ThreadVerifier } from './thread-verifier.ts'

/** Long enough for the thread. */
const BYTES = new Uint8Array(new SharedArrayBuffer(256 * 1024)).fill(7)
const hex = (bytes: Uint8Array | undefined) => bytes && toHex(bytes)
const SHA1 = hex(digestPiece(BYTES, true, undefined).sha1)

let verifier: ThreadVerifier

afterEach(() => verifier.close())

function digest(): Promise<PieceDigests> {
  return new Promise((resolve, reject) =>
    verifier.digest(BYTES, true, undefined, (result) => {
      if (result.ok) resolve(result.value)
      else reject(new Error(result.error.message))
    }),
  )
}

test('a piece is hashed on the thread', async () => {
  verifier = new ThreadVerifier()
  expect(hex((await digest()).sha1)).toBe(SHA1)
})

test('more pieces than the thread is given at a time are all hashed', async () => {
  verifier = new ThreadVerifier()
  const all = await Promise.all(Array.from({ length: 40 }, digest))
  for (const { sha1 } of all) expect(hex(sha1)).toBe(SHA1)
})

test('answers that come together are given a MiB a turn, so that peers are read between them', async () => {
  const program = `
    import { parentPort } from 'node:worker_threads'
    const all = []
    parentPort.on('message', (jobs) => {
      all.push(...jobs)
      if (all.length < 8) return
      parentPort.postMessage(all.map(({ id }) => ({ id, hashes: { sha1: undefined, merkleRoot: undefined } })))
    })`
  verifier = new ThreadVerifier(undefined, new URL(`data:text/javascript,${encodeURIComponent(program)}`))
  let turn = 0
  let isOver = false
  const count = () => {
    turn++
    if (!isOver) setImmediate(count)
  }
  count()
  const turns = await Promise.all(Array.from({ length: 8 }, () => digest().then(() => turn)))
  isOver = true
  expect(new Set(turns.slice(0, 4)).size).toBe(1)
  expect(new Set(turns.slice(4)).size).toBe(1)
  expect(turns[4]).toBeGreaterThan(turns[0]!)
})

test('when the thread ends after a part of its answers, every piece is answered once', async () => {
  const program = `
    import { parentPort } from 'node:worker_threads'
    let count = 0
    parentPort.on('message', (jobs) => {
      for (const { id } of jobs) {
        if (++count > 12) process.exit(1)
        parentPort.postMessage([{ id, hashes: { sha1: undefined, merkleRoot: undefined } }])
      }
    })`
  verifier = new ThreadVerifier(undefined, new URL(`data:text/javascript,${encodeURIComponent(program)}`))
  const answers = Array.from({ length: 40 }, () => 0)
  const byThread = new Set<number>()
  await new Promise<void>((resolve) => {
    for (const piece of answers.keys())
      verifier.digest(BYTES, true, undefined, (result) => {
        answers[piece]!++
        if (result.ok && result.value.sha1 === undefined) byThread.add(piece)
        if (answers.every((count) => count > 0)) setTimeout(resolve, 50)
      })
  })
  expect(answers.every((count) => count === 1)).toBe(true)
  expect(byThread.size).toBeLessThanOrEqual(12)
})

test.each([
  ['does not start', 'throw new Error("no memory")'],
  [
    'ends at the first job',
    `import { parentPort } from 'node:worker_threads'; parentPort.once('message', () => process.exit(1))`,
  ],
])('when the thread %s, pieces are hashed all the same', async (_, program) => {
  verifier = new ThreadVerifier(undefined, new URL(`data:text/javascript,${encodeURIComponent(program)}`))
  verifier.start()
  const all = await Promise.all([digest(), digest(), digest()])
  for (const { sha1 } of all) expect(hex(sha1)).toBe(SHA1)
  expect(hex((await digest()).sha1)).toBe(SHA1)
})

test('answers that come while the thread is being ended do not let the process end first', () => {
  const program = `
    import { ThreadVerifier } from ${JSON.stringify(new URL('thread-verifier.ts', import.meta.url))}
    const bytes = new Uint8Array(new SharedArrayBuffer(16 * 1024 * 1024))
    const verifier = new ThreadVerifier()
    let isClosing = false
    for (let i = 0; i < 20; i++)
      verifier.digest(bytes, true, undefined, () => {
        if (isClosing) return
        isClosing = true
        // Other answers lie ready before the thread is ended.
        for (const until = performance.now() + 20; performance.now() < until; );
        verifier.close().then(() => console.log('closed'))
      })`
  const file = join(temporaryFolder('program'), 'program.mjs')
  writeFileSync(file, program)
  expect(execFileSync(process.execPath, [file], { encoding: 'utf8' })).toBe('closed\n')
})
