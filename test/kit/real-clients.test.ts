import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from './clean-up.ts'
import { FakePeer } from './fake-peer.ts'
import { FakeTracker } from './fake-tracker.ts'
import {
  libtorrentHashes,
  startAria2,
  startLibtorrent,
  startRtorrent,
  startTransmission,
} from './real-clients.ts'
import { type Format, torrentFixture } from './torrent-fixture.ts'
import { treeDifferences } from './trees.ts'

function folders() {
  const root = temporaryFolder('clients')
  const [source, target] = [join(root, 'source'), join(root, 'target')]
  mkdirSync(source)
  mkdirSync(target)
  return { root, source, target }
}

describe('libtorrent', () => {
  test.each<Format>(['v1', 'v2', 'hybrid'])('reads our %s torrents as we mean them', (format) => {
    const { root } = folders()
    const files = {
      'x/empty': 0,
      'x/ü.bin': 16384,
      a: 1,
      b: 16385,
      c: 49152,
      d: 65536,
      e: 65537,
      'z.bin': 300_000,
    }
    const fixtures = [
      torrentFixture({ format, files, name: 'tree', pieceLength: 16384 }),
      torrentFixture({ format, files, name: 'tree2', pieceLength: 65536 }),
      torrentFixture({ format, files: { one: 100_000 }, name: 'one' }),
    ]
    const views = libtorrentHashes(fixtures.map((fixture) => fixture.writeTorrent(root)))
    for (const [index, view] of views.entries()) {
      const fixture = fixtures[index] ?? expect.fail()
      expect(view.error).toBeUndefined()
      expect(view.v1).toBe(fixture.infoHashV1?.toString('hex') ?? null)
      expect(view.v2).toBe(fixture.infoHashV2?.toString('hex') ?? null)
      expect(view.pieces).toBe(fixture.pieceCount)
      expect(view.files.map(({ length }) => length)).toEqual([...fixture.files.values()].map((f) => f.length))
    }
  })

  test.each<Format>(['v1', 'v2', 'hybrid'])(
    '%s: downloads from a fake seeder and seeds to a fake leecher',
    async (format) => {
      const { root, source, target } = folders()
      const torrent = torrentFixture({ format })
      torrent.writeContent(source)
      const seeder = await FakePeer.listen(torrent)
      const client = await startLibtorrent({
        torrent: torrent.writeTorrent(root),
        dir: target,
        host: '127.0.0.2',
        peers: [seeder.address],
      })
      await client.finished()
      expect(treeDifferences(source, target)).toEqual([])
      const leecher = FakePeer.leecher(torrent, { host: '127.0.0.3' })
      await (await leecher.dial(client)).downloadAll()
    },
  )

  test('takes the metadata from a fake seeder', async () => {
    const { source, target } = folders()
    const torrent = torrentFixture({
      files: Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`f${i}`, 40])),
    })
    torrent.writeContent(source)
    const seeder = await FakePeer.listen(torrent)
    expect(torrent.infoBytes.length).toBeGreaterThan(16384)
    const options = { torrent: torrent.magnet(), dir: target, host: '127.0.0.2', peers: [seeder.address] }
    await (await startLibtorrent(options)).finished()
    expect(treeDifferences(source, target)).toEqual([])
  })
})

describe('aria2', () => {
  test.each(['url', 'udpUrl'] as const)(
    'downloads from a fake seeder by the fake tracker (%s)',
    async (kind) => {
      const { root, source, target } = folders()
      const tracker = await FakeTracker.start()
      const torrent = torrentFixture({ trackers: [tracker[kind]], name: kind })
      torrent.writeContent(source)
      const seeder = await FakePeer.listen(torrent, { host: '127.0.0.3' })
      tracker.reply = { peers: [seeder], intervalSeconds: 2 }
      const client = await startAria2({
        torrent: torrent.writeTorrent(root),
        dir: target,
        host: '127.0.0.2',
        udpTracker: kind === 'udpUrl',
      })
      const started = await tracker.announced('started', ({ event }) => event === 'started')
      expect(started).toMatchObject({
        port: client.port,
        left: torrent.contentLength,
      })
      expect(started.infoHash).toEqual(torrent.infoHash)
      expect(started.transport).toBe(kind === 'url' ? 'http' : 'udp')
      await client.finished()
      expect(started.peerId.subarray(0, 2).toString()).toBe('A2')
      const ofAria2 = /\.aria2$/
      expect(treeDifferences(source, target).filter((line) => !ofAria2.test(line))).toEqual([])
      await (await FakePeer.leecher(torrent, { host: '127.0.0.4' }).dial(client)).downloadAll()
      await client.stop('SIGINT')
      await tracker.announced('stopped', ({ event }) => event === 'stopped')
    },
  )

  test('a status 500: the tracker plays it and records the retry', async () => {
    const { root, target } = folders()
    const tracker = await FakeTracker.start()
    const torrent = torrentFixture({ trackers: [tracker.url] })
    tracker.failNext(1, { status: 500, delayMs: 50 })
    tracker.reply = { intervalSeconds: 1 }
    await startAria2({ torrent: torrent.writeTorrent(root), dir: target })
    await tracker.announced('again', () => tracker.announces.items.length >= 2)
  })
})

// aria2 and Transmission 3 cannot read hybrids (aria2 gets the infohash wrong, Transmission refuses the file)
test.each<Format>(['v1', 'hybrid'])(
  'rtorrent, %s: downloads by the fake tracker, then seeds',
  async (format) => {
    const { root, source, target } = folders()
    const tracker = await FakeTracker.start()
    const torrent = torrentFixture({ format, trackers: [tracker.url] })
    torrent.writeContent(source)
    const seeder = await FakePeer.listen(torrent, { host: '127.0.0.3' })
    tracker.reply = { peers: [seeder], intervalSeconds: 2 }
    const client = await startRtorrent({
      torrent: torrent.writeTorrent(root),
      dir: target,
      host: '127.0.0.2',
    })
    await client.finished()
    expect(treeDifferences(source, target).filter((line) => !line.includes('.pad/'))).toEqual([])
    await (await FakePeer.leecher(torrent, { host: '127.0.0.4' }).dial(client)).downloadAll()
  },
)

test('Transmission: seeds to a fake leecher, and downloads from a fake seeder that dials it', async () => {
  const { root, source, target } = folders()
  const torrent = torrentFixture()
  torrent.writeContent(source)
  const file = torrent.writeTorrent(root)
  const seeding = await startTransmission({ torrent: file, dir: source, host: '127.0.0.2' })
  const loading = await startTransmission({ torrent: file, dir: target, host: '127.0.0.4' })
  const leecher = await FakePeer.leecher(torrent, { host: '127.0.0.3' }).dial(seeding)
  const seeder = await FakePeer.listen(torrent, { host: '127.0.0.5' })
  await seeder.dial(loading)
  // both at once: each waits for the next choke round, every 10 s
  await Promise.all([leecher.downloadAll(30_000), loading.finished(30_000)])
  expect(treeDifferences(source, target)).toEqual([])
})
