/**
 * Peer exchange with libtorrent (qBittorrent, Deluge): each hears of a third peer from
 * the other, and dials it.
 */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { startLibtorrent } from '../kit/real-clients.ts'
import { Shoal } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'

const TIMEOUT_MS = 70_000
const ONLY_PEX = ['--port', '0', '--no-tracker', '--no-ring', '--no-dht', '--no-lan']

test('Shoal hears of a peer from libtorrent', async () => {
  const { file, target, torrent, folder } = stage()
  const third = await FakePeer.listen(torrent, { host: '127.0.0.9', has: [] })
  const options = { torrent: file, dir: folder('theirs'), host: '127.0.0.3', peers: [third.address] }
  const client = await startLibtorrent(options)
  await third.connection()
  const args = [...ONLY_PEX, '--host', '127.0.0.4', '--peer', `${client.host}:${client.port}`]
  const get = Shoal.start(['get', file, '--dir', target, ...args])
  const { address } = await get.event('peer-connected', (e) => e.address === third.address, TIMEOUT_MS)
  expect(address).toBe(third.address)
})

test('libtorrent hears of a peer from Shoal', async () => {
  const { file, target, torrent, folder } = stage()
  const third = await FakePeer.listen(torrent, { host: '127.0.0.9', has: [] })
  const args = [...ONLY_PEX, '--host', '127.0.0.4', '--peer', third.address]
  const get = Shoal.start(['get', file, '--dir', target, ...args])
  const { host, port } = await get.readyEndpoint()
  await third.connection()
  const options = { torrent: file, dir: folder('theirs'), host: '127.0.0.3', peers: [`${host}:${port}`] }
  await startLibtorrent(options)
  const dialled = await third.connections.first(
    'connection of libtorrent',
    ({ remoteAddress }) => remoteAddress === '127.0.0.3',
    TIMEOUT_MS,
  )
  await dialled.handshake()
})
