import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { ContentHashing, hashContent } from './content-hashing.ts'
import { HashPool } from './hash-pool.ts'
import type { ShoalError } from './shoal-error.ts'
import { SliceList } from './slices.ts'

const PIECE = 262_144
let dir: string
let pool: HashPool
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'hash-pool-'))
  pool = new HashPool(2)
})
afterEach(async () => {
  await pool.close()
  rmSync(dir, { recursive: true })
})

const bytes = Buffer.from(new Prng(1).bytes(3 * 1024 * 1024 + 5))

function request(length = bytes.length, repeat = 1) {
  const entries = Array.from({ length: repeat }, (_, i) => ({
    folder: 0,
    path: ['file'],
    length,
    offset: i * length,
  }))
  return {
    folders: [dir],
    entries,
    pieceLength: PIECE,
    pieceCount: Math.ceil((length * repeat) / PIECE),
    wantsV1: true,
    wantsV2: false,
    isCutAtFiles: false,
    pool,
  }
}

function sha1Pieces(content: Buffer): string {
  const pieces = Array.from({ length: Math.ceil(content.length / PIECE) }, (_, i) =>
    content.subarray(i * PIECE, (i + 1) * PIECE),
  )
  return Buffer.concat(pieces.map((piece) => createHash('sha1').update(piece).digest())).toString('hex')
}

const hex = (hashes: Uint8Array | null) => Buffer.from(hashes!).toString('hex')

describe('a pool', () => {
  test('hashes over several jobs and workers, and tells how far it is', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const told: number[] = []
    const { v1, v2 } = await hashContent({
      ...request(bytes.length, 8),
      onProgress: (count) => told.push(count),
    })
    expect(hex(v1)).toBe(sha1Pieces(Buffer.concat(Array(8).fill(bytes))))
    expect(v2).toBeNull()
    expect(told.length).toBeGreaterThan(2)
    expect(told).toEqual(told.toSorted((a, b) => a - b))
    expect(told.at(-1)).toBe(8 * bytes.length)
  })

  test('serves runs side by side, and again after it was closed', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const runs = [...Array(5)].map(() => hashContent(request()))
    for (const { v1 } of await Promise.all(runs)) expect(hex(v1)).toBe(sha1Pieces(bytes))
    await pool.close()
    expect(hex((await hashContent(request())).v1)).toBe(sha1Pieces(bytes))
  })

  test('a file that is gone ends its run and no other', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    writeFileSync(path.join(dir, 'other'), bytes)
    unlinkSync(path.join(dir, 'file'))
    const failed = hashContent(request(bytes.length, 20))
    const fine = hashContent({
      ...request(),
      entries: [{ folder: 0, path: ['other'], length: bytes.length, offset: 0 }],
    })
    await expect(failed).rejects.toMatchObject({ code: 'storage/changed', hint: expect.any(String) })
    expect(hex((await fine).v1)).toBe(sha1Pieces(bytes))
  })

  test('an aborted run ends at once, its workers go on to the next', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const abort = new AbortController()
    const endless = hashContent({
      ...request(bytes.length, 10_000),
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('enough')),
    })
    await expect(endless).rejects.toThrow('enough')
    expect(hex((await hashContent(request())).v1)).toBe(sha1Pieces(bytes))
    await expect(hashContent({ ...request(), signal: abort.signal })).rejects.toThrow('enough')
  })

  test('closing it rejects what is under way', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const run = hashContent(request(bytes.length, 10_000))
    const verdict = expect(run).rejects.toMatchObject({ code: 'hash/closed' })
    await pool.close()
    await verdict
  })

  test('an exception of the caller ends its run', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const onProgress = () => {
      throw new Error('mine')
    }
    await expect(hashContent({ ...request(), onProgress })).rejects.toThrow('mine')
  })

  test('a worker that ends takes its runs with it, and the next run starts another', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const list = new SliceList()
    list.add(99, ['file'], 0, 1, 1)
    const slices = list.finish()
    const impossible = () => ({
      settings: {
        folders: [dir],
        pieceLength: PIECE,
        v1: true,
        v2: false,
        isCutAtFiles: false,
        isStrict: true,
      },
      jobs: [{ firstPiece: 0, pieceCount: 1, slices, firstEntry: 0, contentBytes: 1 }].values(),
      onJob: () => {},
    })
    const runs = [pool.run(impossible()), pool.run(impossible()), pool.run(impossible())]
    const codes = (await Promise.allSettled(runs)).map((run) => run.status === 'rejected' && run.reason.code)
    expect(codes).toEqual(Array(3).fill('hash/worker-lost'))
    expect(hex((await hashContent(request())).v1)).toBe(sha1Pieces(bytes))
  })

  test('the calling thread hashes too where it is asked to, alone when there is no other', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const expected = sha1Pieces(Buffer.concat(Array(8).fill(bytes)))
    const work = { ...request(bytes.length, 8), usesOwnThread: true }
    expect(hex((await hashContent(work)).v1)).toBe(expected)
    const alone = new HashPool(1)
    expect(hex((await hashContent({ ...work, pool: alone })).v1)).toBe(expected)
    await alone.close()
  })

  test('the calling thread hears events while it hashes', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const alone = new HashPool(1)
    const abort = new AbortController()
    const endless = hashContent({
      ...request(bytes.length, 10_000),
      pool: alone,
      usesOwnThread: true,
      signal: abort.signal,
    })
    setTimeout(() => abort.abort(new Error('enough')))
    await expect(endless).rejects.toThrow('enough')
    expect(hex((await hashContent({ ...request(), pool: alone, usesOwnThread: true })).v1)).toBe(
      sha1Pieces(bytes),
    )
    unlinkSync(path.join(dir, 'file'))
    await expect(hashContent({ ...request(), pool: alone, usesOwnThread: true })).rejects.toMatchObject({
      code: 'storage/changed',
    })
    await alone.close()
  })

  test.each([false, true])('begins before all entries are there (own thread: %s)', async (usesOwnThread) => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const { entries, pieceCount, ...rest } = request(bytes.length, 8)
    const known: typeof entries = []
    let hashed = 0
    const onProgress = (count: number) => (hashed = count)
    const hashing = new ContentHashing({ ...rest, entries: known, usesOwnThread, onProgress })
    for (const entry of entries) {
      known.push(entry)
      hashing.know(Math.floor((entry.offset + entry.length) / PIECE))
      await new Promise((resolve) => setTimeout(resolve))
    }
    await expect.poll(() => hashed, { timeout: 20_000 }).toBeGreaterThan(4 * bytes.length)
    expect(hashed).toBeLessThan(8 * bytes.length)
    expect(hex((await hashing.finish(pieceCount)).v1)).toBe(sha1Pieces(Buffer.concat(Array(8).fill(bytes))))
  })

  test('what fails before all entries are there is told with the next', async () => {
    const { entries, pieceCount, ...rest } = request(bytes.length, 8)
    const hashing = new ContentHashing({ ...rest, entries })
    hashing.know(pieceCount - 1)
    const told = expect.poll(
      () => {
        try {
          hashing.know(pieceCount - 1)
          return undefined
        } catch (error) {
          return (error as ShoalError).code
        }
      },
      { timeout: 20_000 },
    )
    await told.toBe('storage/changed')
    await expect(hashing.finish(pieceCount)).rejects.toMatchObject({ code: 'storage/changed' })
  })

  test('no content is no work', async () => {
    await expect(hashContent({ ...request(0, 0), pieceCount: 0 })).resolves.toEqual({
      v1: new Uint8Array(0),
      v2: null,
    })
  })

  test('keeps the process alive while it works, and not after', async () => {
    writeFileSync(path.join(dir, 'file'), bytes)
    const module = new URL('./content-hashing.ts', import.meta.url).href
    const { pool: _, ...plain } = request()
    const script = `import { hashContent } from ${JSON.stringify(module)}
      hashContent(${JSON.stringify(plain)}).then(({ v1 }) => console.log(Buffer.from(v1).toString('hex')))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20_000,
    })
    expect(stdout.trim()).toBe(sha1Pieces(bytes))
  })
})
