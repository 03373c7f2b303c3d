/**
 * Requirements of the `payload` system about one connection at a time: who is served, who
 * waits, what is said.
 */
import { expect, test } from 'vitest'
import type { FakeConnection } from '../kit/fake-connection.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import type { Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'

const PIECES = { files: { 'book.bin': 6 * 16_384 }, pieceLength: 16_384 }
const ONE = ['--one-at-a-time']

/** A leecher at 127.0.0.N that has dialled and sent its handshake. */
async function visitor(place: ReturnType<typeof stage>, seed: Shoal, n: number): Promise<FakeConnection> {
  return FakePeer.leecher(place.torrent, { host: `127.0.0.${n}` }).dial(await seed.readyEndpoint())
}

test('W24 a second peer gets no handshake back until the session of the first has ended', async () => {
  const place = stage(PIECES)
  const seed = startSeed(place.file, place.source, { args: ONE, json: false })
  await until('seeding', () => /seeding/.test(seed.stdout))
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(seed.stdout)?.[1])
  const dial = (n: number) =>
    FakePeer.leecher(place.torrent, { host: `127.0.0.${n}` }).dial({ host: '127.0.0.1', port })
  const first = await dial(2)
  await first.downloadPiece(0)
  const second = await dial(3)
  await until('word of the one who waits', () => /busy with 127\.0\.0\.2, 1 waiting/.test(seed.stdout))
  await first.downloadPiece(1)
  await sleep(1000)
  expect([first.isOpen, second.isOpen, second.bytesReceived]).toEqual([true, true, 0])
  first.end()
  await second.downloadAll()
  expect(seed.stdout).toMatch(/next: 127\.0\.0\.3/)
})

test('W24 without the switch nobody has to wait', async () => {
  const place = stage(PIECES)
  const seed = startSeed(place.file, place.source)
  const [first, second] = [await visitor(place, seed, 2), await visitor(place, seed, 3)]
  await Promise.all([first.downloadPiece(0), second.downloadPiece(0)])
  expect(first.isOpen).toBe(true)
})

test('W25 the next ones wait and are served in the order in which they came', async () => {
  const place = stage(PIECES)
  const seed = startSeed(place.file, place.source, { args: ONE })
  const visitors: FakeConnection[] = []
  for (const n of [2, 3, 4, 5, 6]) {
    const connection = await visitor(place, seed, n)
    visitors.push(connection)
    if (n > 2) await seed.event('peer-waiting', ({ address }) => address.startsWith(`127.0.0.${n}:`))
  }
  expect(seed.all('peer-waiting').map(({ waiting }) => waiting)).toEqual([1, 2, 3, 4])
  const served: number[] = []
  await Promise.all(
    visitors.map(async (connection, index) => {
      await connection.handshake()
      served.push(index)
      await connection.downloadAll()
      connection.end()
    }),
  )
  expect(served).toEqual([0, 1, 2, 3, 4])
  expect(seed.all('peer-next').map(({ address }) => address.split(':')[0])).toEqual(
    [3, 4, 5, 6].map((n) => `127.0.0.${n}`),
  )
})

test('W25 one that stalls is cut at the limit when somebody waits, and one that waits is not kept for ever', async () => {
  const place = stage(PIECES)
  const args = [...ONE, '--request-timeout', '1s', '--wait-limit', '2s']
  const seed = startSeed(place.file, place.source, { args: [...ONE, '--request-timeout', '1s'] })
  const stalled = await visitor(place, seed, 2)
  await stalled.downloadPiece(0)
  const stalledAt = performance.now()
  const next = await visitor(place, seed, 3)
  await next.downloadAll()
  expect(performance.now() - stalledAt).toBeLessThan(8000)
  expect(await stalled.ended()).toBe('fin')
  await seed.event(
    'session-end',
    ({ address, reason }) => address.startsWith('127.0.0.2') && reason === 'stalled',
  )

  // whichever limit it is that cuts the first, those behind it are served
  const strict = startSeed(place.file, place.source, { args: [...ONE, '--idle-timeout', '1s'] })
  const crowd: FakeConnection[] = []
  for (const n of [2, 3, 4, 5]) crowd.push(await visitor(place, strict, n))
  await crowd[0]?.handshake()
  for (const connection of crowd.slice(1)) {
    await connection.downloadAll()
    connection.end()
  }

  const busy = startSeed(place.file, place.source, { args })
  const greedy = await visitor(place, busy, 2)
  await greedy.handshake()
  const patient = await visitor(place, busy, 3)
  let isOver = false
  const asking = (async () => {
    while (!isOver && greedy.isOpen) {
      await greedy.downloadPiece(0).catch(() => {})
      await sleep(100)
    }
  })()
  await patient.ended()
  expect(patient.hasHandshake).toBe(false)
  isOver = true
  await asking
})

test('W26 the end of a session is told before the next one begins', async () => {
  const place = stage(PIECES)
  const seed = startSeed(place.file, place.source, { args: ONE })
  const first = await visitor(place, seed, 2)
  await first.handshake()
  const others = [await visitor(place, seed, 3), await visitor(place, seed, 4)]
  await first.downloadPiece(0)
  first.end()
  for (const connection of others) {
    await connection.downloadAll()
    connection.end()
  }
  await seed.event('session-end', ({ address }) => address.startsWith('127.0.0.4'))
  const told = seed.events.items
    .filter(({ event }) => event.startsWith('session-'))
    .map(({ event, address }) => `${event.slice(8)} ${address.split(':')[0].slice(-1)}`)
  expect(told).toEqual(['start 2', 'end 2', 'start 3', 'end 3', 'start 4', 'end 4'])
})

test('W24 a downloader talks to one peer at a time as well, and gets what each has', async () => {
  const { file, source, target, torrent } = stage(PIECES)
  let open = 0
  let most = 0
  const has = [[0, 1, 2], [3, 4], [5]]
  const peers = await Promise.all(has.map((pieces) => FakePeer.listen(torrent, { has: pieces })))
  const get = startGet(file, target, { peers, args: ONE })
  await get.event('complete', undefined, 40_000)
  for (const { event } of get.events.items) {
    if (event === 'session-start') open++
    if (event === 'session-end') open--
    most = Math.max(most, open)
  }
  expect(most).toBe(1)
  expect(new Set(get.all('session-start').map(({ address }) => address)).size).toBe(3)
  expect(treeDifferences(source, target)).toEqual([])
})
