/**
 * Makes small pictures of large ones in a process of their own (`preview-worker.ts`, S45), started with the
 * first picture and used for all.
 * Invariants: it gets the picture's bytes and nothing else: no environment, no file, no socket of ours. It
 * may take `previewSecondsMax` and, where the system tells, `previewMemoryBytesMax` for one picture; beyond
 * that, or when it answers more than was agreed, it is killed, and the next picture gets another. No
 * process is left after `close`.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { constants as files, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import os from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { LIMITS } from '../base/limits.ts'
import { imageTypeOf } from '../wire/image-type.ts'

export interface SmallPicture {
  /** WebP, at most catalogPreviewBytesMax. */
  readonly picture: Uint8Array
  /** A ThumbHash. */
  readonly placeholder: Uint8Array
}

export interface ShrinkerOptions {
  /** Path of the program that answers; the product's own where it is left out. */
  readonly worker?: string
  readonly secondsMax?: number
  readonly memoryBytesMax?: number
}

type Child = ChildProcessByStdio<Writable, Readable, null>

/** Beside the source it is TypeScript, in the built package JavaScript. */
const WORKER = new URL(`./preview-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
/** It writes no file and starts no program; what decodes is native, and bound by this only in part. */
const FLAGS = ['--permission', '--allow-addons', '--allow-fs-read=*', '--max-old-space-size=128']
/** A worker that ends this often without an answer is not started again: it cannot run here. */
const DEATHS_MAX = 4
const WATCH_MS = 100
const PAGE_BYTES = 4096
const HEAD_LENGTH = 32
const PICTURE_HEAD_LENGTH = 4

export class PictureShrinker {
  readonly #worker: string
  readonly #secondsMax: number
  readonly #memoryBytesMax: number
  #child: Child | undefined
  #deaths = 0

  constructor(options: ShrinkerOptions = {}) {
    this.#worker = options.worker ?? fileURLToPath(WORKER)
    this.#secondsMax = options.secondsMax ?? LIMITS.previewSecondsMax.value
    this.#memoryBytesMax = options.memoryBytesMax ?? LIMITS.previewMemoryBytesMax.value
  }

  /** Of the worker, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * Undefined for what is no picture, or cannot be made small. One at a time: callers wait. Rejects when the
   * file cannot be read.
   */
  async shrink(file: string): Promise<SmallPicture | undefined> {
    const source = await readPicture(file)
    if (source === undefined || this.#deaths >= DEATHS_MAX) return undefined
    const answer = await this.#ask(source)
    this.#deaths = answer === undefined ? this.#deaths + 1 : 0
    return answer === undefined ? undefined : smallPictureIn(answer)
  }

  close(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  /** What the worker wrote for it; undefined when it had to be killed, or died. */
  #ask(source: Uint8Array): Promise<Uint8Array | undefined> {
    this.#child ??= this.#start()
    const child = this.#child
    return new Promise((resolve) => {
      const parts: Buffer[] = []
      const end = (answer: Uint8Array | undefined): void => {
        clearTimeout(late)
        clearInterval(watch)
        child.stdout.off('data', take)
        child.off('close', gone)
        if (answer === undefined) this.close()
        resolve(answer)
      }
      const gone = () => end(undefined)
      const take = (chunk: Buffer) => {
        parts.push(chunk)
        const answer = Buffer.concat(parts)
        const length = answerLength(answer)
        if (length === 'too-long' || answer.length > (length ?? Number.POSITIVE_INFINITY)) end(undefined)
        else if (answer.length === length) end(answer)
      }
      const late = setTimeout(gone, this.#secondsMax * 1000)
      const watch = setInterval(() => {
        if (residentBytes(child.pid) > this.#memoryBytesMax) gone()
      }, WATCH_MS)
      child.stdout.on('data', take)
      child.on('close', gone)
      const head = Buffer.alloc(PICTURE_HEAD_LENGTH)
      head.writeUInt32BE(source.length)
      child.stdin.write(Buffer.concat([head, source]))
    })
  }

  #start(): Child {
    const child = spawn(process.execPath, [...FLAGS, this.#worker], {
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    child.on('error', () => {})
    // It may die while it is written to; `close` tells.
    child.stdin.on('error', () => {})
    child.unref()
    if (child.pid !== undefined) yieldToOthers(child.pid)
    child.once('close', () => {
      if (this.#child === child) this.#child = undefined
    })
    return child
  }
}

/** Undefined for what is none, or too long. A pipe or a device is none, and is not waited for. */
async function readPicture(file: string): Promise<Uint8Array | undefined> {
  const handle = await open(file, files.O_RDONLY | (files.O_NONBLOCK ?? 0))
  try {
    const { size } = await handle.stat().then((stat) => (stat.isFile() ? stat : { size: 0 }))
    if (size === 0 || size > LIMITS.previewSourceBytesMax.value) return undefined
    const head = new Uint8Array(HEAD_LENGTH)
    await handle.read(head, 0, head.length, 0)
    if (imageTypeOf(head) === undefined) return undefined
    const bytes = new Uint8Array(size)
    let length = 0
    while (length < size) {
      const { bytesRead } = await handle.read(bytes, length, size - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.subarray(0, length)
  } finally {
    await handle.close()
  }
}

/** Undefined while that is not known yet. */
function answerLength(bytes: Buffer): number | 'too-long' | undefined {
  if (bytes.length < PICTURE_HEAD_LENGTH) return undefined
  const picture = bytes.readUInt32BE(0)
  if (picture > LIMITS.catalogPreviewBytesMax.value) return 'too-long'
  const at = PICTURE_HEAD_LENGTH + picture
  if (bytes.length <= at) return undefined
  const placeholder = bytes[at]!
  return placeholder > LIMITS.catalogPlaceholderBytesMax.value ? 'too-long' : at + 1 + placeholder
}

/** @param answer whole */
function smallPictureIn(answer: Uint8Array): SmallPicture | undefined {
  const end = PICTURE_HEAD_LENGTH + Buffer.from(answer.buffer, answer.byteOffset).readUInt32BE(0)
  const picture = answer.slice(PICTURE_HEAD_LENGTH, end)
  const placeholder = answer.slice(end + 1)
  const isWhole = imageTypeOf(picture) === 'image/webp' && placeholder.length > 0
  return isWhole ? { picture, placeholder } : undefined
}

/** 0 where the system does not tell. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')
    return Number(pages) * PAGE_BYTES
  } catch {
    return 0
  }
}

/** Small pictures are worth less than whatever else runs here; what is short is taken from them first. */
function yieldToOthers(pid: number): void {
  try {
    os.setPriority(pid, os.constants.priority.PRIORITY_BELOW_NORMAL)
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')
  } catch {
    // Where that is not to be had, the bounds hold all the same.
  }
}
