/**
 * Requirements of the `memes` system about leaving, being alone, and peers that do not do what they should.
 */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { mustRun, Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { sleep, until } from '../kit/waiting.ts'
import { badPieceIsFetchedAgain } from './scenarios.ts'

const BOOK = { files: { 'book.bin': 20 * 16_384 }, pieceLength: 16_384 }

test('M38 who leaves says so, and again until the tracker has heard', async () => {
  const { file, source } = stage(BOOK)
  const tracker = await FakeTracker.start()
  const seed = startSeed(file, source, { tracker, json: false })
  await tracker.announced('started', ({ event }) => event === 'started')
  await until('announced', () => /announced/.test(seed.stdout))
  tracker.failNext(2, { status: 500 })
  const before = performance.now()
  seed.type('end')
  expect(await seed.exitWithin()).toEqual({ code: 0, signal: null })
  expect(performance.now() - before).toBeLessThan(5000)
  expect(tracker.announces.items.map(({ event }) => event)).toEqual([
    'started',
    'stopped',
    'stopped',
    'stopped',
  ])
  expect(seed.stdout).toMatch(/deregistered/)
})

test('M38 a tracker that never answers does not keep it from leaving', async () => {
  const { file, source } = stage(BOOK)
  const tracker = await FakeTracker.start()
  const seed = startSeed(file, source, { tracker })
  await seed.event('announced')
  tracker.reply = { silence: true }
  const before = performance.now()
  expect((await seed.end()).code).toBe(0)
  expect(performance.now() - before).toBeLessThan(6000)
  expect(seed.all('deregistered')).toEqual([])
})

test('M39 registration carries port, address and swarm, and the lists of swarms are kept apart', async () => {
  const options = ['--host', '127.0.0.1', '--port', '0', '--heartbeat', 'off']
  const tracker = Shoal.start(['tracker', ...options])
  const { host, port } = await tracker.event('listening', ({ service }) => service !== 'peer')
  const join = (swarm: number, from: string, at: number) => {
    const who = { infoHash: Buffer.alloc(20, swarm), peerId: randomBytes(20), port: at, left: 1, from }
    return announceHttp({ host, port }, who)
  }
  for (let i = 1; i <= 3; i++) {
    await join(1, `127.0.1.${i}`, 1000 + i)
    await join(2, `127.0.2.${i}`, 2000 + i)
  }
  const listed = async (swarm: number) => {
    const { peers } = await join(swarm, '127.0.9.9', 9)
    return peers.map((peer) => `${peer.host}:${peer.port}`).sort()
  }
  expect(await listed(1)).toEqual(['127.0.1.1:1001', '127.0.1.2:1002', '127.0.1.3:1003'])
  expect(await listed(2)).toEqual(['127.0.2.1:2001', '127.0.2.2:2002', '127.0.2.3:2003'])
  expect(await listed(3)).toEqual([])

  const { file, source, torrent } = stage(BOOK)
  const asked = await FakeTracker.start()
  const seeds = [startSeed(file, source, { tracker: asked }), startSeed(file, source, { tracker: asked })]
  for (const seed of seeds) await seed.event('announced')
  const ids = asked.announces.items.map(({ peerId }) => peerId.toString('latin1'))
  expect(new Set(ids).size).toBe(2)
  const ports = await Promise.all(seeds.map(async (seed) => (await seed.peerEndpoint()).port))
  expect(asked.announces.items.map((announce) => announce.port).sort()).toEqual(ports.sort())
  expect(asked.announces.items.every(({ infoHash }) => infoHash.equals(torrent.infoHash))).toBe(true)
})

test('M40 when all its readers are gone it asks for new ones at once', async () => {
  const { file, target, torrent } = stage({ files: { big: 100 * 16_384 }, pieceLength: 16_384 })
  const peers = await Promise.all([1, 2].map(() => FakePeer.listen(torrent, { bytesPerSecond: 100_000 })))
  const tracker = await FakeTracker.start({ reply: { peers, intervalSeconds: 3600 } })
  const get = startGet(file, target, { tracker, json: false })
  await until('service', () => peers.every((peer) => peer.servedBytes > 0))
  expect(tracker.announces.items).toHaveLength(1)
  const fresh = await FakePeer.listen(torrent)
  tracker.reply = { peers: [fresh], intervalSeconds: 3600 }
  const droppedAt = performance.now()
  for (const peer of peers) await peer.stop()
  await until('a second announce', () => tracker.announces.items.length > 1)
  expect(tracker.announces.items[1]?.at ?? Infinity).toBeLessThan(droppedAt + 15_000)
  expect(tracker.announces.items[1]?.event).toBe('')
  await until('completion by the new one', () => /complete/.test(get.stdout))
  expect(get.stdout).toMatch(/no peers left, re-announcing/)
})

test('M49 heartbeats are answered while everything is transferring', async () => {
  const { file, source, torrent } = stage({ files: { big: 64 * 1024 * 1024 }, pieceLength: 262_144 })
  const seed = startSeed(file, source)
  const endpoint = await seed.readyEndpoint()
  let isOver = false
  const leecher = await FakePeer.leecher(torrent).dial(endpoint)
  const saturating = (async () => {
    for (let piece = 0; !isOver; piece = (piece + 1) % torrent.pieceCount) await leecher.downloadPiece(piece)
  })()
  const answers: number[] = []
  for (let round = 0; round < 20; round++)
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const askedAt = performance.now()
        const probe = await FakePeer.leecher(torrent).dial(endpoint)
        const { infoHash, at } = await probe.handshake(3000)
        expect(infoHash).toEqual(torrent.infoHash)
        answers.push(at - askedAt)
        probe.end()
      }),
    )
  isOver = true
  await saturating
  expect(answers).toHaveLength(100)
  expect(Math.max(...answers)).toBeLessThan(3000)
  expect(leecher.count('piece')).toBeGreaterThan(20)
})

test('M53 a page it does not have is refused or passed over, and the connection lives on', async () => {
  const { file, target, torrent } = stage(BOOK)
  const seeder = await FakePeer.listen(torrent, { has: [0, 1, 2] })
  const get = startGet(file, target, { peers: [seeder] })
  const endpoint = await get.readyEndpoint()
  const absent = { index: 19, begin: 0, length: 16_384 }
  const fast = await FakePeer.leecher(torrent, { announces: 'fast' }).dial(endpoint)
  await fast.learns(2)
  await fast.unchoked()
  fast.request(absent)
  const { payload } = await fast.message('reject')
  expect([0, 4, 8].map((at) => payload.readUInt32BE(at))).toEqual([19, 0, 16_384])
  await fast.downloadPiece(1)
  const plain = await FakePeer.leecher(torrent).dial(endpoint)
  await plain.learns(2)
  await plain.unchoked()
  plain.request(absent)
  await plain.downloadPiece(1)
  await sleep(300)
  expect(plain.count('reject')).toBe(0)
  expect(plain.messages.items.filter(({ type }) => type === 'piece')).toHaveLength(1)
  expect([fast.isOpen, plain.isOpen]).toEqual([true, true])
})

test('M60 a bad page stays missing and is asked of another reader; who sends such is banned', () =>
  badPieceIsFetchedAgain())

test('M60 a bad page is told, with its sender', async () => {
  const { file, target, torrent } = stage(BOOK)
  const liar = await FakePeer.listen(torrent, { has: [7], corrupts: [7], host: '127.0.0.9' })
  const get = startGet(file, target, { peers: [liar], json: false })
  await until('word of it', () => /piece 7 failed from 127\.0\.0\.9:\d+, retry/.test(get.stdout))
})

test('M64 the time-outs have names, are shown, and are obeyed', async () => {
  const { stdout } = await mustRun(['config'], { json: false })
  for (const name of ['handshake', 'request', 'idle', 'tracker'])
    expect(stdout).toMatch(RegExp(`${name}-timeout +\\d`))
  expect(stdout).toMatch(/heartbeat-window +3s/)
  const { events } = await mustRun(['config', '--request-timeout', '2s'])
  expect(events.find(({ name }) => name === 'request-timeout')).toMatchObject({
    value: 2,
    unit: 'seconds',
    origin: 'flag',
    min: 0.1,
  })

  const { file, source, target, torrent } = stage(BOOK)
  const args = ['--handshake-timeout', '700ms', '--idle-timeout', '1500ms']
  const seed = startSeed(file, source, { args })
  const endpoint = await seed.readyEndpoint()
  const lifetimes = async (options: object): Promise<number> => {
    const connection = await FakePeer.leecher(torrent, options).dial(endpoint)
    await connection.ended()
    return performance.now() - connection.openedAt
  }
  const [silent, idle] = await Promise.all([lifetimes({ silent: true }), lifetimes({ announces: 'nothing' })])
  expect(silent).toBeGreaterThan(600)
  expect(silent).toBeLessThan(4000)
  expect(idle).toBeGreaterThan(1400)
  expect(idle).toBeLessThan(6000)
  await seed.event('peer-disconnected', ({ reason }) => reason === 'idle-timeout')

  // a reader that takes requests and answers none loses them to the other one
  const stalling = await FakePeer.listen(torrent, { answers: false })
  const get = startGet(file, target, { peers: [stalling], args: ['--request-timeout', '500ms'] })
  await until('requests', () => stalling.requests.length > 0)
  const honest = await FakePeer.listen(torrent)
  await honest.dial(await get.readyEndpoint())
  await get.event('complete', undefined, 10_000)
})

test('M64 a tracker that is silent is given up at the limit, and the next one asked', async () => {
  const { file, source } = stage(BOOK)
  const [silent, other] = [await FakeTracker.start({ reply: { silence: true } }), await FakeTracker.start()]
  const args = ['--tracker', silent.url, '--tracker', other.url, '--tracker-timeout', '500ms']
  const seed = startSeed(file, source, { args })
  const failed = await seed.event('announced').then(() => seed.all('announce-failed'))
  await other.announced('started', ({ event }) => event === 'started')
  // they are one tier, asked in any order
  for (const event of failed) expect(event).toMatchObject({ tracker: silent.url, code: 'tracker/timeout' })
})
