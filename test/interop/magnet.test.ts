/**
 * Magnet links between Shoal and aria2: one side has the torrent, the other only its hashes. (libtorrent and
 * Transmission: clients.test.ts.)
 */
import { expect, test } from 'vitest'
import { startAria2 } from '../kit/real-clients.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const FILES = { 'a.bin': 500_001, 'b/empty': 0, 'b/ü.bin': 16_384, 'c.bin': 2_000_000, z: 1 }

// aria2 gives trackers the `left` of a seed while it has no metadata, and follows no `x.pe`: Shoal dials it
test('aria2, v1: by magnet link, from Shoal and to Shoal', async () => {
  const { file, source, target, torrent, folder } = stage({ files: FILES })
  const client = await startAria2({ torrent: torrent.magnet(), dir: target, host: '127.0.0.3' })
  const seed = startSeed(file, source, { host: '127.0.0.2', peers: [client] })
  await until('files of aria2', () => treeDifferences(source, target).every(isAria2s), 30_000)
  expect((await seed.end()).code).toBe(0)

  const seeding = await startAria2({ torrent: file, dir: source, host: '127.0.0.4' })
  const get = startGet(torrent.magnet(), folder('back'), { host: '127.0.0.5', peers: [seeding] })
  await get.event('complete', undefined, 30_000)
  expect(treeDifferences(source, folder('back')).filter((line) => !isAria2s(line))).toEqual([])
})

/** Control files of aria2. */
function isAria2s(line: string): boolean {
  return line.endsWith('.aria2')
}
