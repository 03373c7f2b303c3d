/** libtorrent seeds what Shoal has only the magnet link of: it gives the piece layers too (BEP 52). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startLibtorrent } from '../kit/real-clients.ts'
import { stage, startGet } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

/** Several files of more than one piece, so that v2 needs piece layers. */
const FILES = { 'a.bin': 500_001, 'b/empty': 0, 'b/ü.bin': 16_384, 'c.bin': 2_000_000, z: 1 }

test.for(['v2', 'hybrid'] as const)('%s: piece layers come with the metadata', async (format) => {
  const { file, source, target, torrent } = stage({ format, files: FILES })
  const client = await startLibtorrent({ torrent: file, dir: source, host: '127.0.0.3' })
  const env = { XDG_STATE_HOME: temporaryFolder() }
  const get = startGet(torrent.magnet(), target, { host: '127.0.0.4', peers: [client], env })
  await get.event('complete', undefined, 30_000)
  expect(treeDifferences(source, target)).toEqual([])
  const folder = join(env.XDG_STATE_HOME, 'shoal', 'magnets')
  const [kept, ...others] = readdirSync(folder)
  expect(others).toEqual([])
  expect(readFileSync(join(folder, kept!)).includes('piece layers')).toBe(true)
})
