/** Requirement M16 of the `memes` system: a reader begins with no more than the name of the description. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

/** An info dictionary of three parts. */
const LONG = { files: { 'book.bin': 2_000_000, 'cover.png': 1000 }, pieceLength: 1024 }

/** Part numbers asked of the peer, in the order they came. */
function partsAsked(peer: FakePeer): number[] {
  return peer.connections.items
    .flatMap(({ messages }) => messages.items)
    .filter(({ type, payload }) => type === 'extended' && payload[0] === 3)
    .map(({ payload }) => Number(/5:piecei(\d+)e/.exec(payload.toString('latin1'))?.[1]))
}

const sorted = (parts: number[]) => [...parts].sort((a, b) => a - b)

test('M16 with a magnet link alone the description comes from a peer, in parts of 16 KiB', async () => {
  const tracker = await FakeTracker.start()
  const { source, target, torrent } = stage(LONG)
  const seeder = await FakePeer.listen(torrent)
  const link = torrent.magnet(`&dn=a+book&tr=${encodeURIComponent(tracker.url)}&x.pe=${seeder.address}`)
  const get = startGet(link, target)
  expect(await get.event('metadata')).toMatchObject({
    infoHash: torrent.infoHash.toString('hex'),
    name: torrent.name,
  })
  expect(sorted(partsAsked(seeder))).toEqual([0, 1, 2])
  await get.event('complete')
  expect(treeDifferences(source, target)).toEqual([])
  expect(seeder.connections.items).toHaveLength(1)
  expect(get.all('peer-connected')).toHaveLength(1)
  const [first] = tracker.announces.items
  expect(first?.infoHash.toString('hex')).toBe(torrent.infoHash.toString('hex'))
  expect((await get.end()).code).toBe(0)
})

test('M16 a wrong part is thrown away and everything fetched again', async () => {
  const { source, target, torrent } = stage(LONG)
  let wrongCount = 0
  const seeder = await FakePeer.listen(torrent, {
    metadataPart: (part, truth) => (part === 1 && wrongCount++ === 0 ? Buffer.alloc(truth.length) : truth),
  })
  const get = startGet(torrent.magnet(), target, { peers: [seeder], args: ['--exit'] })
  expect(await get.event('metadata-failed')).toMatchObject({ from: [seeder.address] })
  expect((await get.exitWithin()).code).toBe(0)
  expect(sorted(partsAsked(seeder))).toEqual([0, 0, 1, 1, 2, 2])
  expect(treeDifferences(source, target)).toEqual([])
})

test('M16 who goes on sending wrong parts is banned, and another peer is asked', async () => {
  const { source, target, torrent } = stage(LONG)
  const liar = await FakePeer.listen(torrent, {
    host: '127.0.0.2',
    metadataPart: (_, truth) => Buffer.alloc(truth.length),
  })
  const get = startGet(torrent.magnet(), target, { peers: [liar] })
  await get.event('peer-banned', ({ address }) => address === liar.address)
  const honest = FakePeer.leecher(torrent, { host: '127.0.0.3', has: Array(torrent.pieceCount).keys() })
  await honest.dial(await get.peerEndpoint())
  await get.event('complete')
  expect(get.all('metadata')).toHaveLength(1)
  expect(treeDifferences(source, target)).toEqual([])
})

test('M16 one Shoal gives the description to another, and only the files the link names are fetched', async () => {
  const { file, source, target, torrent } = stage(LONG)
  const seed = startSeed(file, source)
  const { host, port } = await seed.readyEndpoint()
  const get = startGet(torrent.magnet(`&so=1&x.pe=${host}:${port}`), target, { json: true })
  await get.event('complete')
  expect(await get.event('complete')).toMatchObject({ infoHash: torrent.infoHash.toString('hex') })
  expect(treeDifferences(source, target)).toEqual([`missing: ${torrent.name}/book.bin`])
})

test.for(['v1', 'v2', 'hybrid'] as const)(
  'M16 a link that was followed once is seeded again with nobody else there, %s',
  async (format) => {
    const { file, source, target, torrent, folder } = stage({ format })
    const seed = startSeed(file, source)
    const peers = [await seed.readyEndpoint()]
    const first = startGet(torrent.magnet(), target, { peers, args: ['--exit'] })
    expect((await first.exitWithin()).code).toBe(0)
    expect((await seed.end()).code).toBe(0)
    const again = startGet(torrent.magnet(), target)
    const second = startGet(torrent.magnet(), folder('second'), { peers: [await again.readyEndpoint()] })
    await second.event('complete')
    expect(again.all('metadata')).toEqual([])
    expect(treeDifferences(source, folder('second'))).toEqual([])
  },
)

test('M16 the console says that the description was received', async () => {
  const { target, torrent } = stage()
  const seeder = await FakePeer.listen(torrent)
  const get = startGet(torrent.magnet('&dn=a+book'), target, {
    peers: [seeder],
    args: ['--exit'],
    json: false,
  })
  expect((await get.exitWithin()).code).toBe(0)
  expect(get.stdout).toMatch(/^a book: asking peers/m)
  expect(get.stdout).toMatch(new RegExp(`^metadata received: ${torrent.name}$`, 'm'))
})

/** Two files whose piece hashes stand outside the info dictionary. */
const V2 = { format: 'v2', files: { 'book.bin': 700_000, 'cover.png': 300_000, small: 9 } } as const

test('M16 a description of version 2 comes from a peer with the hashes of its pieces', async () => {
  const { file, source, target, torrent } = stage(V2)
  const seed = startSeed(file, source)
  const { host, port } = await seed.readyEndpoint()
  const get = startGet(torrent.magnet(`&x.pe=${host}:${port}`), target, { args: ['--exit'] })
  expect((await get.exitWithin()).code).toBe(0)
  expect(get.all('metadata')).toMatchObject([{ infoHash: torrent.infoHashV2?.toString('hex') }])
  expect(treeDifferences(source, target)).toEqual([])
})

test('M16 a .torrent without the hashes of its pieces gets them from a peer', async () => {
  const { file, source, target, torrent, root } = stage(V2)
  const seed = startSeed(file, source)
  const bare = join(root, 'bare.torrent')
  writeFileSync(bare, Buffer.concat([Buffer.from('d4:info'), torrent.infoBytes, Buffer.from('e')]))
  const get = startGet(bare, target, { peers: [await seed.readyEndpoint()], args: ['--exit'] })
  expect((await get.exitWithin()).code).toBe(0)
  expect(treeDifferences(source, target)).toEqual([])
})
