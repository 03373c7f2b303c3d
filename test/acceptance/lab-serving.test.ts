/** Requirements of the `lab` system about serving: messages, locks, failures, slowness, and leaving. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { uint32 } from '../kit/fake-connection.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'

const PIECES = { files: { 'shared.bin': 20 * 16_384 }, pieceLength: 16_384 }
const MiB = 1024 * 1024

/** Resident memory of a process. */
function memoryBytes(pid: number): number {
  const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(pages?.[1]) * 1024
}

test('L39 messages nobody knows are ignored, and one without end closes the connection', async () => {
  const { file, source, torrent } = stage(PIECES)
  const seed = startSeed(file, source)
  const endpoint = await seed.readyEndpoint()
  const strange = await FakePeer.leecher(torrent).dial(endpoint)
  await strange.downloadPiece(0)
  for (const id of [99, 12, 255]) strange.send(id, Buffer.from('what is this'))
  await strange.downloadPiece(1)
  expect(strange.isOpen).toBe(true)

  const before = memoryBytes(seed.pid)
  const greedy = await FakePeer.leecher(torrent).dial(endpoint)
  await greedy.downloadPiece(0)
  greedy.write(Buffer.concat([uint32(2 ** 31), Buffer.alloc(4 * MiB, 20)]))
  await greedy.ended()
  expect(memoryBytes(seed.pid) - before).toBeLessThan(64 * MiB)
  await strange.downloadPiece(2)
})

test('L40 no piece is fetched twice outside the endgame, with thirty peers', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 400 * 16_384 }, pieceLength: 16_384 })
  const peers = await Promise.all(
    Array.from({ length: 30 }, () => FakePeer.listen(torrent, { bytesPerSecond: 400_000 })),
  )
  const get = startGet(file, target, { peers })
  await get.event('complete', undefined, 40_000)
  expect(peers.filter((peer) => peer.requests.length > 0).length).toBeGreaterThan(20)
  const requests = peers.flatMap((peer) => peer.requests).sort((a, b) => a.at - b.at)
  // the endgame begins when everything that is missing has been requested once
  const seen = new Set<number>()
  const repeated: number[] = []
  for (const { index } of requests) {
    if (seen.has(index) && seen.size < torrent.pieceCount) repeated.push(index)
    seen.add(index)
  }
  expect(repeated).toEqual([])
  expect(treeDifferences(source, target)).toEqual([])
})

test('L42 who asks while the file is being completed gets whole and right pieces only', async () => {
  const place = stage({ files: { 'a.bin': 30 * 16_384, 'b.bin': 30 * 16_384 }, pieceLength: 32_768 })
  const { file, source, target, torrent, folder } = place
  const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 600_000 })
  const args = ['--final-check', 'before', '--tmp-dir', folder('unfinished')]
  const get = startGet(file, target, { peers: [seeder], args })
  const endpoint = await get.readyEndpoint()
  const complete = get.event('complete').then(() => true)
  let served = 0
  const hammer = async (): Promise<void> => {
    const connection = await FakePeer.leecher(torrent).dial(endpoint)
    let isOver = false
    void complete.then(() => setTimeout(() => (isOver = true), 200))
    await connection.messages.first('piece it has', () => connection.theirs.size > 0)
    for (let at = 0; !isOver; at++) {
      // downloadPiece fails the test when a byte is wrong
      await connection.downloadPiece([...connection.theirs][at % connection.theirs.size] ?? 0)
      served++
    }
  }
  await Promise.all([hammer(), hammer(), hammer()])
  expect(served).toBeGreaterThan(100)
  expect(treeDifferences(source, target)).toEqual([])
})

test('L56 a tracker that dies and peers that vanish do not stop a download; the tracker hears of it again', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 60 * 16_384 }, pieceLength: 16_384 })
  const options = { bytesPerSecond: 150_000 }
  const [first, second] = [await FakePeer.listen(torrent, options), await FakePeer.listen(torrent, options)]
  const tracker = await FakeTracker.start({ reply: { peers: [first, second], intervalSeconds: 5 } })
  const { port } = tracker
  const get = startGet(file, target, { tracker, args: ['--refresh-locations', '500ms'] })
  await get.event('piece-verified')
  await tracker.stop()
  await get.event('announce-failed')
  await first.stop()
  await get.event('complete', undefined, 30_000)
  expect(get.all('error')).toEqual([])
  expect(treeDifferences(source, target)).toEqual([])
  const again = await FakeTracker.start({ port })
  await again.announced('registration', ({ left }) => left === 0, 30_000)
  expect((await get.end()).code).toBe(0)
})

test('L57 an upload delay makes a seeder slow, and a download leans on the other one', async () => {
  const { file, source, target } = stage({ files: { big: 200 * 16_384 }, pieceLength: 16_384 })
  const slow = startSeed(file, source, { host: '127.0.0.2', args: ['--upload-delay', '300ms'] })
  const fast = startSeed(file, source, { host: '127.0.0.3', args: ['--upload-limit', '2MB/s'] })
  const peers = [await slow.readyEndpoint(), await fast.readyEndpoint()]
  const get = startGet(file, target, { peers, args: ['--exit'] })
  await get.exitWithin(30_000)
  const pieces = (host: string) => {
    const row = get.all('source').find(({ address }) => address.startsWith(host))
    return Number(row?.pieces ?? 0)
  }
  expect(pieces('127.0.0.3')).toBeGreaterThan(150)
  const [complete] = get.all('complete')
  // alone the fast one takes 1.6 s; the slow one alone would take a minute
  expect(complete?.seconds).toBeLessThan(15)
  expect(treeDifferences(source, target)).toEqual([])

  slow.type('status')
  expect((await slow.event('status')).limits).toMatchObject({ uploadDelay: 0.3, uploadLimit: null })
  fast.type('status')
  expect((await fast.event('status')).limits).toMatchObject({ uploadDelay: null, uploadLimit: 2_000_000 })
  const args = ['--upload-delay', '50ms', '--upload-limit', '1MB/s']
  const human = startSeed(file, source, { args, json: false })
  await until('seeding', () => /seeding/.test(human.stdout))
  human.type('status')
  await until('status', () => /limit 1MB\/s.*delay 50ms/.test(human.stdout))
})

test('L57 every block is held back by the delay', async () => {
  const { file, source, torrent } = stage(PIECES)
  const seed = startSeed(file, source, { args: ['--upload-delay', '250ms'] })
  const leecher = await FakePeer.leecher(torrent).dial(await seed.readyEndpoint())
  await leecher.unchoked()
  const askedAt = performance.now()
  for (const index of [0, 1, 2]) leecher.request({ index, begin: 0, length: 16_384 })
  await until('three blocks', () => leecher.count('piece') === 3)
  const times = leecher.messages.items.filter(({ type }) => type === 'piece').map(({ at }) => at - askedAt)
  for (const [i, time] of times.entries()) expect(time).toBeGreaterThan(250 * (i + 1) - 30)
})

test('L58 everything works over TCP and UDP alone, without HTTP', async () => {
  const { file, source, target, torrent } = stage(PIECES)
  const tracker = await FakeTracker.start({ http: false })
  const seed = startSeed(file, source, { tracker: tracker.udpUrl })
  await seed.event('announced')
  await tracker.members(1)
  const get = startGet(file, target, { tracker: tracker.udpUrl })
  await get.event('complete', undefined, 30_000)
  await tracker.announced('completed', ({ event }) => event === 'completed')
  await get.end()
  await tracker.announced('stopped', ({ event }) => event === 'stopped')
  expect(tracker.announces.items.every(({ transport }) => transport === 'udp')).toBe(true)
  expect(tracker.announces.items[0]?.infoHash).toEqual(torrent.infoHash)
  expect(treeDifferences(source, target)).toEqual([])
})

test('L64 who leaves lets the block under way arrive, and takes no new ones', async () => {
  const { file, source, torrent } = stage(PIECES)
  const seed = startSeed(file, source, { args: ['--upload-delay', '600ms'] })
  const leecher = await FakePeer.leecher(torrent).dial(await seed.readyEndpoint())
  await leecher.unchoked()
  for (const index of [0, 1, 2, 3]) leecher.request({ index, begin: 0, length: 16_384 })
  await sleep(100)
  seed.signal('SIGTERM')
  const toldAt = performance.now()
  expect(await leecher.ended()).toBe('fin')
  const blocks = leecher.messages.items.filter(({ type }) => type === 'piece')
  expect(blocks.map(({ payload }) => payload.subarray(8))).toEqual([torrent.piece(0)])
  expect(await seed.exitWithin()).toEqual({ code: 0, signal: null })
  expect(performance.now() - toldAt).toBeLessThan(5000)
  expect(seed.all('draining')).toMatchObject([{ uploads: 1 }])
})

test('L64 a block that takes longer than a second is not waited for', async () => {
  const { file, source, torrent } = stage(PIECES)
  const seed = startSeed(file, source, { args: ['--upload-delay', '30s'], json: false })
  await until('seeding', () => /seeding/.test(seed.stdout))
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(seed.stdout)?.[1])
  const leecher = await FakePeer.leecher(torrent).dial({ host: '127.0.0.1', port })
  await leecher.unchoked()
  leecher.request({ index: 0, begin: 0, length: 16_384 })
  await sleep(200)
  seed.signal('SIGTERM')
  const toldAt = performance.now()
  expect(await seed.exitWithin()).toEqual({ code: 0, signal: null })
  expect(performance.now() - toldAt).toBeGreaterThan(900)
  expect(performance.now() - toldAt).toBeLessThan(5000)
  expect(leecher.count('piece')).toBe(0)
  expect(seed.stdout).toMatch(/draining 1 upload/)
})
