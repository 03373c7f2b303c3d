/** Requirements of the `payload` system about counters and logs. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { freePort } from '../kit/real-clients.ts'
import { ALONE, mustRun, runShoal, Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { until } from '../kit/waiting.ts'

const ANNOUNCE = { infoHash: Buffer.alloc(20, 'a'), peerId: Buffer.alloc(20, 'b'), port: 6881 }

type Counts = Record<string, number>

async function stats(port: number, ...args: string[]): Promise<Counts> {
  return (await mustRun(['stats', `127.0.0.1:${port}`, ...args])).result.counters
}

/** What grew, and by how much. */
function growth(before: Counts, after: Counts): Counts {
  const changed = Object.keys(after).filter((name) => after[name] !== before[name])
  return Object.fromEntries(changed.map((name) => [name, after[name]! - before[name]!]))
}

/** The lines of a log file. */
function lines(file: string): Record<string, unknown>[] {
  const text = readFileSync(file, 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('W30 the log has a line for each message that the other side saw, and stays bounded', async () => {
  const { file, source, torrent } = stage({ files: { 'a.bin': 40_000 }, pieceLength: 16_384 })
  const log = join(temporaryFolder('log'), 'seed.log')
  const seed = startSeed(file, source, { args: ['--log-file', log, '--log-keep', '2'] })
  const peer = FakePeer.leecher(torrent)
  const connection = await peer.dial(await seed.readyEndpoint())
  await connection.downloadAll()
  connection.end()
  await seed.event('peer-disconnected')
  await seed.end()
  const wire = lines(log).filter(({ event }) => event === 'wire')
  const sent = wire.filter(({ direction }) => direction === 'out')
  const byType = (messages: readonly { type: string }[], type: string) =>
    messages.filter((message) => message.type === type).length
  const logged = (direction: string, message: string) =>
    wire.filter((line) => line.direction === direction && line.message === message).length
  expect(logged('out', 'handshake')).toBe(1)
  expect(logged('in', 'handshake')).toBe(1)
  for (const type of ['bitfield', 'have-all', 'unchoke', 'piece', 'extended'])
    expect(logged('out', type), type).toBe(byType(connection.messages.items, type))
  expect(sent).toHaveLength(connection.messages.items.length + 1)
  expect(logged('in', 'request')).toBe(logged('out', 'piece'))
  expect(logged('in', 'request')).toBeGreaterThan(2)
  for (const { time } of lines(log)) expect(new Date(String(time)).getTime()).toBeGreaterThan(1.7e12)

  const shown = await mustRun(['log', log, '--type', 'wire'])
  expect(shown.events).toHaveLength(wire.length)
  expect((await mustRun(['log', log, '--lines', '3'])).events).toHaveLength(3)
  const folder = join(log, '..')
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
  expect(sizes.length).toBeLessThanOrEqual(2)
})

test('W30 shoal log --tail shows what is added', async () => {
  const { file, source } = stage()
  const log = join(temporaryFolder('log'), 'seed.log')
  const seed = startSeed(file, source, { args: ['--log-file', log] })
  await seed.event('seeding')
  const tail = Shoal.start(['log', log, '--tail'])
  await tail.event('seeding')
  expect(tail.all('stopped')).toEqual([])
  await seed.end()
  await tail.event('stopped')
  tail.signal('SIGTERM')
  expect((await tail.exitWithin()).code).toBe(0)
})

test('W31 each thing a peer does is counted once, and nothing else with it', async () => {
  const tracker = await startOwnTracker()
  const url = `http://127.0.0.1:${tracker.http.port}`
  const port = await freePort()
  const start = (dir = temporaryFolder('put')) =>
    Shoal.start([
      ...['payload', 'put', 'asdaqwer', '--dir', dir, '--tracker', url],
      ...['--host', '127.0.0.1', '--port', String(port), ...ALONE],
    ])
  const put = start()
  const { payloadId } = await put.event('holding')
  await put.event('announced')
  let before = await stats(port)
  expect(Object.keys(before)).toEqual(expect.arrayContaining(['claims_asked', 'peers_queried']))
  expect(before).toMatchObject({ peer_started: 1, payload_uploaded: 1, peer_registered: 1, peer_stopped: 0 })

  const once = async (what: string, action: () => unknown, expected: Counts) => {
    await action()
    let after: Counts = {}
    await until(what, async () => {
      after = await stats(port)
      return Object.keys(growth(before, after)).length >= Object.keys(expected).length
    })
    expect(growth(before, after), what).toEqual(expected)
    before = after
  }
  const claim = ['ask', `127.0.0.1:${port}`, '--payload', payloadId, '--claim', '0:asda']
  await once('answer to a claim', () => mustRun(claim), { claims_answered: 1 })
  const nobody = await freePort()
  await once('question to a peer', () => put.type(`ask 127.0.0.1:${nobody} ${payloadId} 0:asda`), {
    claims_asked: 1,
  })
  const { infoHash } = await put.event('payload')
  const visitor = FakePeer.leecher(stage().torrent)
  const connection = await visitor.dial({ host: '127.0.0.1', port }, Buffer.from(infoHash, 'hex'))
  await once('visitor', () => connection.handshake(), { handshake_done: 1 })
  await once('end of the visit', () => connection.end(), { connection_closed: 1 })

  await put.end()
  await start().event('announced')
  const all = await stats(port, '--all-ids')
  expect(all).toMatchObject({ peer_started: 2, peer_stopped: 1, peer_registered: 2, peer_deregistered: 1 })
})

test('W31 what a downloader does is counted as well', async () => {
  const { file, target, torrent } = stage()
  const tracker = await FakeTracker.start()
  const peer = await FakePeer.listen(torrent)
  tracker.reply = { peers: [peer], intervalSeconds: 1, minIntervalSeconds: 1 }
  const get = startGet(file, target, { tracker })
  await get.event('complete')
  const { port } = await get.peerEndpoint()
  const counts = await stats(port)
  expect(counts).toMatchObject({
    connection_dialled: 1,
    handshake_done: 1,
    piece_verified: torrent.pieceCount,
    torrent_complete: 1,
    peer_registered: 1,
  })
  await until('a further announce', async () => (await stats(port)).peers_queried! > counts.peers_queried!)
  expect((await stats(port)).peer_registered).toBe(1)
  const text = await runShoal(['stats', `127.0.0.1:${port}`, '--prometheus'], { json: false })
  expect(text.stdout).toMatch(/^# TYPE shoal_peer_piece_verified counter$/m)
  expect(text.stdout).toMatch(new RegExp(`^shoal_peer_piece_verified ${torrent.pieceCount}$`, 'm'))
})

test('W31 the tracker counts too, for Prometheus and as JSON', async () => {
  const tracker = await startOwnTracker()
  const url = `http://127.0.0.1:${tracker.http.port}`
  const metric = async (name: string) => {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
  }
  const kind = (name: string) => `shoal_tracker_payload_requests_total\\{kind="${name}"\\}`
  expect([await metric(kind('new')), await metric('shoal_tracker_announces')]).toEqual([0, 0])
  await mustRun(['payload', 'put', 'x', '--exit', '--tracker', url])
  expect([await metric(kind('new')), await metric(kind('known'))]).toEqual([1, 0])
  await mustRun(['payload', 'put', 'x', '--exit', '--tracker', url])
  expect([await metric(kind('new')), await metric(kind('known'))]).toEqual([1, 1])
  await announceHttp(tracker.http, ANNOUNCE)
  expect(await metric('shoal_tracker_announces')).toBe(1)
  expect(await (await fetch(`${url}/stats.json`)).json()).toMatchObject({ announces: 1, peers: 1 })
  const shown = await mustRun(['stats', url, '--type', 'announces'])
  expect(shown.result.counters).toEqual({ announces: 1 })
})

test('W32 counters by type, of the present id or of all of the address; an unknown type is bad usage', async () => {
  const { file, source } = stage()
  const port = await freePort()
  const first = startSeed(file, source, { port })
  await first.event('seeding')
  const one = await mustRun([
    'stats',
    `127.0.0.1:${port}`,
    '--type',
    'peer_started',
    '--type',
    'peer_stopped',
  ])
  expect(one.result).toMatchObject({ ids: 1, counters: { peer_started: 1, peer_stopped: 0 } })
  expect(Object.keys(one.result.counters)).toHaveLength(2)
  await first.end()
  const second = startSeed(file, source, { port })
  await second.event('seeding')
  const now = await mustRun(['stats', `127.0.0.1:${port}`])
  expect(now.result).toMatchObject({ ids: 1, counters: { peer_started: 1, peer_stopped: 0 } })
  expect(now.result.peerId).not.toBe(one.result.peerId)
  const all = await mustRun(['stats', `127.0.0.1:${port}`, '--all-ids'])
  expect(all.result).toMatchObject({ ids: 2, counters: { peer_started: 2, peer_stopped: 1 } })
  const unknown = await runShoal(['stats', `127.0.0.1:${port}`, '--type', 'bananas'])
  expect(unknown).toMatchObject({ code: 2, result: { code: 'usage/unknown-counter' } })
  const silent = await runShoal(['stats', `127.0.0.1:${await freePort()}`])
  expect(silent).toMatchObject({ code: 1, result: { code: 'service/unreachable' } })
})

test('W39 the log of a tracker has one line for each request', async () => {
  const log = join(temporaryFolder('log'), 'tracker.log')
  const tracker = await startOwnTracker('--log-file', log)
  const url = `http://127.0.0.1:${tracker.http.port}`
  await announceHttp(tracker.http, ANNOUNCE)
  await fetch(`${url}/api/v1/stats`)
  await fetch(`${url}/nowhere`)
  await mustRun(['payload', 'put', 'x', '--exit', '--tracker', url])
  const requests = await until('four requests', () => {
    const found = lines(log).filter(({ event }) => event === 'request')
    return found.length >= 4 ? found : undefined
  })
  expect(
    requests.map(({ method, path, status }) => `${method} ${String(path).split('?')[0]} ${status}`),
  ).toEqual(['GET /announce 200', 'GET /api/v1/stats 200', 'GET /nowhere 404', 'POST /api/v1/payloads 201'])
})
