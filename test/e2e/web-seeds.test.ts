/** Downloads from plain web servers (BEP 19), with the built program. */
import { spawn } from 'node:child_process'
import { createReadStream, existsSync, statSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { guardPid, onCleanUp, releasePid } from '../kit/clean-up.ts'
import { mustRun } from '../kit/shoal.ts'
import { type Stage, stage, startGet, startSeed } from '../kit/stage.ts'
import { deterministicBytes } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'

interface FileServer {
  readonly url: string
  /** Paths and ranges that were asked for. */
  readonly requests: { path: string; range: string | undefined }[]
  close(): void
}

type Twist = (request: http.IncomingMessage, response: http.ServerResponse, path: string) => boolean

/** Serves a folder with ranges. @param twist true when it answered instead */
async function fileServer(folder: string, twist: Twist = () => false): Promise<FileServer> {
  const requests: FileServer['requests'] = []
  const server = http.createServer((request, response) => {
    const path = decodeURIComponent(request.url!)
    const { range } = request.headers
    requests.push({ path, range })
    if (twist(request, response, path)) return
    if (!existsSync(join(folder, path))) return void response.writeHead(404).end()
    const { size } = statSync(join(folder, path))
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    response.writeHead(206, {
      'Content-Range': `bytes ${start}-${end}/${size}`,
      'Content-Length': Number(end) - Number(start) + 1,
    })
    createReadStream(join(folder, path), { start: Number(start), end: Number(end) }).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  onCleanUp(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests, close }
}

/** A `.torrent` of the stage's content that names the web seeds, made by the program. */
async function torrentWith(
  { root, source, torrent }: Stage,
  urls: string[],
  args: string[] = [],
): Promise<string> {
  const file = join(root, 'seeded.torrent')
  const webSeeds = urls.flatMap((url) => ['--web-seed', url])
  await mustRun(['create', join(source, torrent.name), '-o', file, ...webSeeds, ...args])
  return file
}

const FILES = { 'ä b/picture #1?.jpg': 300_000, 'b.bin': 3_000_000, 'c/empty': 0, 'd.txt': 5 }

test.each(['v1', 'v2', 'hybrid'])(
  'no peer, no tracker, one web server: everything comes (%s)',
  async (format) => {
    const staged = stage({ files: FILES })
    const server = await fileServer(staged.source)
    const file = await torrentWith(staged, [server.url], ['--format', format, '--piece-length', '65536'])
    const get = startGet(file, staged.target, { args: ['--exit'] })
    expect((await get.exitWithin(60_000)).code).toBe(0)
    expect(get.all('verified')).toHaveLength(1)
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('warning')).toEqual([])
    expect(treeDifferences(staged.source, staged.target)).toEqual([])
    expect(server.requests.every(({ path }) => !path.includes('.pad'))).toBe(true)
  },
)

test('a single file, at an address of its own', async () => {
  const staged = stage({ name: 'one.bin', files: { 'one.bin': 2_000_000 } })
  const server = await fileServer(staged.source, (request) => {
    request.url = request.url?.replace('/other-name', '/one.bin')
    return false
  })
  const elsewhere = await fileServer(staged.source, (request, response) => {
    const headers = { Location: `${server.url}one.bin` }
    response.writeHead(302, headers).end()
    return request.url !== undefined
  })
  const file = await torrentWith(staged, [`${elsewhere.url}other-name`])
  const get = startGet(file, staged.target, { args: ['--exit'] })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(treeDifferences(staged.source, staged.target)).toEqual([])
})

test('only the files that are wanted are asked for', async () => {
  const staged = stage({ files: FILES })
  const server = await fileServer(staged.source)
  const file = await torrentWith(staged, [server.url], ['--format', 'hybrid', '--piece-length', '16384'])
  const get = startGet(file, staged.target, { args: ['--exit', '--select', 'd.txt'] })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(new Set(server.requests.map(({ path }) => path))).toEqual(new Set([`/${staged.torrent.name}/d.txt`]))
})

test('the web seed dies in the middle, a peer finishes', async () => {
  const staged = stage({ files: { 'a.bin': 16_000_000 } })
  let count = 0
  const server = await fileServer(staged.source, (_request, response) => {
    const isDead = ++count > 3
    if (isDead) response.destroy()
    return isDead
  })
  const file = await torrentWith(staged, [server.url], ['--piece-length', '65536'])
  const get = startGet(file, staged.target)
  await get.event('web-seed-waits', undefined, 30_000)
  expect(get.all('complete')).toEqual([])
  const seed = startSeed(file, staged.source, { peers: [await get.readyEndpoint()] })
  await get.event('verified', undefined, 60_000)
  const from = new Set(get.all('piece-verified').map((event) => event.from))
  expect(from.has(server.url)).toBe(true)
  expect(from.size).toBeGreaterThan(1)
  expect((await get.end()).code).toBe(0)
  expect((await seed.end()).code).toBe(0)
})

test('a liar is dropped with a reason, and the download waits for somebody honest', async () => {
  const staged = stage({ files: { 'a.bin': 4_000_000 } })
  const server = await fileServer(staged.source, (request, response) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!
    response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/4000000` })
    response.end(deterministicBytes('lies', Number(end) - Number(start) + 1))
    return true
  })
  const file = await torrentWith(staged, [server.url], ['--piece-length', '65536'])
  const get = startGet(file, staged.target)
  const dropped = await get.event('web-seed-dropped', undefined, 30_000)
  expect(dropped).toMatchObject({ url: server.url, code: 'web-seed/wrong-data' })
  get.type('peers')
  const shown = await get.event('web-seed')
  expect(shown).toMatchObject({ url: server.url, state: 'dropped', piecesFrom: 0 })
  expect((await get.end()).code).toBe(0)
})

test('a magnet link does not send us to our own machine (S39)', async () => {
  const staged = stage({ files: { 'a.bin': 500_000 } })
  const server = await fileServer(staged.source)
  const seed = startSeed(staged.file, staged.source, { args: ['--upload-limit', '20kB/s'] })
  const { port } = await seed.readyEndpoint()
  const link = staged.torrent.magnet(`&ws=${encodeURIComponent(server.url)}&x.pe=127.0.0.1:${port}`)
  const get = startGet(link, staged.target)
  const dropped = await get.event('web-seed-dropped', undefined, 30_000)
  expect(dropped).toMatchObject({ url: server.url, code: 'web-seed/blocked-address' })
  expect(server.requests).toEqual([])
  await get.end()
})

test('--no-web-seeds asks none', async () => {
  const staged = stage({ files: { 'a.bin': 500_000 } })
  const server = await fileServer(staged.source)
  const file = await torrentWith(staged, [server.url])
  const seed = startSeed(file, staged.source)
  const get = startGet(file, staged.target, {
    args: ['--no-web-seeds', '--exit'],
    peers: [await seed.readyEndpoint()],
  })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(server.requests).toEqual([])
})

test('the download limit holds for web seeds', async () => {
  const staged = stage({ files: { 'a.bin': 2_000_000 } })
  const server = await fileServer(staged.source)
  const file = await torrentWith(staged, [server.url])
  const get = startGet(file, staged.target, { args: ['--exit', '--download-limit', '1MB/s'] })
  const complete = await get.event('complete', undefined, 60_000)
  // A tenth of a second's worth may be saved up.
  expect(complete.seconds).toBeGreaterThan(1.5)
  expect((await get.exitWithin()).code).toBe(0)
})

test('python3 -m http.server knows no ranges: small files come all the same', async () => {
  const staged = stage({ files: { 'a.bin': 700_000, 'b/c.bin': 400_000, 'd.txt': 5 } })
  const python = spawn('python3', [
    '-u',
    '-m',
    'http.server',
    '--bind',
    '127.0.0.1',
    '--directory',
    staged.source,
    '0',
  ])
  const pid = python.pid!
  guardPid(pid)
  onCleanUp(() => {
    python.kill('SIGKILL')
    releasePid(pid)
  })
  const port = await new Promise<string>((resolve, reject) => {
    python.once('error', reject)
    let said = ''
    python.stdout.on('data', (text: Buffer) => {
      said += text
      const found = /port (\d+)/.exec(said)
      if (found) resolve(found[1]!)
    })
  })
  const file = await torrentWith(staged, [`http://127.0.0.1:${port}/`], ['--piece-length', '32768'])
  const get = startGet(file, staged.target, { args: ['--exit'] })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(treeDifferences(staged.source, staged.target)).toEqual([])
})
