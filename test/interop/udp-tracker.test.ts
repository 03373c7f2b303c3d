/**
 * Real clients announce to `shoal tracker` over UDP and nothing else: each finds a Shoal seeder there, and,
 * with that one gone, is found there by a Shoal downloader.
 */
import { expect, test } from 'vitest'
import { type OwnTracker, startOwnTracker } from '../kit/own-tracker.ts'
import { announceUdp } from '../kit/raw-announce.ts'
import {
  type ClientOptions,
  type RealClient,
  startAria2,
  startLibtorrent,
  startRtorrent,
  startTransmission,
} from '../kit/real-clients.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import type { TorrentFixture } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const FILES = { 'a.bin': 100_001, 'b/c.bin': 333_333 }

/** Addresses of everybody in the swarm, asked as one who only looks. */
async function members(tracker: OwnTracker, torrent: TorrentFixture): Promise<string[]> {
  const who = { infoHash: torrent.infoHash, peerId: Buffer.alloc(20, 'x'), port: 9, from: '127.0.0.99' }
  const { peers } = await announceUdp(tracker.udp, who)
  await announceUdp(tracker.udp, { ...who, event: 'stopped' })
  return peers.map(({ host, port }) => `${host}:${port}`)
}

const CLIENTS: { name: string; start: (options: ClientOptions) => Promise<RealClient> }[] = [
  { name: 'libtorrent', start: startLibtorrent },
  { name: 'aria2', start: startAria2 },
  { name: 'rtorrent', start: startRtorrent },
]

test.for(CLIENTS)('$name finds peers and is found over UDP', async ({ start }) => {
  const tracker = await startOwnTracker('--udp-port', '0', '--interval', '2s')
  const { file, source, target, torrent, folder } = stage({
    format: 'v1',
    files: FILES,
    trackers: [tracker.udpUrl],
  })
  const seed = startSeed(file, source, { host: '127.0.0.2' })
  await seed.event('announced')
  const client = await start({ torrent: file, dir: target, host: '127.0.0.3', udpTracker: true })
  await client.finished(30_000)
  expect(await members(tracker, torrent)).toContain(client.address)
  expect((await seed.end()).code).toBe(0)

  const get = startGet(file, folder('back'), { host: '127.0.0.4' })
  await get.event('complete', undefined, 30_000)
  expect(treeDifferences(source, folder('back'))).toEqual([])
})

test('Transmission, which dials nobody on loopback, is found over UDP', async () => {
  const tracker = await startOwnTracker('--udp-port', '0', '--interval', '2s')
  const { file, source, target, torrent } = stage({ format: 'v1', files: FILES, trackers: [tracker.udpUrl] })
  const client = await startTransmission({ torrent: file, dir: source, host: '127.0.0.3' })
  await until(
    'announce of Transmission',
    async () => (await members(tracker, torrent)).includes(client.address),
    30_000,
    200,
  )
  const get = startGet(file, target, { host: '127.0.0.4' })
  await get.event('complete', undefined, 30_000)
  expect(treeDifferences(source, target)).toEqual([])
})
