/** Requirements of the `lab` system about downloading: who is asked, in which order, how many at once. */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'
import { badPieceIsFetchedAgain, corruptPieceStaysOutOfTheFile, rarestFirst } from './scenarios.ts'

const PIECES = { files: { 'shared.bin': 20 * 16_384 }, pieceLength: 16_384 }
const ALL = Array.from({ length: 20 }, (_, i) => i)

function order(peer: FakePeer): number[] {
  return [...new Set(peer.requests.map(({ index }) => index))]
}

test('L28 what is there already is noticed by its hash, and nobody is asked', async () => {
  const { file, source, torrent } = stage(PIECES)
  const peer = await FakePeer.listen(torrent)
  const tracker = await FakeTracker.start({ reply: { peers: [peer] } })
  const get = startGet(file, source, { tracker, args: ['--exit'] })
  expect((await get.exitWithin()).code).toBe(0)
  expect(get.all('complete')).toHaveLength(1)
  expect(tracker.announces.items.filter(({ left }) => left > 0)).toEqual([])
  expect(peer.connections.items).toEqual([])
  const human = startGet(file, source, { args: ['--exit'], json: false })
  await human.exitWithin()
  expect(human.stdout).toMatch(/already complete/)
})

test('L33 nothing happens between peers before a file is chosen', async () => {
  const { root, file, source, torrent } = stage(PIECES)
  const unchosen = torrentFixture({ name: 'unchosen' })
  const peer = await FakePeer.listen(unchosen)
  const tracker = await FakeTracker.start({ reply: { peers: [peer] } })
  // both descriptions lie in the folder; the content of the second does not
  unchosen.writeTorrent(root)
  const idle = startSeed(root, source, { tracker })
  await idle.event('seeding', ({ infoHash }) => infoHash === torrent.infoHash.toString('hex'))
  const leecher = await FakePeer.leecher(torrent).dial(await idle.readyEndpoint())
  await leecher.downloadPiece(0)
  await sleep(1000)
  expect(peer.connections.items).toEqual([])
  expect(file).toContain(root)
})

test('L34 never more pieces in flight than allowed, and one at a time still completes', async () => {
  const { file, source, target, torrent, folder } = stage({
    files: { big: 160 * 16_384 },
    pieceLength: 16_384,
  })
  const open = new Map<number, number>()
  let most = 0
  let isHolding = true
  const peers = await Promise.all(
    Array.from({ length: 80 }, () =>
      FakePeer.listen(torrent, {
        onRequest: (connection, request) => {
          open.set(request.index, (open.get(request.index) ?? 0) + 1)
          most = Math.max(most, open.size)
          const answer = () => {
            const left = (open.get(request.index) ?? 1) - 1
            if (left > 0) open.set(request.index, left)
            else open.delete(request.index)
            if (connection.isOpen) connection.sendBlock(request, torrent.piece(request.index))
          }
          void until('release', () => !isHolding, 20_000).then(answer)
          return true
        },
      }),
    ),
  )
  const tracker = await FakeTracker.start({ reply: { peers } })
  const get = startGet(file, target, { tracker, args: ['--max-requests', '50', '--max-peers', '80'] })
  await until('fifty pieces in flight', () => open.size === 50)
  await sleep(300)
  expect(open.size).toBe(50)
  isHolding = false
  await get.event('complete', undefined, 30_000)
  expect(most).toBe(50)
  await get.kill()
  open.clear()
  most = 0
  const narrow = startGet(file, folder('narrow'), { tracker, args: ['--max-requests', '1'] })
  await narrow.event('complete', undefined, 30_000)
  expect(most).toBe(1)
  expect(treeDifferences(source, folder('narrow'))).toEqual([])
})

test('L37 sources that come later are used, those that vanish are dropped, and the download goes on', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 40 * 16_384 }, pieceLength: 16_384 })
  const options = { bytesPerSecond: 150_000 }
  const first = await FakePeer.listen(torrent, options)
  const tracker = await FakeTracker.start({ reply: { peers: [first] } })
  const get = startGet(file, target, { tracker, args: ['--refresh-locations', '500ms'] })
  const sources = [first]
  for (let turn = 0; turn < 3; turn++) {
    const current = sources.at(-1) ?? first
    await until('service by the newest', () => current.servedBytes > 3 * 16_384)
    const next = await FakePeer.listen(torrent, turn < 2 ? options : {})
    tracker.reply = { peers: [next] }
    sources.push(next)
    await until('connection to the next', () => next.connections.items.length > 0)
    await current.stop()
    await get.event('peer-disconnected', ({ address }) => address === current.address)
  }
  await get.event('complete')
  for (const peer of sources) expect(peer.servedBytes).toBeGreaterThan(0)
  expect(treeDifferences(source, target)).toEqual([])
})

test('L38 thirty peers are served at once while it downloads itself', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 12 * 16_384 }, pieceLength: 16_384 })
  const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 150_000 })
  const get = startGet(file, target, { peers: [seeder] })
  const endpoint = await get.readyEndpoint()
  const leechers = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      FakePeer.leecher(torrent, { host: `127.0.2.${i + 1}` }).dial(endpoint),
    ),
  )
  await Promise.all(leechers.map((leecher) => leecher.downloadAll(30_000)))
  const complete = await get.event('complete')
  const firstServed = leechers.filter((leecher) =>
    leecher.messages.items.some(({ type, at }) => type === 'piece' && at < complete.at),
  )
  expect(firstServed.length).toBeGreaterThan(20)
  expect(treeDifferences(source, target)).toEqual([])
})

test('L41 replies that come byte by byte are read whole', async () => {
  const { file, source, target, torrent } = stage({ files: { small: 3 * 16_384 + 7 }, pieceLength: 16_384 })
  const seeder = await FakePeer.listen(torrent, { fragmentBytes: 1 })
  await startGet(file, target, { peers: [seeder] }).event('complete')
  expect(treeDifferences(source, target)).toEqual([])
})

test('L46 a request names the file, and a wrong name is refused', async () => {
  const { file, source, target, torrent } = stage(PIECES)
  const seeder = await FakePeer.listen(torrent)
  const get = startGet(file, target, { peers: [seeder] })
  const { infoHash, bytes } = await (await seeder.connection()).handshake()
  expect(infoHash).toEqual(torrent.infoHash)
  expect(bytes.toString('latin1', 0, 20)).toBe('\x13BitTorrent protocol')
  await get.event('complete')
  const endpoint = await startSeed(file, source).readyEndpoint()
  const stranger = await FakePeer.leecher(torrent).dial(endpoint, Buffer.alloc(20, 1))
  await stranger.ended()
  expect(stranger.hasHandshake).toBe(false)
})

test('L47 the hash of a received chunk is checked before it is written', () =>
  corruptPieceStaysOutOfTheFile())

test('L50 a bad chunk is fetched again, from somebody else', () => badPieceIsFetchedAgain())

test('L51 a connection ends in good order, behind the last message', async () => {
  const { file, source, torrent } = stage(PIECES)
  const seed = startSeed(file, source)
  const leecher = await FakePeer.leecher(torrent).dial(await seed.readyEndpoint())
  await leecher.downloadPiece(0)
  seed.type('end')
  expect(await leecher.ended()).toBe('fin')
  await seed.exitWithin()
  // and the downloading side, when it has all and is told to leave
  const seeder = await FakePeer.listen(torrent)
  const get = startGet(file, temporaryTarget(), { peers: [seeder], args: ['--exit'] })
  await get.exitWithin()
  expect((await seeder.connection()).ending).toBe('fin')
})

function temporaryTarget(): string {
  return stage(PIECES).target
}

test('L52 rarest first', () => rarestFirst(['--picker', 'rarest']))

test('L52 the option "sequential" takes the order of the file, "random" none', async () => {
  const orders: Record<string, number[]> = {}
  for (const [name, picker] of [
    ['sequential', 'sequential'],
    ['one', 'random'],
    ['two', 'random'],
  ] as const) {
    const { file, target, torrent } = stage(PIECES)
    const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 1_000_000 })
    const get = startGet(file, target, {
      peers: [seeder],
      args: ['--picker', picker, '--pieces-per-peer', '1'],
    })
    await get.event('complete')
    orders[name] = order(seeder)
  }
  expect(orders.sequential).toEqual(ALL)
  expect(orders.one).not.toEqual(ALL)
  expect(orders.two).not.toEqual(ALL)
  expect(orders.one).not.toEqual(orders.two)
})

test('L53 it tells which chunks its peers have, and from whom each chunk came', async () => {
  const { file, target, torrent } = stage(PIECES)
  const options = { bytesPerSecond: 300_000 }
  const half = await FakePeer.listen(torrent, { ...options, has: ALL.slice(0, 10) })
  const whole = await FakePeer.listen(torrent, options)
  const get = startGet(file, target, { peers: [half, whole] })
  await get.event('piece-verified')
  get.type('peers')
  const rows = [
    await get.event('peer', ({ address }) => address === half.address),
    await get.event('peer', ({ address }) => address === whole.address),
  ]
  expect(rows.map(({ progress, pieces }) => progress ?? pieces / 20)).toEqual([0.5, 1])
  await get.event('complete')
  await get.end()
  const [summary] = get.all('summary')
  const sources = get.all('source')
  expect(sources.length).toBeGreaterThanOrEqual(2)
  expect(sources.reduce((sum, { pieces }) => sum + pieces, 0)).toBe(20)
  expect(summary).toMatchObject({ pieces: 20, bytes: torrent.contentLength })
  const counted = new Map<string, number>()
  for (const { from } of get.all('piece-verified')) counted.set(from, (counted.get(from) ?? 0) + 1)
  expect(Object.fromEntries(counted)).toEqual(
    Object.fromEntries(sources.map(({ address, pieces }) => [address, pieces])),
  )
})

test('L54 progress is visible, only grows, ends at the whole, and writes no control codes into a pipe', async () => {
  const { file, target, torrent, folder } = stage(PIECES)
  const peers = [await FakePeer.listen(torrent, { bytesPerSecond: 250_000 })]
  const get = startGet(file, target, { peers })
  await get.event('progress', ({ bytes, total }) => bytes === total && total === torrent.contentLength)
  const seen = get.all('progress').map(({ bytes }) => bytes)
  expect(seen.length).toBeGreaterThan(2)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(get.badLines).toEqual([])
  await get.kill()
  const human = startGet(file, folder('human'), { peers, args: ['--exit'], json: false })
  await human.exitWithin()
  expect(human.stdout).toMatch(/100 ?%|complete/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(human.stdout + human.stderr).not.toMatch(/[\x00-\x09\x0b-\x1f]/)
})
