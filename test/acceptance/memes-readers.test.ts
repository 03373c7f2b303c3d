/** Requirements of the `memes` system about what a reader asks, of whom, and what it keeps. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { ALONE, mustRun } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep } from '../kit/waiting.ts'
import { corruptPieceStaysOutOfTheFile, rarestFirst, staysAndSeeds } from './scenarios.ts'

const PIECES = { files: { 'book.bin': 20 * 16_384 }, pieceLength: 16_384 }

function indexes(requests: readonly { index: number }[]): number[] {
  return [...new Set(requests.map(({ index }) => index))]
}

test('M3 one folder to receive and to send: the origin goes, a second client finishes from the first', async () => {
  const { file, source, target, torrent, folder } = stage()
  const origin = await FakePeer.listen(torrent)
  const first = startGet(file, target, { peers: [origin] })
  await first.event('complete')
  await origin.stop()
  const second = startGet(file, folder('second'), { peers: [await first.readyEndpoint()] })
  await second.event('complete')
  expect(treeDifferences(source, folder('second'))).toEqual([])
})

test('M11 the rarest pages are asked for first', () => rarestFirst())

test('M12 only missing pages are asked for', async () => {
  const { file, source, target, torrent } = stage(PIECES)
  const path = torrent.files.keys().next().value ?? ''
  const content = Buffer.from(torrent.files.get(path) ?? '')
  content.fill(0, 10 * 16_384)
  torrent.writeContent(target)
  writeFileSync(join(target, torrent.name, path), content)
  const seeder = await FakePeer.listen(torrent)
  const get = startGet(file, target, { peers: [seeder] })
  expect(await get.event('checked')).toMatchObject({ pieces: 10, total: 20 })
  await get.event('complete')
  expect(indexes(seeder.requests).sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  expect(treeDifferences(source, target)).toEqual([])
})

test('M17 pages in the folder are hashed at the start; exactly the bad one is fetched again', async () => {
  const { file, source, target, torrent } = stage(PIECES)
  const first = startGet(file, target, { peers: [await FakePeer.listen(torrent)], args: ['--exit'] })
  expect((await first.exitWithin()).code).toBe(0)
  const path = join(target, torrent.name, 'book.bin')
  const content = readFileSync(path)
  content[7 * 16_384 + 5] = (content[7 * 16_384 + 5] ?? 0) ^ 1
  writeFileSync(path, content)
  const seeder = await FakePeer.listen(torrent)
  const again = startGet(file, target, { peers: [seeder] })
  expect(await again.event('checked')).toMatchObject({ pieces: 19, total: 20 })
  await again.event('complete')
  expect(indexes(seeder.requests)).toEqual([7])
  expect(treeDifferences(source, target)).toEqual([])
})

test('M45 ordered start: listen, check, announce, connect', async () => {
  const { file, target, torrent } = stage()
  const seeder = await FakePeer.listen(torrent)
  const tracker = await FakeTracker.start({ reply: { peers: [seeder] } })
  const get = startGet(file, target, { tracker })
  await get.event('peer-connected')
  const order = get.events.items.map(({ event }) => event)
  const wanted = ['listening', 'checked', 'announced', 'connecting', 'handshake-ok', 'peer-connected']
  const places = wanted.map((event) => order.indexOf(event))
  expect(places.every((place) => place >= 0)).toBe(true)
  expect(places).toEqual([...places].sort((a, b) => a - b))
})

test('M46 one owner of the state: hammered by thirty peers, no page is written twice', async () => {
  const { file, source, target, torrent } = stage({ files: { 'book.bin': 40 * 16_384 }, pieceLength: 16_384 })
  const honest = await FakePeer.listen(torrent, { bytesPerSecond: 400_000 })
  const get = startGet(file, target, { peers: [honest] })
  const endpoint = await get.readyEndpoint()
  const hammers = Array.from({ length: 30 }, async (_, number) => {
    for (let round = 0; round < 4; round++) {
      const peer = FakePeer.leecher(torrent, { has: [], host: `127.0.1.${number + 1}` })
      const connection = await peer.dial(endpoint)
      for (let i = 0; i < 20; i++) {
        const index = (number * 7 + round * 13 + i) % torrent.pieceCount
        if (i % 3 === 0) connection.have(index)
        else connection.sendBlock({ index, begin: 0, length: 16_384 }, torrent.piece(index))
        if (i % 5 === 0) await sleep(5)
      }
      connection.destroy()
    }
  })
  await Promise.allSettled(hammers)
  await get.event('complete')
  const verified = get.all('piece-verified').map(({ piece }) => piece)
  expect(verified.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i))
  expect(treeDifferences(source, target)).toEqual([])
  expect((await get.end()).code).toBe(0)
})

test('M47 list, ask, repeat: a peer that joins in the middle is used', async () => {
  const { file, target, torrent } = stage(PIECES)
  const first = await FakePeer.listen(torrent, { bytesPerSecond: 40_000 })
  const tracker = await FakeTracker.start({ reply: { peers: [first] } })
  const get = startGet(file, target, { tracker, args: ['--refresh-locations', '1s'] })
  await get.event('piece-verified')
  const second = await FakePeer.listen(torrent)
  tracker.reply = { peers: [first, second] }
  await get.event('complete')
  expect(tracker.announces.items.length).toBeGreaterThan(1)
  expect(second.servedBytes).toBeGreaterThan(0)
  expect(first.servedBytes).toBeGreaterThan(0)
})

test('M48 interested in exactly those who have what is missing', async () => {
  const { file, target, torrent } = stage(PIECES)
  const nothingNew = await FakePeer.listen(torrent, { has: [] })
  const onePiece = await FakePeer.listen(torrent, { has: [3] })
  const late = await FakePeer.listen(torrent, { has: [3, 4], unchokes: false })
  const get = startGet(file, target, { peers: [nothingNew, onePiece, late] })
  const toOne = await onePiece.connection()
  await toOne.message('interested')
  await (await late.connection()).message('interested')
  await toOne.message('not-interested')
  expect(get.all('piece-verified').map(({ piece }) => piece)).toEqual([3])
  expect((await nothingNew.connection()).theyAreInterested).toBe(false)
  expect((await late.connection()).theyAreInterested).toBe(true)
})

test.for(['bitfield', 'fast'] as const)(
  'M50 the list of pages comes first after the handshake (%s)',
  async (announces) => {
    const { file, source, torrent, folder } = stage(PIECES)
    const partial = folder('partial')
    torrent.writeContent(partial)
    const path = join(partial, torrent.name, 'book.bin')
    writeFileSync(path, Buffer.from(readFileSync(path)).fill(0, 0, 3 * 16_384))
    const all = Array.from({ length: 20 }, (_, i) => i)
    for (const [dir, pieces] of [
      [source, all],
      [partial, all.slice(3)],
      [folder('none'), []],
    ] as const) {
      const shoal = pieces.length === 20 ? startSeed(file, dir) : startGet(file, dir)
      await shoal.event('checked')
      const leecher = await FakePeer.leecher(torrent, { announces, extended: false }).dial(
        await shoal.readyEndpoint(),
      )
      leecher.interested()
      if (pieces.length === 0 && announces === 'bitfield') {
        // BEP 3: a peer that has nothing may leave the bitfield out
        await leecher.handshake()
        await sleep(100)
      } else {
        const first = await leecher.messages.first('first message', () => true)
        expect(first.type).toMatch(/^(bitfield|have-all|have-none)$/)
      }
      expect([...leecher.theirs].sort((a, b) => a - b)).toEqual(pieces)
      await shoal.kill()
    }
  },
)

test('M51 one have per page, and never before the page is verified', async () => {
  const { file, target, torrent } = stage(PIECES)
  const corrupt = await FakePeer.listen(torrent, {
    corrupts: [5],
    bytesPerSecond: 500_000,
    host: '127.0.0.9',
  })
  const get = startGet(file, target, { peers: [corrupt] })
  const observer = await FakePeer.leecher(torrent).dial(await get.readyEndpoint())
  await get.event('piece-failed', ({ piece }) => piece === 5)
  expect(observer.theirs.has(5)).toBe(false)
  const honest = await FakePeer.listen(torrent, { host: '127.0.0.2' })
  const honestConnection = await honest.dial(await get.readyEndpoint())
  await get.event('complete')
  for (let index = 0; index < 20; index++) await observer.learns(index)
  const haves = observer.messages.items.filter(({ type }) => type === 'have')
  const told = haves.map(({ payload }) => payload.readUInt32BE(0))
  expect(new Set(told).size).toBe(told.length)
  // what was verified before it came stood in the bitfield
  expect(told.length).toBeGreaterThan(10)
  const asked = honestConnection.requests.find(({ index }) => index === 5)
  const toldOfFive = haves.find(({ payload }) => payload.readUInt32BE(0) === 5)
  expect(toldOfFive?.at).toBeGreaterThan(asked?.at ?? Infinity)
})

test('M52 pages are sent, whole and right, and the counter rises', async () => {
  const { file, source, torrent } = stage()
  const seed = startSeed(file, source)
  const leecher = await FakePeer.leecher(torrent).dial(await seed.readyEndpoint())
  for (let index = 0; index < torrent.pieceCount; index++) await leecher.downloadPiece(index)
  seed.type('peers')
  const row = await seed.event('peer')
  expect(row.uploaded).toBe(torrent.contentLength)
})

test('M54 asked for a page it lacks, it does not fetch it from a third (a deliberate difference)', async () => {
  const { file, target, torrent } = stage({
    files: { 'a.bin': 4 * 16_384, 'b.bin': 4 * 16_384 },
    pieceLength: 16_384,
  })
  const third = await FakePeer.listen(torrent)
  const get = startGet(file, target, { peers: [third], args: ['--select', 'a.bin'] })
  await get.event('complete')
  const before = third.requests.length
  const asker = await FakePeer.leecher(torrent, { announces: 'fast' }).dial(await get.readyEndpoint())
  await asker.downloadPiece(0)
  asker.request({ index: 6, begin: 0, length: 16_384 })
  await sleep(500)
  expect(third.requests.length).toBe(before)
  expect(indexes(third.requests).sort()).toEqual([0, 1, 2, 3])
  await asker.downloadPiece(1)
})

test("M55 every page's source is reported", async () => {
  const { file, target, torrent } = stage(PIECES)
  const halves = [
    await FakePeer.listen(torrent, { has: Array.from({ length: 10 }, (_, i) => i) }),
    await FakePeer.listen(torrent, { has: Array.from({ length: 10 }, (_, i) => i + 10) }),
  ]
  const get = startGet(file, target, { peers: halves })
  await get.event('complete')
  const sources = new Map(get.all('piece-verified').map(({ piece, from }) => [piece, from]))
  expect(sources.size).toBe(20)
  for (const [piece, from] of sources) expect(from).toBe(halves[piece < 10 ? 0 : 1]?.address)
})

test.for(['--pieces-per-peer 1', '--profile memes'])(
  'M56 only one page at a time to a unique reader (%s)',
  async (flags) => {
    const { file, target, torrent } = stage({ files: { 'book.bin': 10 * 65_536 }, pieceLength: 65_536 })
    const worst = new Map<FakePeer, number>()
    const peers = await Promise.all(
      [1, 2, 3].map(async () => {
        const peer = await FakePeer.listen(torrent, {
          bytesPerSecond: 250_000,
          onRequest: (connection) => {
            const open = new Set([...connection.outstanding.values()].map(({ index }) => index))
            worst.set(peer, Math.max(worst.get(peer) ?? 0, open.size))
            return false
          },
        })
        return peer
      }),
    )
    const get = startGet(file, target, { peers, args: flags.split(' ') })
    await get.event('complete')
    expect([...worst.values()]).toEqual([1, 1, 1])
  },
)

test('M57 pages from different readers in parallel', async () => {
  const files = { 'book.bin': 36 * 16_384 }
  const run = async (count: number) => {
    const { file, target, torrent } = stage({ files, pieceLength: 16_384 })
    const options = { bytesPerSecond: 100_000 }
    const peers = await Promise.all(Array.from({ length: count }, () => FakePeer.listen(torrent, options)))
    const get = startGet(file, target, { peers })
    const { at } = await get.event('complete', undefined, 30_000)
    return at - Math.min(...peers.flatMap(({ requests }) => requests.map((request) => request.at)))
  }
  const [alone, together] = await Promise.all([run(1), run(4)])
  expect(together).toBeLessThan(alone / 3)
})

test('M58 the load is balanced: of four equal readers none gives more than 40 percent', async () => {
  const { file, target, torrent } = stage({ files: { 'book.bin': 60 * 16_384 }, pieceLength: 16_384 })
  const options = { bytesPerSecond: 300_000 }
  const peers = await Promise.all([1, 2, 3, 4].map(() => FakePeer.listen(torrent, options)))
  const get = startGet(file, target, { peers })
  await get.event('complete')
  for (const peer of peers) expect(peer.servedBytes).toBeLessThan(torrent.contentLength * 0.4)
})

test('M59 a page is checked before it is saved', () => corruptPieceStaysOutOfTheFile())

test('M61 a page in progress is not asked of a second reader before the end game', async () => {
  const { file, target, torrent } = stage({ files: { 'book.bin': 24 * 65_536 }, pieceLength: 65_536 })
  const options = { bytesPerSecond: 400_000 }
  const peers = await Promise.all([1, 2, 3, 4].map(() => FakePeer.listen(torrent, options)))
  const get = startGet(file, target, { peers })
  await get.event('complete')
  const owner = new Map<number, FakePeer>()
  const requests = peers.flatMap((peer) => peer.requests.map((request) => ({ ...request, peer })))
  for (const { index, peer } of requests.sort((a, b) => a.at - b.at)) {
    const isEndGame = owner.size === torrent.pieceCount
    if (!isEndGame) expect(owner.get(index) ?? peer).toBe(peer)
    if (!owner.has(index)) owner.set(index, peer)
  }
})

test('M62 complete: it stays, serves, and has told the repository once', () => staysAndSeeds())

test('M67 the pages are images again: the tree is the source tree', async () => {
  const { root, source, target, torrent } = stage({
    name: 'album',
    files: { 'a.png': 50_001, 'b/c.png': 1, 'b/d.png': 65_536, 'e/f/g.png': 33_000, 'empty.png': 0 },
  })
  const album = join(root, 'made.torrent')
  await mustRun(['create', join(source, torrent.name), '-o', album])
  const seed = startSeed(album, source)
  await mustRun([
    'get',
    album,
    '--dir',
    target,
    '--exit',
    '--port',
    '0',
    ...ALONE,
    '--peer',
    await address(seed),
  ])
  expect(treeDifferences(source, target)).toEqual([])
})

async function address(shoal: { readyEndpoint(): Promise<{ host: string; port: number }> }): Promise<string> {
  const { host, port } = await shoal.readyEndpoint()
  return `${host}:${port}`
}
