/**
 * Real clients, both directions: each downloads from a Shoal seeder, then, with Shoal gone, seeds to a Shoal
 * downloader. Every file is compared. Some clients tell peers apart by address only, so each has its own.
 */
import { describe, expect, test } from 'vitest'
import { FakeTracker } from '../kit/fake-tracker.ts'
import {
  type ClientOptions,
  type RealClient,
  startAria2,
  startLibtorrent,
  startRtorrent,
  startTransmission,
} from '../kit/real-clients.ts'
import { mustRun } from '../kit/shoal.ts'
import { peerArguments, stage, startGet, startSeed } from '../kit/stage.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'

interface Client {
  name: string
  format: Format
  start: (options: ClientOptions) => Promise<RealClient>
}

// aria2 has another infohash for hybrids (below), Transmission 3 cannot parse them;
// rtorrent sees their v1 side
const CLIENTS: Client[] = [
  { name: 'aria2', format: 'v1', start: startAria2 },
  { name: 'rtorrent', format: 'v1', start: startRtorrent },
  { name: 'rtorrent', format: 'hybrid', start: startRtorrent },
  { name: 'libtorrent', format: 'v1', start: startLibtorrent },
  { name: 'libtorrent', format: 'v2', start: startLibtorrent },
  { name: 'libtorrent', format: 'hybrid', start: startLibtorrent },
]

const FILES = {
  'a.bin': 100_001,
  'b/empty': 0,
  'b/ü.bin': 16_384,
  'b/c/d.bin': 333_333,
  'e.bin': 32_768,
  z: 1,
}

/** Foreign clients write pad files and control files of their own. */
function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter((line) => !/^unexpected: .*(\.pad\/|\.aria2$)/.test(line))
}

test.for(CLIENTS)(
  '$name, $format: downloads from Shoal by the tracker, then seeds to Shoal',
  async ({ format, start }) => {
    const tracker = await FakeTracker.start({ reply: { intervalSeconds: 2 } })
    const { file, source, target, torrent, folder } = stage({ format, files: FILES, trackers: [tracker.url] })
    const seed = startSeed(file, source, { host: '127.0.0.2' })
    const { port } = await seed.readyEndpoint()
    await tracker.members(1)
    const client = await start({
      torrent: file,
      dir: target,
      host: '127.0.0.3',
      peers: [`127.0.0.2:${port}`],
    })
    await client.finished(30_000)
    expect(differences(source, target)).toEqual([])
    expect((await seed.end()).code).toBe(0)

    const get = startGet(file, folder('back'), { host: '127.0.0.4', peers: [client] })
    await get.event('complete', undefined, 30_000)
    expect(treeDifferences(source, folder('back'))).toEqual([])
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('piece-verified')).toHaveLength(torrent.pieceCount)
  },
)

describe('aria2, hybrid, which it knows by its rebuilt infohash', () => {
  const REBUILT = ['--rebuilt-info-hash']
  const hybrid = (trackers: string[] = []) => stage({ format: 'hybrid', files: FILES, trackers })

  test('downloads from Shoal by the tracker, then seeds to another Shoal by the tracker', async () => {
    const tracker = await FakeTracker.start({ reply: { intervalSeconds: 2 } })
    const { file, source, target, torrent, folder } = hybrid([tracker.url])
    const seed = startSeed(file, source, { host: '127.0.0.2', args: REBUILT })
    await tracker.members(2)
    const client = await startAria2({ torrent: file, dir: target, host: '127.0.0.3' })
    await client.finished(30_000)
    expect(differences(source, target)).toEqual([])
    expect((await seed.end()).code).toBe(0)

    const get = startGet(file, folder('back'), { host: '127.0.0.4', args: REBUILT })
    await get.event('complete', undefined, 30_000)
    expect(treeDifferences(source, folder('back'))).toEqual([])
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('piece-verified')).toHaveLength(torrent.pieceCount)
    expect((await get.end()).code).toBe(0)
    const hashes = new Set(tracker.announces.items.map(({ infoHash }) => infoHash.toString('hex')))
    expect(hashes.size).toBe(2)
  })

  test('seeds to a Shoal that is only told its address', async () => {
    // whole pieces but for the last file, for aria2 wants to see padding on disk
    const files = { 'a.bin': 98_304, 'b/empty': 0, 'b/ü.bin': 327_680, z: 5 }
    const { file, source, torrent, folder } = stage({ format: 'hybrid', files })
    const dir = torrent.writeContent(folder('aria2'))
    const client = await startAria2({ torrent: file, dir, host: '127.0.0.3' })
    const get = startGet(file, folder('back'), { host: '127.0.0.4', peers: [client] })
    await get.event('complete', undefined, 30_000)
    expect(treeDifferences(source, folder('back'))).toEqual([])
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('piece-verified')).toHaveLength(torrent.pieceCount)
  })

  test('downloads from a Shoal that is only told its address', async () => {
    const { file, source, target } = hybrid()
    const client = await startAria2({ torrent: file, dir: target, host: '127.0.0.3' })
    startSeed(file, source, { host: '127.0.0.2', peers: [client] })
    await client.finished(40_000)
    expect(differences(source, target)).toEqual([])
  })
})

test('Transmission, v1: Shoal dials it, to seed and to download', async () => {
  const { file, source, target, torrent, folder } = stage({ files: FILES })
  const loading = await startTransmission({ torrent: file, dir: target, host: '127.0.0.3' })
  const seeding = await startTransmission({ torrent: file, dir: source, host: '127.0.0.4' })
  startSeed(file, source, { host: '127.0.0.2', peers: [loading] })
  const get = startGet(file, folder('back'), { host: '127.0.0.5', peers: [seeding] })
  // both at once: Transmission chooses whom to serve every ten seconds
  await Promise.all([loading.finished(40_000), get.event('complete', undefined, 40_000)])
  // Transmission makes no empty files
  expect(treeDifferences(source, target)).toEqual([`missing: ${torrent.name}/b/empty`])
  expect(treeDifferences(source, folder('back'))).toEqual([])
})

test.for<Format>(['v1', 'v2', 'hybrid'])(
  'a torrent made by Shoal, %s: libtorrent downloads it',
  async (format) => {
    const { root, source, target, torrent } = stage({ files: FILES, name: `made-${format}` })
    const made = `${root}/made.torrent`
    await mustRun([
      'create',
      `${source}/${torrent.name}`,
      '-o',
      made,
      '--format',
      format,
      '--piece-length',
      '32KiB',
    ])
    const { port } = await startSeed(made, source, { host: '127.0.0.2' }).readyEndpoint()
    const peers = [`127.0.0.2:${port}`]
    const client = await startLibtorrent({ torrent: made, dir: target, host: '127.0.0.3', peers })
    await client.finished(30_000)
    expect(differences(source, target)).toEqual([])
  },
)

test('a mixed swarm: Shoal, aria2 and libtorrent feed two Shoal downloaders', async () => {
  const tracker = await FakeTracker.start({ reply: { intervalSeconds: 2 } })
  const { file, source, torrent, folder } = stage({
    files: { 'big.bin': 3_000_000 },
    trackers: [tracker.url],
  })
  const options = { torrent: file, uploadLimit: 2_000_000 }
  await startAria2({ ...options, dir: source, host: '127.0.0.3' })
  await startLibtorrent({ ...options, dir: torrent.writeContent(folder('libtorrent')), host: '127.0.0.4' })
  await startSeed(file, torrent.writeContent(folder('shoal')), {
    host: '127.0.0.2',
    args: ['--upload-limit', '2MB/s'],
  }).readyEndpoint()
  await tracker.members(3)
  const gets = ['one', 'two'].map((name, i) =>
    startGet(file, folder(name), { host: `127.0.0.${6 + i}`, args: ['--exit'] }),
  )
  for (const get of gets) expect((await get.exitWithin(30_000)).code).toBe(0)
  expect(treeDifferences(source, folder('one')).filter((line) => !line.includes('.aria2'))).toEqual([])
  expect(treeDifferences(source, folder('two')).filter((line) => !line.includes('.aria2'))).toEqual([])
  expect(peerArguments({})).toContain('--no-dht')
})
