/**
 * Notices an input that never comes back: a thread of its own looks at what the fuzzer wrote down before each
 * run, keeps that input as a crasher, and ends the process.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

/** Far above what any input of 16 KiB may take. */
const HANG_MS = 20_000
const INPUT_BYTES_MAX = 64 * 1024
const NAME_BYTES_MAX = 64
/** Words: inputs so far, length of the one at hand, length of the target's name. */
const WORDS = 3

export class HangWatch {
  readonly #words: Int32Array
  readonly #name: Uint8Array
  readonly #input: Uint8Array

  /** @param crashers folder of the targets' folders */
  constructor(crashers: string) {
    const shared = new SharedArrayBuffer(4 * WORDS + NAME_BYTES_MAX + INPUT_BYTES_MAX)
    this.#words = new Int32Array(shared, 0, WORDS)
    this.#name = new Uint8Array(shared, 4 * WORDS, NAME_BYTES_MAX)
    this.#input = new Uint8Array(shared, 4 * WORDS + NAME_BYTES_MAX)
    new Worker(import.meta.filename, { workerData: { shared, crashers } }).unref()
  }

  /** To be called before the target has it. */
  begins(target: string, input: Uint8Array): void {
    const name = Buffer.from(target).subarray(0, NAME_BYTES_MAX)
    this.#name.set(name)
    this.#input.set(input.subarray(0, INPUT_BYTES_MAX))
    this.#words[1] = Math.min(input.length, INPUT_BYTES_MAX)
    this.#words[2] = name.length
    Atomics.add(this.#words, 0, 1)
  }
}

if (!isMainThread && workerData?.shared !== undefined) {
  const { shared, crashers } = workerData as { shared: SharedArrayBuffer; crashers: string }
  const words = new Int32Array(shared, 0, WORDS)
  let seen = -1
  setInterval(() => {
    const count = Atomics.load(words, 0)
    if (count !== seen || count === 0) {
      seen = count
      return
    }
    const name = Buffer.from(shared, 4 * WORDS, words[2]).toString()
    const input = Buffer.from(shared, 4 * WORDS + NAME_BYTES_MAX, words[1])
    const file = join(crashers, name, createHash('sha256').update(input).digest('hex').slice(0, 16))
    mkdirSync(join(crashers, name), { recursive: true })
    writeFileSync(file, input)
    // The other thread, which would print it, does not come back.
    writeSync(2, `${name}: ${file}\n the target does not come back\n`)
    process.kill(process.pid, 'SIGKILL')
  }, HANG_MS)
}
