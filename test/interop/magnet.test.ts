/**
 * Magnet links between Shoal and libtorrent, both ways: one side has the torrent, the other only its hashes.
 * Each has an address of its own.
 */
import { expect, test } from 'vitest'
import { startLibtorrent } from '../kit/real-clients.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'

const FORMATS: Format[] = ['v1', 'v2', 'hybrid']
/** Several files of more than one piece, so that v2 needs piece layers. */
const FILES = { 'a.bin': 500_001, 'b/empty': 0, 'b/ü.bin': 16_384, 'c.bin': 2_000_000, z: 1 }

/** libtorrent writes pad files. */
function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter((line) => !/^unexpected: .*\.pad\//.test(line))
}

test.for(FORMATS)('%s: libtorrent downloads from Shoal by magnet link', async (format) => {
  const { file, source, target, torrent } = stage({ format, files: FILES })
  const seed = startSeed(file, source, { host: '127.0.0.2' })
  const { port } = await seed.readyEndpoint()
  const link = torrent.magnet()
  const client = await startLibtorrent({
    torrent: link,
    dir: target,
    host: '127.0.0.3',
    peers: [`127.0.0.2:${port}`],
  })
  await client.finished(30_000)
  expect(differences(source, target)).toEqual([])
})

test.for(FORMATS)('%s: Shoal downloads from libtorrent by magnet link', async (format) => {
  const { file, source, target, torrent } = stage({ format, files: FILES })
  const client = await startLibtorrent({ torrent: file, dir: source, host: '127.0.0.3' })
  const get = startGet(torrent.magnet(), target, { host: '127.0.0.4', peers: [client] })
  expect(await get.event('metadata')).toMatchObject({ name: torrent.name })
  await get.event('complete', undefined, 30_000)
  expect(treeDifferences(source, target)).toEqual([])
  expect(get.all('piece-failed')).toEqual([])
})
