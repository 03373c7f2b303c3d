import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { EarlyCheck } from './early-check.ts'
import { HashPool } from './hash-pool.ts'
import { createMetainfo } from './metainfo-creation.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'early-check-'))
afterAll(async () => {
  await HashPool.shared.close()
  rmSync(dir, { recursive: true })
})

test('finds and looks at what is there, or nothing once it is stopped', async () => {
  const file = path.join(dir, 'content')
  writeFileSync(file, Buffer.alloc(100_000, 'content'))
  const { metainfo } = await createMetainfo({ paths: [file], format: 'v1', pieceLength: 16_384 })
  const whole = new EarlyCheck(metainfo, dir, new AbortController().signal)
  expect((await whole.found).count).toBe(metainfo.pieceCount)
  expect(whole.looks.of(0, () => undefined)?.size).toBe(100_000)
  expect(whole.isStopped).toBe(false)

  const abort = new AbortController()
  const stopped = new EarlyCheck(metainfo, dir, abort.signal)
  abort.abort()
  expect((await stopped.found).count).toBe(0)
  expect(stopped.isStopped).toBe(true)
})
