/**
 * Real clients that refuse every connection that is not encrypted: each downloads from Shoal, which it dials,
 * and seeds to Shoal, which dials it. Every file is compared.
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
import { stage, startGet, startSeed } from '../kit/stage.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep } from '../kit/waiting.ts'

interface Client {
  name: string
  stream: 'rc4' | 'plain'
  format: Format
  start: (options: ClientOptions) => Promise<RealClient>
}

// libtorrent with RC4 stands in clients.test.ts
const CLIENTS: Client[] = [
  { name: 'libtorrent', stream: 'plain', format: 'v1', start: startLibtorrent },
  { name: 'aria2', stream: 'rc4', format: 'v1', start: startAria2 },
  { name: 'aria2', stream: 'plain', format: 'v1', start: startAria2 },
  { name: 'rtorrent', stream: 'rc4', format: 'v1', start: startRtorrent },
]

const FILES = { 'a.bin': 700_001, 'b/ü.bin': 16_384, 'b/c/d.bin': 333_333, z: 1 }

function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter((line) => !/^unexpected: .*\.aria2$/.test(line))
}

/** What Shoal can be set to and still meet a client that insists on this stream. */
function settings(stream: Client['stream']): string[] {
  return stream === 'rc4' ? ['prefer', 'require'] : ['prefer']
}

describe.each(CLIENTS)(
  '$name, $format, which insists on encryption ($stream after the handshake)',
  ({ name, stream, format, start }) => {
    test.each(settings(stream))(
      'dials Shoal (%s) and downloads, then is dialled by Shoal and seeds',
      async (mode) => {
        const tracker = await FakeTracker.start({ reply: { intervalSeconds: 2 } })
        const { file, source, target, folder } = stage({ format, files: FILES, trackers: [tracker.url] })
        const args = ['--encryption', mode]
        const seed = startSeed(file, source, { host: '127.0.0.2', args })
        const { port } = await seed.readyEndpoint()
        await tracker.members(1)
        const client = await start({
          torrent: file,
          dir: target,
          host: '127.0.0.3',
          peers: [`127.0.0.2:${port}`],
          encryption: stream,
        })
        await client.finished(30_000)
        expect(differences(source, target)).toEqual([])
        expect(seed.all('connecting')).toEqual([])
        expect((await seed.end()).code).toBe(0)

        // rtorrent seeds only what it has fetched itself; aria2 takes its time to begin with that
        const common = { torrent: file, dir: source, host: '127.0.0.5', encryption: stream }
        const seeding = name === 'rtorrent' ? client : await start(common)
        const get = startGet(file, folder('back'), {
          host: '127.0.0.4',
          peers: [seeding],
          args: [...args, '--no-tracker'],
        })
        await get.event('complete', undefined, 30_000)
        expect(differences(source, folder('back'))).toEqual([])
        expect(get.all('piece-failed')).toEqual([])
        // plain was tried first
        if (mode === 'prefer') expect(get.all('connecting').length).toBeGreaterThan(1)
      },
    )
  },
)

test('Transmission, which insists on encryption: Shoal dials it, to seed and to download', async () => {
  const { file, source, target, folder } = stage({ files: FILES })
  const common = { torrent: file, encryption: 'rc4' as const }
  const loading = await startTransmission({ ...common, dir: target, host: '127.0.0.3' })
  const seeding = await startTransmission({ ...common, dir: source, host: '127.0.0.4' })
  startSeed(file, source, { host: '127.0.0.2', peers: [loading] })
  const get = startGet(file, folder('back'), {
    host: '127.0.0.5',
    peers: [seeding],
    args: ['--encryption', 'require'],
  })
  await Promise.all([loading.finished(40_000), get.event('complete', undefined, 40_000)])
  expect(treeDifferences(source, target)).toEqual([])
  expect(treeDifferences(source, folder('back'))).toEqual([])
})

test('libtorrent, which insists on encryption, and Shoal, which has it off, do not meet', async () => {
  const { file, source, target } = stage({ files: FILES })
  const client = await startLibtorrent({ torrent: file, dir: source, host: '127.0.0.3', encryption: 'rc4' })
  const get = startGet(file, target, {
    host: '127.0.0.4',
    peers: [client],
    args: ['--encryption', 'off'],
  })
  await get.event('peer-disconnected', ({ reason }) => reason !== undefined, 10_000)
  await sleep(2000)
  expect(get.all('peer-connected')).toEqual([])
})

test('libtorrent, which has encryption off, and Shoal, which requires it, do not meet', async () => {
  const { file, source, target } = stage({ files: FILES })
  const seed = startSeed(file, source, { host: '127.0.0.2', args: ['--encryption', 'require'] })
  const { port } = await seed.readyEndpoint()
  await startLibtorrent({ torrent: file, dir: target, host: '127.0.0.3', peers: [`127.0.0.2:${port}`] })
  await sleep(3000)
  expect(seed.all('peer-connected')).toEqual([])
})
