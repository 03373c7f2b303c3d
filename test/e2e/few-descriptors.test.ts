/** What happens where the system allows few open files: less at once, never a download that does not move. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { mustRun } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'

const under = (limit: number) => ({ through: ['prlimit', `--nofile=${limit}:${limit}`] })

test('a piece of more files than may be open at once is written and served all the same', async () => {
  const root = temporaryFolder('few-descriptors')
  // In one piece, and in many folders.
  const files = Array.from(
    { length: 2000 },
    (_, i) => [`library/d${i % 40}/${i}`, Buffer.alloc(90, `${i} `)] as const,
  )
  writeTree(join(root, 'source'), files)
  const torrent = join(root, 'library.torrent')
  const format = ['--format', 'v1', '--piece-length', '262144']
  await mustRun(['create', join(root, 'source', 'library'), '-o', torrent, ...format])
  const seed = startSeed(torrent, join(root, 'source'), under(256))
  const peers = [await seed.readyEndpoint()]
  const get = startGet(torrent, join(root, 'target'), { peers, args: ['--exit'], ...under(256) })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(get.all('paused')).toEqual([])
  expect(treeDifferences(join(root, 'source'), join(root, 'target'))).toEqual([])
  expect((await seed.end()).code).toBe(0)
}, 120_000)

test('where not even one peer fits it says so at once', async () => {
  const { file } = stage()
  const get = startGet(file, temporaryFolder('target'), { args: ['--exit'], ...under(40) })
  expect((await get.exitWithin()).code).toBe(1)
  expect(get.all('error')).toMatchObject([
    { code: 'listen/too-few-descriptors', hint: expect.stringContaining('ulimit') },
  ])
})
