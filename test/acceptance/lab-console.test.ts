/**
 * Requirements of the `lab` system about its options, its log, its menu, and what
 * strangers send to its server.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askHttp } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { ALONE, mustRun, Shoal } from '../kit/shoal.ts'
import { stage, startGet } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const LOCAL = ['--host', '127.0.0.1', '--port', '0', ...ALONE]
const CATEGORIES = ['tracker', 'serve', 'fetch']

function folderOf(root: string, name: string): string {
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'a.bin'), randomBytes(50_000))
  return folder
}

/** The log lines of a download that also serves, with these levels. */
async function logOf(...verbose: string[]): Promise<{ lines: string[]; announces: number }> {
  const { file, target, source, torrent } = stage({ files: { 'a.bin': 8 * 16_384 }, pieceLength: 16_384 })
  const tracker = await FakeTracker.start()
  const seeder = await FakePeer.listen(torrent)
  tracker.reply = { peers: [seeder] }
  const args = verbose.flatMap((level) => ['--verbose', level])
  const get = startGet(file, target, { tracker, args, json: false })
  await until('the download', () => treeDifferences(source, target).length === 0)
  await until('the sentence', () => /complete/.test(get.stdout))
  const address = /listening on 127\.0\.0\.1:(\d+)/.exec(get.stdout)
  const leecher = await FakePeer.leecher(torrent).dial({ host: '127.0.0.1', port: Number(address?.[1]) })
  await leecher.downloadPiece(0)
  await leecher.downloadPiece(1)
  await get.end()
  const lines = get.stderr.split('\n').filter((line) => line.startsWith('['))
  return { lines, announces: tracker.announces.items.length }
}

function countOf(lines: readonly string[], category: string): number {
  return lines.filter((line) => line.startsWith(`[${category}]`)).length
}

test('L4 every line of the log has one of three names', async () => {
  const { lines } = await logOf('tracker=2', 'serve=2', 'fetch=2')
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) expect(CATEGORIES.map((name) => `[${name}]`)).toContain(line.split(' ', 1)[0])
  for (const category of CATEGORIES) expect(countOf(lines, category), category).toBeGreaterThan(0)
})

test('L5 each message with the tracker is told with --verbose tracker, and none without', async () => {
  const told = await logOf('tracker')
  expect(told.lines).toHaveLength(told.announces)
  expect(told.announces).toBeGreaterThan(2)
  expect((await logOf()).lines).toEqual([])
})

test('L6 the sides are told apart, and level 2 tells what 1 does and more', async () => {
  for (const category of ['serve', 'fetch']) {
    const [one, two] = [await logOf(category), await logOf(`${category}=2`)]
    expect(countOf(one.lines, category), category).toBeGreaterThan(0)
    expect(countOf(two.lines, category), category).toBeGreaterThan(countOf(one.lines, category) + 1)
    expect(countOf(two.lines, category)).toBe(two.lines.length)
  }
})

test('L7 every option is in one place and a flag changes it', async () => {
  const { events } = await mustRun(['config'])
  const settings = events.filter(({ event }) => event === 'setting')
  expect(settings.length).toBeGreaterThan(40)
  const changes: [flag: string, name: string, value: unknown][] = [
    ['--upload-limit=1MB/s', 'upload-limit', 1_000_000],
    ['--max-peers=7', 'max-peers', 7],
    ['--picker=sequential', 'picker', 'sequential'],
    ['--no-pex', 'pex', false],
    ['--store=memory', 'store', 'memory'],
    ['--api-host=tracker.example.org', 'api-host', ['tracker.example.org']],
    ['--interval=1m', 'interval', 60],
  ]
  const changed = await mustRun(['config', ...changes.map(([flag]) => flag)])
  for (const [, name, value] of changes) {
    const setting = changed.events.find((event) => event.name === name)
    expect(setting, name).toMatchObject({ value, origin: expect.stringMatching(/flag/) })
  }
})

/** Some thousand requests that nobody would send, from the same numbers every time. */
function* strangeRequests(count: number): Generator<Buffer> {
  let state = 0x2545_f491
  const below = (n: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => below(256)))
  const text = () => encodeURIComponent(noise(below(30)).toString('latin1'))
  const paths = [
    ...['/', '/api', '/api/v1/libraries', '/api/v1/libraries/1', '/api/v1/libraries/1/torrent', '/metrics'],
    ...[
      '/announce',
      '/scrape',
      '/api/v1/previews/00',
      '/library/1',
      '/stats.json',
      '/api/v1/libraries/x/withdraw',
    ],
  ]
  const bodies = [
    '',
    '{}',
    '[]',
    'null',
    '{"count":1e999}',
    '{"libraries":[{}]}',
    '{"count":1,"libraries":[{"record":"AAAA","signature":""}]}',
  ]
  for (let i = 0; i < count; i++) {
    if (below(8) === 0) {
      yield noise(1 + below(200))
      continue
    }
    const query =
      below(2) === 0
        ? ''
        : `?${pick(['q', 'page', 'limit', 'sort', 'info_hash', '__proto__', text()])}=${text()}`
    const body = below(3) === 0 ? noise(below(60)) : Buffer.from(pick(bodies))
    const length = below(20) === 0 ? pick(['-1', '99999999999', 'x']) : String(body.length)
    const type = pick([
      'application/json',
      'text/plain',
      'application/x-bittorrent',
      'multipart/form-data',
      '',
    ])
    const head = `${pick(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'BREW'])} ${pick(paths)}${query} HTTP/1.1\r\nHost: ${pick(['127.0.0.1', 'localhost', '', 'evil'])}\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`
    yield Buffer.concat([Buffer.from(head), body])
  }
}

test('L13 ten thousand strange requests: the tracker lives, and answers the next good one', async () => {
  const { http, shoal } = await startOwnTracker()
  const requests = strangeRequests(10_000)
  const send = async (): Promise<void> => {
    for (const request of requests)
      await new Promise<void>((resolve) => {
        const socket = connect(http.port, http.host, () => socket.end(request))
        socket.on('error', () => {})
        socket.on('close', () => resolve())
        socket.resume()
      })
  }
  await Promise.all(Array.from({ length: 20 }, send))
  expect(shoal.exited).toBeUndefined()
  expect(shoal.all('error')).toEqual([])
  expect((await askHttp(http, '/healthz')).status).toBe(200)
  expect((await askHttp(http, '/api/v1/libraries?all=true')).json).toMatchObject({ total: 0 })
  const somebody = { infoHash: randomBytes(20), peerId: randomBytes(20), port: 1 }
  expect((await announceHttp(http, somebody)).failure).toBeUndefined()
})

test('L55 the menu lists, fetches by number, asks again after nonsense, and leaves', async () => {
  const tracker = await startOwnTracker()
  const url = `http://${tracker.http.host}:${tracker.http.port}`
  const root = temporaryFolder('l55')
  const other = Shoal.start(['share', folderOf(root, 'theirs'), '--tracker', url, ...LOCAL])
  await other.event('listed')
  await other.event('announced')
  const mine = join(root, 'mine')
  const shoal = Shoal.start(['share', folderOf(mine, 'own'), '--tracker', url, ...LOCAL])
  await shoal.event('listed')
  await shoal.event('announced')
  const asks = async (line: string, count: number) => {
    shoal.type(line)
    await until(`the menu after ${line}`, () => shoal.all('menu').length === count)
  }
  await asks('R', 1)
  expect(shoal.all('library').map(({ name }) => name)).toEqual(['own', 'theirs'])
  for (const [index, line] of ['99', 'x', '0'].entries()) {
    await asks(line, 2 + index)
    expect(shoal.all('choice-refused').at(-1)).toMatchObject({ choice: line })
  }
  expect(shoal.exited).toBeUndefined()
  await asks('1', 5)
  await shoal.event('complete', ({ name }) => name === 'theirs')
  await until('the files', () => treeDifferences(join(root, 'theirs'), join(mine, 'theirs')).length === 0)
  expect(await shoal.end('Q')).toEqual({ code: 0, signal: null })
  expect(await shoal.event('bye')).toBeDefined()
})

test('W39 the tracker logs every request, one line each', async () => {
  const folder = temporaryFolder('w39')
  const file = join(folder, 'tracker.log')
  const { http, shoal } = await startOwnTracker('--log-file', file)
  const somebody = { infoHash: randomBytes(20), peerId: randomBytes(20), port: 1 }
  for (let i = 0; i < 5; i++) await announceHttp(http, { ...somebody, port: 1000 + i })
  for (const path of ['/api', '/api/v1/nothing', '/?q=secret']) await askHttp(http, path)
  await until('eight requests', () => shoal.all('request').length === 8)
  await shoal.end()
  const lines = readdirSync(folder)
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line.includes('"event":"request"'))
    .map((line) => JSON.parse(line))
  expect(lines.map(({ path, status }) => `${path} ${status}`)).toEqual([
    ...Array(5).fill('/announce 200'),
    '/api 200',
    '/api/v1/nothing 404',
    '/ 200',
  ])
  for (const line of lines) expect(line).toMatchObject({ time: expect.any(String), address: '127.0.0.1' })
})
