/**
 * Magnet links between Shoal and libtorrent, both ways: one side has the torrent, the other only its hashes.
 * Each has an address of its own.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startAria2, startLibtorrent, startTransmission } from '../kit/real-clients.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

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
  const infoHash = (torrent.infoHashV1 ?? torrent.infoHashV2)!.toString('hex')
  const kept = readFileSync(join(target, '.shoal', `${infoHash}.torrent`))
  expect(kept.includes('piece layers')).toBe(format !== 'v1')
})

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

test('Transmission, v1: Shoal downloads from it by magnet link', async () => {
  const { file, source, target, torrent } = stage({ files: { 'a.bin': 300_001 } })
  const seeding = await startTransmission({ torrent: file, dir: source, host: '127.0.0.4' })
  const get = startGet(torrent.magnet(), target, { host: '127.0.0.5', peers: [seeding] })
  await get.event('complete', undefined, 40_000)
  expect(treeDifferences(source, target)).toEqual([])
})
