/**
 * A real picture library, the PNG tree of Debian's openclipart-png: shared, fetched from
 * three, one of them killed.
 */
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { Shoal } from '../kit/shoal.ts'
import { peerArguments, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, treeHashes } from '../kit/trees.ts'

const LIBRARY = '/usr/share/openclipart/png'
/** Each of the three gives this much, so that there is a middle in which to kill one. */
const LIMIT = ['--upload-limit', '25MB/s']

test('the openclipart library through share and get, with one of three peers killed midway', async () => {
  if (!existsSync(LIBRARY)) throw new Error(`${LIBRARY} is missing: apt-get install openclipart-png`)
  const root = temporaryFolder('openclipart')
  const library = join(root, 'source', 'png')
  cpSync(LIBRARY, library, { recursive: true, verbatimSymlinks: true })
  const share = Shoal.start(['share', library, ...peerArguments({ args: [...LIMIT, '--no-tracker'] })])
  const created = await share.event('created', undefined, 60_000)
  const files = treeHashes(join(root, 'source')).size
  expect(created.files).toBe(files)
  const others = [1, 2].map(() => startSeed(created.file, join(root, 'source'), { args: LIMIT }))
  const peers = await Promise.all([share, ...others].map((peer) => peer.readyEndpoint(60_000)))
  const target = join(root, 'target')
  const get = startGet(created.file, target, { peers })
  await get.event('progress', ({ bytes, total }) => bytes > total * 0.3 && bytes < total * 0.8, 60_000)
  others[0]?.signal('SIGKILL')
  expect(await get.event('complete', undefined, 60_000)).toMatchObject({ bytes: created.bytes })
  expect(treeDifferences(join(root, 'source'), target)).toEqual([])
  expect(await get.event('verified', undefined, 60_000)).toMatchObject({ pieces: created.pieces, files })
  expect((await get.end()).code).toBe(0)
})
