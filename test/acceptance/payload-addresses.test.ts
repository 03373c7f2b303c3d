/** Requirements of the `payload` system about addresses and ports. */
import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

/** Addresses of this machine that are not loopback. */
function outerAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
    .map(({ address }) => address)
}

test('W40 a peer is reachable at every address of the machine, IPv6 too', async () => {
  const { file, source, torrent } = stage()
  const seed = startSeed(file, source, { host: '0.0.0.0' })
  const { port } = await seed.readyEndpoint()
  expect((await seed.event('listening')).host).toBe('0.0.0.0')
  const outer = outerAddresses().filter((address) => !address.includes(':'))
  for (const host of ['127.0.0.1', '127.0.0.77', ...outer]) {
    const leecher = await FakePeer.leecher(torrent, { host }).dial({ host, port })
    await leecher.downloadPiece(0)
  }
  const six = startSeed(file, source, { host: '::1' })
  const endpoint = await six.readyEndpoint()
  expect(endpoint.host).toBe('::1')
  await (await FakePeer.leecher(torrent, { host: '::1' }).dial(endpoint)).downloadPiece(0)
})

test('W41 the port can be used again right after a kill, and nothing is left running', async () => {
  const { file, source, torrent } = stage()
  const first = startSeed(file, source)
  const { host, port } = await first.readyEndpoint()
  const leecher = await FakePeer.leecher(torrent).dial({ host, port })
  await leecher.downloadPiece(0)
  await first.kill()
  const killedAt = performance.now()
  const second = startSeed(file, source, { port })
  expect((await second.event('listening')).port).toBe(port)
  expect((await second.event('listening')).at - killedAt).toBeLessThan(5000)
  await second.readyEndpoint()
  await (await FakePeer.leecher(torrent).dial({ host, port })).downloadPiece(0)
  // an orphan of the first would still hold the port, and the second would have been refused
  expect(second.exited).toBeUndefined()
})

test('W42 nothing assumes one machine: two addresses, and announces say which', async () => {
  const { file, source, folder } = stage()
  const tracker = await FakeTracker.start({ host: '127.0.0.5' })
  const hosts = ['127.0.0.2', '127.0.0.3'] as const
  const seed = startSeed(file, source, { host: hosts[0], tracker })
  await tracker.members(1)
  const dir = folder('other')
  const get = startGet(file, dir, { host: hosts[1], tracker })
  await get.event('complete')
  expect(treeDifferences(source, dir)).toEqual([])
  expect(tracker.announces.items.map(({ from }) => from.host)).toEqual(expect.arrayContaining([...hosts]))
  const { address } = await get.event('peer-connected')
  expect(address).toBe(`${hosts[0]}:${(await seed.peerEndpoint()).port}`)
  expect((await seed.event('peer-connected')).address).toMatch(/^127\.0\.0\.3:/)
})
