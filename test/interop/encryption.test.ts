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
import { peerArguments, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep } from '../kit/waiting.ts'

interface Client {
  name: string
  stream: 'rc4' | 'plain'
  start: (options: ClientOptions) => Promise<RealClient>
}

const CLIENTS: Client[] = [
  { name: 'libtorrent', stream: 'rc4', start: startLibtorrent },
  { name: 'libtorrent', stream: 'plain', start: startLibtorrent },
  { name: 'aria2', stream: 'rc4', start: startAria2 },
  { name: 'aria2', stream: 'plain', start: startAria2 },
  { name: 'rtorrent', stream: 'rc4', start: startRtorrent },
]
/** Dials nobody on loopback. */
const TRANSMISSION: Client = { name: 'Transmission', stream: 'rc4', start: startTransmission }

const FILES = { 'a.bin': 700_001, 'b/ü.bin': 16_384, 'b/c/d.bin': 333_333, z: 1 }

function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter((line) => !/^unexpected: .*\.aria2$/.test(line))
}

/** What Shoal can be set to and still meet a client that insists on this stream. */
function settings(stream: Client['stream']): string[] {
  return stream === 'rc4' ? ['prefer', 'require'] : ['prefer']
}

describe.each(CLIENTS)(
  '$name, which insists on encryption ($stream after the handshake)',
  ({ stream, start }) => {
    test.each(settings(stream))('dials Shoal (%s) and downloads', async (encryption) => {
      const tracker = await FakeTracker.start({ reply: { intervalSeconds: 2 } })
      const { file, source, target } = stage({ files: FILES, trackers: [tracker.url] })
      const seed = startSeed(file, source, { host: '127.0.0.2', args: ['--encryption', encryption] })
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
    })

    test.each(settings(stream))('is dialled by Shoal (%s) and seeds', async (encryption) => {
      const { file, source, target } = stage({ files: FILES })
      const client = await start({ torrent: file, dir: source, host: '127.0.0.3', encryption: stream })
      const args = ['--encryption', encryption]
      const get = startGet(file, target, { host: '127.0.0.4', peers: [client], args })
      await get.event('complete', undefined, 30_000)
      expect(differences(target, source)).toEqual([])
      expect(get.all('piece-failed')).toEqual([])
      // plain is tried first, unless it must not be
      expect(get.all('connecting').length > 1).toBe(encryption === 'prefer')
    })
  },
)

test.each(settings('rc4'))(
  'Transmission, which insists on encryption: Shoal (%s) dials it',
  async (encryption) => {
    const { file, source, target, folder } = stage({ files: FILES })
    const { start } = TRANSMISSION
    const common = { torrent: file, encryption: 'rc4' as const }
    const loading = await start({ ...common, dir: target, host: '127.0.0.3' })
    const seeding = await start({ ...common, dir: source, host: '127.0.0.4' })
    const args = ['--encryption', encryption]
    startSeed(file, source, { host: '127.0.0.2', peers: [loading], args })
    const get = startGet(file, folder('back'), { host: '127.0.0.5', peers: [seeding], args })
    await Promise.all([loading.finished(40_000), get.event('complete', undefined, 40_000)])
    expect(treeDifferences(source, target)).toEqual([])
    expect(treeDifferences(source, folder('back'))).toEqual([])
  },
)

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
  expect(peerArguments({})).toContain('--no-dht')
})

test('libtorrent, which has encryption off, and Shoal, which requires it, do not meet', async () => {
  const { file, source, target } = stage({ files: FILES })
  const seed = startSeed(file, source, { host: '127.0.0.2', args: ['--encryption', 'require'] })
  const { port } = await seed.readyEndpoint()
  await startLibtorrent({ torrent: file, dir: target, host: '127.0.0.3', peers: [`127.0.0.2:${port}`] })
  await sleep(3000)
  expect(seed.all('peer-connected')).toEqual([])
})
