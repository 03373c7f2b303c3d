import { expect, test } from 'vitest'
import { FakePeer } from './fake-peer.ts'
import { torrentFixture } from './torrent-fixture.ts'

const torrent = torrentFixture({ files: { 'a.bin': 100_000, 'b.bin': 1 } })

test('a leecher gets every piece of a seeder, and the record shows it', async () => {
  const seeder = await FakePeer.listen(torrent)
  const leecher = FakePeer.leecher(torrent, { host: '127.0.0.2' })
  const connection = await leecher.dial(seeder)
  expect((await connection.handshake()).peerId).toEqual(seeder.peerId)
  await connection.downloadAll()
  expect(seeder.servedBytes).toBe(torrent.contentLength)
  const served = await seeder.connection()
  expect(served.remoteAddress).toBe('127.0.0.2')
  expect(new Set(served.requests.map(({ index }) => index))).toEqual(new Set([0, 1, 2, 3]))
  expect(served.count('interested')).toBe(1)
})

test('byte by byte, with limits, unknown messages and a fast peer, the bytes are the same', async () => {
  const seeder = await FakePeer.listen(torrent, {
    fragmentBytes: 1,
    announces: 'fast',
    bytesPerSecond: 400_000,
  })
  const leecher = FakePeer.leecher(torrent, { announces: 'fast' })
  const connection = await leecher.dial(seeder)
  await connection.message('have-all')
  connection.send(99, Buffer.from('anything'))
  const startMs = performance.now()
  await connection.downloadAll()
  expect(performance.now() - startMs).toBeGreaterThan(150)
})

test('a corrupt piece is noticed, an absent one rejected', async () => {
  const seeder = await FakePeer.listen(torrent, { corrupts: [1], has: [0, 1], announces: 'fast' })
  const connection = await FakePeer.leecher(torrent, { announces: 'fast' }).dial(seeder)
  await connection.downloadPiece(0)
  await expect(connection.downloadPiece(1)).rejects.toThrow('wrong bytes')
  await expect(connection.downloadPiece(2)).rejects.toThrow('rejected')
})

test('what never comes fails in time', async () => {
  const seeder = await FakePeer.listen(torrent, { answers: false })
  const connection = await FakePeer.leecher(torrent).dial(seeder)
  await expect(connection.downloadPiece(0, 100)).rejects.toThrow('within 100 ms')
  expect((await seeder.connection()).outstanding.size).toBe(2)
  await seeder.stop()
  await expect(connection.message('piece')).rejects.toThrow('closed')
})
