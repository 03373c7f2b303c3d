/** What takes minutes: many files, and a big file with large pieces. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { mustRun } from '../kit/shoal.ts'
import { startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'

/** Bytes that are cheap to make and differ everywhere. */
function bytes(label: string, length: number): Uint8Array {
  const block = createHash('sha512').update(label).digest()
  return new Uint8Array(Buffer.alloc(length, block))
}

function* manyFiles(count: number): Generator<readonly [string, Uint8Array]> {
  for (let i = 0; i < count; i++)
    yield [`album ${i % 50}/picture ${i}.jpg`, bytes(`picture ${i}`, 1000 + ((i * 7919) % 60_000))]
}

async function make(source: string, args: string[]): Promise<string> {
  const torrent = join(temporaryFolder('torrent'), 'long.torrent')
  await mustRun(['create', source, '-o', torrent, ...args], { timeoutMs: 300_000 })
  return torrent
}

test.each(['v1', 'v2', 'hybrid'])('20,000 files travel and are the same (%s)', async (format) => {
  const root = temporaryFolder('many')
  writeTree(join(root, 'source', 'library'), manyFiles(20_000))
  const torrent = await make(join(root, 'source', 'library'), ['--format', format])
  const seed = startSeed(torrent, join(root, 'source'), {})
  const peers = [await seed.readyEndpoint(120_000)]
  const get = startGet(torrent, join(root, 'target'), { peers })
  await get.event('complete', undefined, 300_000)
  await get.event('verified', undefined, 300_000)
  expect((await get.end()).code).toBe(0)
  expect(treeDifferences(join(root, 'source'), join(root, 'target'))).toEqual([])
  expect(existsSync(join(root, 'target', '.shoal'))).toBe(false)
})

test('a file in pieces larger than the whole pool of unverified bytes', async () => {
  const root = temporaryFolder('large-pieces')
  writeTree(join(root, 'source'), [['big.bin', bytes('big', 300_000_000)]])
  const torrent = await make(join(root, 'source', 'big.bin'), ['--format', 'v1', '--piece-length', '128MiB'])
  const seed = startSeed(torrent, join(root, 'source'), {})
  const get = startGet(torrent, join(root, 'target'), { peers: [await seed.readyEndpoint(60_000)] })
  await get.event('verified', undefined, 120_000)
  expect((await get.end()).code).toBe(0)
  expect(treeDifferences(join(root, 'source'), join(root, 'target'))).toEqual([])
})
