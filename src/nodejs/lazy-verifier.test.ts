import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { LazyVerifier, type LazyVerifierOptions } from './lazy-verifier.ts'
import { digestBlocks, digestPiece } from './piece-digests.ts'

const PIECE = new Uint8Array(new SharedArrayBuffer(256 * 1024)).fill(7)
const LONG_PIECE = new Uint8Array(new SharedArrayBuffer(5 * 1024 * 1024)).fill(7)
/** Answers without a hash, so that it can be seen who answered. */
const THREAD = `
  import { parentPort } from 'node:worker_threads'
  parentPort.on('message', (jobs) => {
    for (const { id } of jobs) parentPort.postMessage([{ id, hashes: { sha1: undefined, merkleRoot: undefined } }])
  })`

let verifier: LazyVerifier

afterEach(() => verifier.close())

function start(options: LazyVerifierOptions): void {
  verifier = new LazyVerifier({
    program: new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`),
    ...options,
  })
}

/** Hex of the hash, or `thread`. */
function digest(bytes = PIECE): Promise<string> {
  return new Promise((resolve, reject) =>
    verifier.digest(bytes, true, undefined, (result) => {
      if (!result.ok) reject(new Error(result.error.message))
      else resolve(result.value.sha1 === undefined ? 'thread' : toHex(result.value.sha1))
    }),
  )
}

const SHA1 = toHex(digestPiece(PIECE, true, undefined).sha1!)

describe('pieces are hashed', () => {
  it('here, in a later turn, while this thread has time', async () => {
    let settledCount = 0
    start({ load: () => 0.5, onSettled: () => settledCount++ })
    let isAnswered = false
    const first = digest().then((hash) => {
      isAnswered = true
      return hash
    })
    await Promise.resolve()
    expect(isAnswered).toBe(false)
    expect(await first).toBe(SHA1)
    for (let i = 0; i < 20; i++) expect(await digest()).toBe(SHA1)
    expect(settledCount).toBe(1)
  })

  it('here while it is not known whether it has', async () => {
    let settledCount = 0
    start({ load: () => undefined, onSettled: () => settledCount++ })
    for (let i = 0; i < 5; i++) expect(await digest()).toBe(SHA1)
    expect(settledCount).toBe(0)
  })

  it('on the thread once it has none, and here until that is up', async () => {
    let settledCount = 0
    let asideCount = 0
    const loads = [0.2, 0.9]
    start({
      load: () => loads.shift() ?? 0.1,
      onSettled: () => settledCount++,
      onAside: () => asideCount++,
    })
    const answers: string[] = []
    while (answers.at(-1) !== 'thread') {
      answers.push(await digest())
      if (answers.length > 2) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(new Set(answers.slice(0, 2))).toEqual(new Set([SHA1]))
    expect(asideCount).toBe(1)
    for (let i = 0; i < 5; i++) expect(await digest()).toBe('thread')
    expect(settledCount).toBe(1)
  })

  it('on the thread when they are long', async () => {
    start({ load: () => 0 })
    expect(await digest(LONG_PIECE)).toBe('thread')
  })
})

it('blocks are hashed here as well', async () => {
  start({ load: () => 0 })
  const hashes = await new Promise<Uint8Array>((resolve, reject) =>
    verifier.digestBlocks(PIECE, (result) => (result.ok ? resolve(result.value) : reject(result.error))),
  )
  expect(hashes).toEqual(digestBlocks(PIECE))
})

it('a thread that does not come up is done without', async () => {
  verifier = new LazyVerifier({ load: () => 1, program: new URL('data:text/javascript,throw new Error()') })
  for (let i = 0; i < 40; i++) {
    expect(await digest()).toBe(SHA1)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
})
