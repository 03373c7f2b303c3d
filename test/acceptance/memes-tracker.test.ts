/** Requirements of the `memes` system about its repository, the tracker. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { type Endpoint, FakeTracker } from '../kit/fake-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { Shoal } from '../kit/shoal.ts'
import { stage, startGet } from '../kit/stage.ts'

async function startTracker(...args: string[]): Promise<{ host: string; port: number }> {
  const options = ['--host', '127.0.0.1', '--port', '0', '--heartbeat', 'off', ...args]
  const { host, port } = await Shoal.start(['tracker', ...options]).event(
    'listening',
    ({ service }) => service === 'tracker' || service === 'http',
  )
  return { host, port }
}

function somebody(port: number) {
  return { infoHash: Buffer.alloc(20, 7), peerId: randomBytes(20), port, left: 1 }
}

function addresses(peers: Endpoint[]): string[] {
  return peers.map(({ host, port }) => `${host}:${port}`).sort()
}

test('M24 a reader connects first to the repository, which registers it', async () => {
  const { file, target, torrent } = stage()
  const tracker = await FakeTracker.start()
  const seeders = await Promise.all([FakePeer.listen(torrent), FakePeer.listen(torrent)])
  tracker.reply = { peers: seeders }
  const get = startGet(file, target, { tracker })
  await get.event('complete')
  const announce = tracker.announces.items[0]
  expect(announce).toMatchObject({ event: 'started', left: torrent.contentLength })
  expect(announce?.infoHash).toEqual(torrent.infoHash)
  for (const seeder of seeders)
    for (const { openedAt } of seeder.connections.items)
      expect(openedAt).toBeGreaterThan(announce?.at ?? Infinity)
  expect(await get.event('announced')).toMatchObject({ tracker: tracker.url, peers: 2 })
})

test('M26 it returns the list of readers, in both forms the same', async () => {
  const tracker = await startTracker()
  for (const port of [1001, 1002, 1003])
    await announceHttp(tracker, { ...somebody(port), from: `127.0.0.${port - 999}` })
  const asker = somebody(1004)
  const compact = await announceHttp(tracker, { ...asker, compact: 1 })
  const plain = await announceHttp(tracker, { ...asker, compact: 0 })
  expect(Buffer.isBuffer(compact.members.get('peers'))).toBe(true)
  expect(Array.isArray(plain.members.get('peers'))).toBe(true)
  const everyone = ['127.0.0.2:1001', '127.0.0.3:1002', '127.0.0.4:1003']
  expect(addresses(compact.peers)).toEqual(everyone)
  expect(addresses(plain.peers)).toEqual(everyone)
  // and our own client reads both forms
  for (const isCompact of [true, false]) {
    const { file, target, torrent } = stage({ files: { a: 20_000 } })
    const seeder = await FakePeer.listen(torrent)
    const fake = await FakeTracker.start({ reply: { peers: [seeder], compact: isCompact } })
    await startGet(file, target, { tracker: fake }).event('complete')
  }
})

test('M27 the list changes as soon as a reader registers or leaves', async () => {
  const tracker = await startTracker()
  const [a, b, c] = [somebody(2001), somebody(2002), somebody(2003)]
  expect((await announceHttp(tracker, a)).peers).toEqual([])
  expect(addresses((await announceHttp(tracker, b)).peers)).toEqual(['127.0.0.1:2001'])
  await announceHttp(tracker, { ...a, event: 'stopped' })
  expect(addresses((await announceHttp(tracker, c)).peers)).toEqual(['127.0.0.1:2002'])
})
