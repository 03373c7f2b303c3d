/**
 * Requirements about the catalog: libraries that are published, listed, chosen and fetched by number or name.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askHttp, fakeLibrary, fakePublisher, postJson, publish } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { ALONE, mustRun, runShoal, Shoal } from '../kit/shoal.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

type Tracker = Awaited<ReturnType<typeof startOwnTracker>>

const LOCAL = ['--host', '127.0.0.1', '--port', '0', ...ALONE]

function urlOf({ http }: Tracker): string {
  return `http://${http.host}:${http.port}`
}

/** A folder with these files, each of them unlike any other. */
function library(root: string, name: string, files = 3): string {
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true })
  for (let i = 0; i < files; i++) writeFileSync(join(folder, `${i}.jpg`), randomBytes(30_000))
  return folder
}

/** `shoal share` of these paths, once the catalog has them and the tracker knows its peer. */
async function share(tracker: Tracker, paths: string[], args: string[] = [], data?: string): Promise<Shoal> {
  const env = data === undefined ? {} : { env: { XDG_DATA_HOME: data } }
  const shoal = Shoal.start(['share', ...paths, '--tracker', urlOf(tracker), ...LOCAL, ...args], env)
  await shoal.event('listed')
  await until('announces', () => shoal.all('announced').length >= paths.length)
  return shoal
}

async function list(tracker: Tracker, ...args: string[]) {
  const { events, result } = await mustRun(['ls', ...args, '--tracker', urlOf(tracker)])
  return { rows: events.filter(({ event }) => event === 'library'), result }
}

const somebody = (infoHash: Buffer, port: number) => ({ infoHash, port, peerId: randomBytes(20), left: 0 })

test('M1 a library is chosen from the list and comes from several peers at once', async () => {
  const tracker = await startOwnTracker()
  const torrent = torrentFixture({ files: { 'a.jpg': 600_000, 'b.jpg': 400_000 }, pieceLength: 16_384 })
  const root = temporaryFolder('m1')
  const source = torrent.writeContent(join(root, 'source'))
  const seeders = await Promise.all([0, 1, 2].map(() => FakePeer.listen(torrent)))
  for (const { port } of seeders) await announceHttp(tracker.http, somebody(torrent.infoHash, port))
  const record = fakeLibrary(fakePublisher(), { infoHash: torrent.infoHash, name: torrent.name })
  const { number } = (await publish(tracker.http, record)).json.results[0]
  const put = await askHttp(tracker.http, `/api/v1/libraries/${number}/torrent`, {
    method: 'PUT',
    headers: { 'content-type': 'application/x-bittorrent' },
    body: torrent.bytes,
  })
  expect(put.status).toBe(200)
  const { rows } = await list(tracker)
  expect(rows).toMatchObject([{ number, name: torrent.name, seeders: 3 }])
  const dir = join(root, 'target')
  const get = await mustRun([
    'get',
    String(number),
    '--dir',
    dir,
    '--tracker',
    urlOf(tracker),
    '--exit',
    ...LOCAL,
  ])
  expect(treeDifferences(source, dir)).toEqual([])
  const sources = get.events.filter(({ event }) => event === 'source')
  expect(sources.filter(({ pieces }) => pieces > 0)).toHaveLength(3)
})

test('M2 several libraries are listed, and the one that is selected is fetched alone', async () => {
  const tracker = await startOwnTracker()
  const root = temporaryFolder('m2')
  await share(
    tracker,
    ['cats', 'dogs', 'birds'].map((name) => library(root, name)),
  )
  const { rows, result } = await list(tracker, '--sort', 'number')
  expect(rows.map(({ number, name }) => [number, name])).toEqual([
    [1, 'cats'],
    [2, 'dogs'],
    [3, 'birds'],
  ])
  for (const row of rows)
    expect(row).toMatchObject({ size: 90_000, files: 3, seeders: 1, leechers: 0, pieces: expect.any(Number) })
  expect(result).toMatchObject({ event: 'libraries', count: 3, total: 3 })
  const text = await mustRun(['ls', '--tracker', urlOf(tracker)], { json: false })
  expect(text.stdout).toMatch(/^3 libraries/)
  expect(text.stdout).toMatch(/#\s+name\s+size\s+files\s+pieces\s+seeders\s+leechers/)
  const dir = join(root, 'target')
  await mustRun(['get', '2', '--dir', dir, '--tracker', urlOf(tracker), '--exit', ...LOCAL])
  expect(readdirSync(dir).filter((name) => name !== '.shoal')).toEqual(['dogs'])
  expect(treeDifferences(join(root, 'dogs'), join(dir, 'dogs'))).toEqual([])
  const byName = join(root, 'by name')
  await mustRun(['get', 'Birds', '--dir', byName, '--tracker', urlOf(tracker), '--exit', ...LOCAL])
  expect(treeDifferences(join(root, 'birds'), join(byName, 'birds'))).toEqual([])
})

test('L1 two programs, each with its help', async () => {
  for (const [command, word] of [
    ['tracker', '--store'],
    ['share', '--description'],
    ['get', '--dir'],
  ] as const) {
    const { stdout } = await mustRun([command, '--help'], { json: false })
    expect(stdout).toContain(word)
  }
  const tracker = await startOwnTracker()
  const shoal = Shoal.start(['share', library(temporaryFolder('l1'), 'alone'), '--no-tracker', ...LOCAL])
  await shoal.event('share-link')
  expect((await shoal.end()).code).toBe(0)
  expect((await tracker.shoal.end()).code).toBe(0)
})

test('L2 the shared folder is the only argument that is needed', async () => {
  const folder = library(temporaryFolder('l2'), 'sharedFolder', 4)
  const tracker = await startOwnTracker()
  const shoal = Shoal.start(['share', folder], { env: { SHOAL_TRACKER: urlOf(tracker), SHOAL_LAN: 'false' } })
  await shoal.event('listed')
  await until('announces', () => shoal.all('announced').length > 0)
  const { rows } = await list(tracker)
  expect(rows).toMatchObject([{ name: 'sharedFolder', files: 4, size: 120_000, seeders: 1 }])
  const { json } = await askHttp(tracker.http, '/api/v1/libraries/1')
  expect(json.sample.map(({ path }: { path: string }) => path)).toEqual(readdirSync(folder).sort())
  await shoal.end()
})

test('L3 one client that stalls in the middle of a request delays nobody', async () => {
  const { http } = await startOwnTracker()
  const stalled = [...Array(20).keys()].map(() => {
    const socket = connect(http.port, http.host).on('error', () => {})
    socket.write('POST /api/v1/libraries HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n')
    socket.write('Content-Length: 100000\r\n\r\n{"count":')
    return socket
  })
  const asked = [...Array(20).keys()].flatMap((i) => [
    announceHttp(http, somebody(randomBytes(20), 1000 + i)).then(({ failure }) => failure === undefined),
    askHttp(http, '/api/v1/libraries').then(({ status }) => status === 200),
  ])
  expect(await Promise.all(asked)).toEqual(asked.map(() => true))
  for (const socket of stalled) socket.destroy()
})

test('L12 a hundred announces on one connection', async () => {
  const { http } = await startOwnTracker()
  const socket = connect(http.port, http.host)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  for (let i = 0; i < 100; i++)
    socket.write(
      `GET /announce?info_hash=${'%01'.repeat(20)}&peer_id=${'-'.repeat(20)}&port=${1000 + i}&left=1 HTTP/1.1\r\nHost: x\r\n\r\n`,
    )
  await until('a hundred answers', () => (text.match(/HTTP\/1\.1 200/g) ?? []).length === 100)
  socket.destroy()
})

test('L14 the list says what there is, and not who has it', async () => {
  const tracker = await startOwnTracker()
  await share(tracker, [library(temporaryFolder('l14'), 'cats')])
  const [infoHash] = (await list(tracker)).rows.map((row) => Buffer.from(row.infoHash, 'hex'))
  await announceHttp(tracker.http, { ...somebody(infoHash as Buffer, 4321), from: '127.0.0.9' })
  const { body, json } = await askHttp(tracker.http, '/api/v1/libraries')
  expect(json.libraries).toMatchObject([{ name: 'cats', size: 90_000, seeders: 2 }])
  expect(body.toString()).not.toMatch(/127\.0\.0|4321/)
  expect((await askHttp(tracker.http, '/')).body.toString()).not.toMatch(/127\.0\.0\.9|4321/)
})

test('L15 the reply says how many there are, each with name and length', async () => {
  const tracker = await startOwnTracker()
  const root = temporaryFolder('l15')
  await share(
    tracker,
    ['a', 'b', 'c'].map((name) => library(root, name)),
  )
  const { json } = await askHttp(tracker.http, '/api/v1/libraries')
  expect([json.count, json.total]).toEqual([json.libraries.length, 3])
  for (const { name, size } of json.libraries) expect([name.length, size]).toEqual([1, 90_000])
})

test('L16 L17 a library whose last source has left is hidden, and shown with --all', async () => {
  const tracker = await startOwnTracker()
  const root = temporaryFolder('l17')
  const folder = library(root, 'cats')
  const first = await share(tracker, [folder])
  const second = await share(tracker, [folder], [], join(root, 'other publisher'))
  expect((await list(tracker)).rows).toMatchObject([{ number: 1, seeders: 2, publishers: 2 }])
  const infoHash = Buffer.from((await list(tracker)).rows[0]?.infoHash, 'hex')
  await first.end()
  expect((await list(tracker)).rows).toMatchObject([{ number: 1, seeders: 1 }])
  await second.end()
  expect((await list(tracker)).rows).toEqual([])
  expect((await list(tracker, '--all')).rows).toMatchObject([{ number: 1, seeders: 0 }])
  expect((await announceHttp(tracker.http, { ...somebody(infoHash, 1), left: 1 })).peers).toEqual([])
})

test('M19 L26 who is in the swarm of a library is asked by its number, its name or its infohash', async () => {
  const tracker = await startOwnTracker()
  const shoal = await share(tracker, [library(temporaryFolder('named'), 'kites')])
  const { rows } = await list(tracker)
  for (const id of [String(rows[0]!.number), 'kites', rows[0]!.infoHash as string])
    for (const command of ['peers', 'locations']) {
      const { result } = await mustRun([command, id, '--tracker', urlOf(tracker)])
      expect(result).toMatchObject({ event: command, infoHash: rows[0]!.infoHash, total: 1 })
    }
  const unknown = await runShoal(['peers', 'no such thing', '--tracker', urlOf(tracker)])
  expect(unknown).toMatchObject({ code: 1, result: { code: 'catalog/no-such-library' } })
  expect((await shoal.end()).code).toBe(0)
})

test('L19 L21 a folder of files is registered in one request, each with its four values', async () => {
  const tracker = await startOwnTracker()
  const folder = library(temporaryFolder('l19'), 'files', 7)
  const files = readdirSync(folder).map((name) => join(folder, name))
  const shoal = await share(tracker, files)
  expect(await shoal.event('listed')).toMatchObject({ count: 7, of: 7 })
  const { rows } = await list(tracker)
  expect(new Set(rows.map(({ infoHash }) => infoHash)).size).toBe(7)
  for (const { name, infoHash, size, pieces } of rows) {
    expect(name).toMatch(/^\d\.jpg$/)
    expect([infoHash.length, size, pieces]).toEqual([40, 30_000, 2])
    const { peers } = await announceHttp(tracker.http, {
      ...somebody(Buffer.from(infoHash, 'hex'), 1),
      left: 1,
    })
    expect(peers).toHaveLength(1)
  }
})

test('L20 the listening port is listed, not that of the connection', async () => {
  const { http } = await startOwnTracker()
  const infoHash = randomBytes(20)
  await announceHttp(http, somebody(infoHash, 4242))
  const { peers } = await announceHttp(http, { ...somebody(infoHash, 1), left: 1 })
  expect(peers.map(({ port }) => port)).toEqual([4242])
})

test('L22 a count that differs from the list is refused, and nothing is stored', async () => {
  const { http } = await startOwnTracker()
  const libraries = [fakeLibrary(fakePublisher())]
  const { status, json } = await postJson(http, '/api/v1/libraries', { count: 2, libraries })
  expect([status, json.code, json.errors[0].field]).toEqual([400, 'api/invalid-request', 'count'])
  expect((await askHttp(http, '/api/v1/libraries?all=true')).json.total).toBe(0)
})

test('L23 one bad library among three: two are registered, one is reported', async () => {
  const { http } = await startOwnTracker()
  const publisher = fakePublisher()
  const [a, b, c] = ['a', 'b', 'c'].map((name) => fakeLibrary(publisher, { name }))
  const { json } = await publish(http, a, { record: b?.record, signature: c?.signature }, c)
  expect(json.registered).toBe(2)
  expect(json.results.map(({ ok }: { ok: boolean }) => ok)).toEqual([true, false, true])
  expect(json.results[1]).toMatchObject({ code: 'catalog/bad-signature' })
  expect((await askHttp(http, '/api/v1/libraries?all=true')).json.total).toBe(2)
  // and on the command line
  const root = temporaryFolder('l23')
  const tracker = await startOwnTracker()
  const paths = [library(root, 'x'), join(root, 'missing'), library(root, 'y')]
  const shoal = Shoal.start(['share', ...paths, '--tracker', urlOf(tracker), ...LOCAL])
  expect(await shoal.event('refused')).toMatchObject({ path: paths[1] })
  expect(await shoal.event('listed')).toMatchObject({ count: 2 })
})

test('L25 D16 the infohash is the library: equal names are two, equal content is one with two sources', async () => {
  const tracker = await startOwnTracker()
  const { http } = tracker
  const [a, b] = [fakePublisher(), fakePublisher()]
  const infoHash = randomBytes(20)
  await publish(http, fakeLibrary(a, { name: 'cats', infoHash }))
  await publish(http, fakeLibrary(b, { name: 'cats', infoHash }))
  await publish(http, fakeLibrary(b, { name: 'cats' }))
  const { rows } = await list(tracker, '--all', '--sort', 'number')
  expect(rows.map(({ number, name, publishers }) => [number, name, publishers])).toEqual([
    [1, 'cats', 2],
    [2, 'cats', 1],
  ])
  const ambiguous = await runShoal(['get', 'cats', '--tracker', urlOf(tracker), '--exit', ...LOCAL])
  expect([ambiguous.code, ambiguous.result.code]).toEqual([1, 'catalog/ambiguous'])
  const missing = await runShoal(['get', '77', '--tracker', urlOf(tracker), '--exit', ...LOCAL])
  expect([missing.code, missing.result.code]).toEqual([1, 'catalog/no-such-library'])
})

test('W8 every route answers as it is described; an unknown one is a problem in JSON', async () => {
  const { http } = await startOwnTracker()
  const { json: api } = await askHttp(http, '/api')
  const { json: document } = await askHttp(http, '/api/openapi.json')
  expect(document.openapi).toBe('3.1.0')
  for (const { method, path } of api.routes) {
    const operation = document.paths[path.replace(/:(\w+)/g, '{$1}')][method.toLowerCase()]
    expect(operation.summary).toBeTruthy()
    if (method !== 'GET' || path.includes(':') || path.endsWith('/events')) continue
    const { status, json } = await askHttp(http, path)
    if (operation.parameters?.some(({ required }: { required?: boolean }) => required)) {
      expect([status, json.code], path).toEqual([400, 'api/invalid-request'])
      continue
    }
    expect(status, path).toBe(200)
    const schema = operation.responses['200']?.content?.['application/json']?.schema
    for (const name of schema?.required ?? []) expect(json, path).toHaveProperty(name)
  }
  const missing = await askHttp(http, '/api/v1/nothing')
  expect([missing.status, missing.headers['content-type']]).toEqual([
    404,
    'application/problem+json; charset=utf-8',
  ])
})
