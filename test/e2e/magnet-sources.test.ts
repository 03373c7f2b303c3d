/** The metadata of a magnet link from the catalog record that it names, where peers do not give it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { askHttp, fakeLibrary, fakePublisher, publish } from '../kit/catalog.ts'
import { onCleanUp } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { stage, startGet } from '../kit/stage.ts'
import type { TorrentFixture } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'

/** A tracker whose catalog keeps the .torrent. */
async function catalogWith({ infoHash, name, bytes }: TorrentFixture) {
  const { http } = await startOwnTracker()
  await publish(http, fakeLibrary(fakePublisher(), { infoHash, name }))
  const headers = { 'content-type': 'application/x-bittorrent' }
  const put = await askHttp(http, '/api/v1/libraries/1/torrent', { method: 'PUT', headers, body: bytes })
  expect(put.status).toBe(200)
  const base = `http://${http.host}:${http.port}`
  const record = `${base}/api/v1/libraries/${infoHash.toString('hex')}`
  return {
    tracker: `&tr=${encodeURIComponent(`${base}/announce`)}`,
    record: `&xs=${encodeURIComponent(record)}`,
  }
}

test('a peer that gives content but no metadata is enough where the link names a record', async () => {
  const { source, target, torrent } = stage({ files: { 'book.bin': 400_000, 'cover.png': 1000 } })
  const { tracker, record } = await catalogWith(torrent)
  // Without BEP 10, as old clients.
  const seeder = await FakePeer.listen(torrent, { extended: false })
  const link = torrent.magnet(`${tracker}${record}&x.pe=${seeder.address}`)
  const get = startGet(link, target, { args: ['--exit'] })
  expect(await get.event('metadata')).toMatchObject({ infoHash: torrent.infoHash.toString('hex') })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(treeDifferences(source, target)).toEqual([])
  expect(get.all('metadata')).toHaveLength(1)
  expect(get.all('warning').map(({ code }) => code)).not.toContain('magnet/bad-source')
})

test('a record at an address that is nobody’s tracker must be public; peers are asked all the same', async () => {
  const { source, target, torrent } = stage({ files: { 'book.bin': 400_000 } })
  const server = await FakeTracker.start()
  const elsewhere = new URL(server.url)
  elsewhere.pathname = `/api/v1/libraries/${torrent.infoHash.toString('hex')}`
  const get = startGet(torrent.magnet(`&xs=${encodeURIComponent(elsewhere.href)}`), target)
  const { message } = await get.event('warning', ({ code }) => code === 'magnet/bad-source')
  expect(message).toContain('private network')
  const seeder = FakePeer.leecher(torrent, { has: Array(torrent.pieceCount).keys() })
  await seeder.dial(await get.peerEndpoint())
  await get.event('complete')
  expect(treeDifferences(source, target)).toEqual([])
})

test('a record is not asked while peers give the metadata', async () => {
  const { target, torrent } = stage({ files: { 'book.bin': 400_000 } })
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onCleanUp(() => {
    server.closeAllConnections()
    server.close()
  })
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const record = `${base}/api/v1/libraries/${torrent.infoHash.toString('hex')}`
  const seeder = await FakePeer.listen(torrent)
  const [tr, xs] = [`${base}/announce`, record].map(encodeURIComponent)
  const get = startGet(torrent.magnet(`&tr=${tr}&xs=${xs}&x.pe=${seeder.address}`), target)
  await get.event('complete')
  await get.end()
  expect(asked.map((url) => url.split('?', 1)[0])).toContain('/announce')
  expect(asked.filter((url) => url.startsWith('/api'))).toEqual([])
})
