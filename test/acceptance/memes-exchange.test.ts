/** Why a tracker need not know, or tell, of everybody: peers tell one another (BEP 11). */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { Shoal } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'
import { until } from '../kit/waiting.ts'

const OTHERS = ['--no-ring', '--no-dht', '--no-lan']
const HOSTS = [2, 3, 4, 5, 6, 7, 8, 9].map((last) => `127.0.0.${last}`)

test('M33 a tracker that names two of eight peers is enough to know all eight', async () => {
  const { file, target, torrent } = stage()
  const has: number[] = []
  const six = await Promise.all(
    HOSTS.slice(2).map((host) => FakePeer.listen(torrent, { host, has, knows: [] })),
  )
  const two = await Promise.all(
    HOSTS.slice(0, 2).map((host) => FakePeer.listen(torrent, { host, has, knows: six })),
  )
  const tracker = await FakeTracker.start({ reply: { peers: two } })
  const args = ['get', file, '--dir', target, '--host', '127.0.0.1', '--port', '0', ...OTHERS]
  const get = Shoal.start([...args, '--tracker', tracker.url])
  const everyone = await Promise.all([...two, ...six].map((peer) => peer.connection()))
  get.type('status')
  const status = await get.event('status')
  expect(status.torrents[0].knownPeers).toEqual({ tracker: 2, pex: 6 })
  expect(status.torrents[0].peers.map((peer: { source: string }) => peer.source).sort()).toEqual([
    ...Array(6).fill('pex'),
    ...Array(2).fill('tracker'),
  ])
  // And it passes on what it knows: the last peer hears of the seven others.
  const last = everyone.at(-1)
  const others = [...two, ...six.slice(0, 5)].map(({ address }) => address)
  await until('the last peer is told of all others', () => (last?.toldPeers.length ?? 0) >= 7, 15_000)
  expect(last?.toldPeers.sort()).toEqual(others.sort())
})

test('M33 the status tells people where the addresses came from', async () => {
  const { file, target, torrent } = stage()
  const far = await FakePeer.listen(torrent, { host: '127.0.0.9', has: [] })
  const near = await FakePeer.listen(torrent, { host: '127.0.0.2', has: [], knows: [far] })
  const tracker = await FakeTracker.start({ reply: { peers: [near] } })
  const args = ['get', file, '--dir', target, '--host', '127.0.0.1', '--port', '0', ...OTHERS]
  const get = Shoal.start([...args, '--tracker', tracker.url], { json: false })
  await far.connection()
  get.type('status')
  await until('the status', () => get.stdout.includes('peers: 1 tracker, 1 pex'))
})

test.each([
  ['with --no-pex', {}, ['--no-pex']],
  ['for a private torrent', { private: true }, []],
])('no address is taken from peers or told to them %s', async (_when, options, args) => {
  const { file, folder, torrent } = stage(options)
  const stranger = await FakePeer.listen(torrent, { host: '127.0.0.9' })
  const peers = await Promise.all(
    ['127.0.0.2', '127.0.0.3'].map((host) => FakePeer.listen(torrent, { host, knows: [stranger] })),
  )
  const common = ['--host', '127.0.0.1', '--port', '0', ...OTHERS, ...args]
  const named = peers.flatMap(({ address }) => ['--peer', address])
  const get = Shoal.start(['get', file, '--dir', folder('target'), ...common, ...named])
  await get.event('complete')
  const connections = await Promise.all(peers.map((peer) => peer.connection()))
  expect(connections.flatMap(({ toldPeers }) => toldPeers)).toEqual([])
  expect(stranger.connections.items).toEqual([])
  const hello = await connections[0]?.message('extended')
  expect(hello?.payload.toString('latin1')).not.toContain('ut_pex')
})
