/** Requirements of the `payload` system about peers as sockets: listening, connecting, stopping. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { freePort } from '../kit/real-clients.ts'
import { ALONE, mustRun, ROOT, Shoal } from '../kit/shoal.ts'
import { peerIdText, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'

const SMALL = { files: { 'payload.bin': 40_000 }, pieceLength: 16_384 }

function launch(file: string, dirs: string[]): Shoal {
  return Shoal.start(['launch', ...dirs, '--torrent', file, '--host', '127.0.0.1', '--port', '0', ...ALONE])
}

test('W2 a peer is client and server in one', async () => {
  const { file, target, torrent } = stage(SMALL)
  const dialled = await FakePeer.listen(torrent, { has: [0] })
  const get = startGet(file, target, { peers: [dialled] })
  await dialled.connection()
  const dialler = FakePeer.leecher(torrent, { has: [1, 2] })
  const connection = await dialler.dial(await get.readyEndpoint())
  await connection.handshake()
  await get.event('complete')
  await get.event('listening', ({ service }) => service === 'peer')
  expect(get.all('peer-connected')).toHaveLength(2)
  expect(dialled.servedBytes + dialler.servedBytes).toBe(torrent.contentLength)
})

test('W4 twenty peers on one machine, on different ports', async () => {
  const { file, source, folder } = stage(SMALL)
  const dirs = [source, ...Array.from({ length: 19 }, (_, i) => folder(`peer ${i}`))]
  const peers = launch(file, dirs)
  await until('twenty peers', () => peers.all('launched').length === 20)
  expect(new Set(peers.all('launched').map(({ address }) => address)).size).toBe(20)
  expect((await peers.end()).code).toBe(0)
})

test('W5 a port belongs to one peer; port 0 never collides', async () => {
  const { file, source } = stage(SMALL)
  const port = await freePort()
  const first = startSeed(file, source, { port })
  expect((await first.readyEndpoint()).port).toBe(port)
  const second = startSeed(file, source, { port })
  expect((await second.exitWithin()).code).toBe(2)
  const [error] = second.all('error')
  expect(`${error?.message}`).toMatch(/port .*in use/i)
  const others = await Promise.all([1, 2, 3].map(() => startSeed(file, source).readyEndpoint()))
  expect(new Set([port, ...others.map((endpoint) => endpoint.port)]).size).toBe(4)
})

test('W6 at the moment of the "listening" event every connection is accepted (100 listeners)', async () => {
  const { file, source, folder } = stage(SMALL)
  const dirs = [source, ...Array.from({ length: 24 }, (_, i) => folder(`peer ${i}`))]
  for (let round = 0; round < 4; round++) {
    const peers = launch(file, dirs)
    for (let i = 0; i < 25; i++) {
      const { host, port } = await peers.events.first(
        `listener ${i}`,
        (event) => event.event === 'listening' && peers.all('listening').indexOf(event) === i,
      )
      await new Promise<void>((resolve, reject) => {
        const socket = connect({ host, port }, () => resolve(void socket.destroy()))
        socket.on('error', reject)
      })
    }
    await peers.kill()
  }
})

test('W7 connecting leads to a handshake of 68 bytes', async () => {
  const { file, target, torrent } = stage(SMALL)
  const peer = await FakePeer.listen(torrent, { silent: true })
  const get = startGet(file, target, { peers: [peer] })
  const connection = await peer.connection()
  await sleep(100)
  expect(connection.bytesReceived).toBe(68)
  expect((await connection.handshake()).bytes.toString('latin1', 0, 20)).toBe('\x13BitTorrent protocol')
  await get.event('connecting', ({ address }) => address === peer.address)
  expect(get.all('handshake-ok')).toEqual([])
  const answering = await FakePeer.listen(torrent)
  const other = startGet(file, target + 2, { peers: [answering] })
  const { at } = await other.event('connecting')
  const shaken = await other.event('handshake-ok', ({ address }) => address === answering.address)
  expect(shaken.at).toBeGreaterThanOrEqual(at)
})

test('W21 an exchange begins with ids; a connection to itself is dropped', async () => {
  const { file, source, target, torrent } = stage(SMALL)
  const seed = startSeed(file, source)
  const endpoint = await seed.readyEndpoint()
  const get = startGet(file, target, { peers: [endpoint] })
  const seen = {
    seed: (await get.event('peer-connected')).peerId,
    get: (await seed.event('peer-connected')).peerId,
  }
  const idOf = async (where: { host: string; port: number }) =>
    peerIdText((await (await FakePeer.leecher(torrent).dial(where)).handshake()).peerId)
  expect(await idOf(endpoint)).toBe(seen.seed)
  expect(await idOf(await get.readyEndpoint())).toBe(seen.get)
  expect(seen.seed).not.toBe(seen.get)

  const port = await freePort()
  const alone = startGet(file, target + 2, { port, peers: [{ host: '127.0.0.1', port }] })
  await alone.event('peer-disconnected', ({ address }) => address === `127.0.0.1:${port}`)
  await sleep(1000)
  expect(alone.all('connecting')).toHaveLength(1)
  expect(alone.all('peer-connected')).toEqual([])
  expect(alone.exited).toBeUndefined()
})

test('W22 a payload with the old end marker in it passes unchanged', async () => {
  const marker = Buffer.from('EOM\x01')
  const content = Buffer.concat(
    Array.from({ length: 5000 }, (_, i) => (i % 3 ? marker : Buffer.from('EOM\x01\x00\x00'))),
  )
  const { file, source, target, torrent } = stage({
    files: { 'payload.txt': Buffer.concat([content, marker]) },
    pieceLength: 16_384,
  })
  const seed = startSeed(file, source)
  const get = startGet(file, target, { peers: [await seed.readyEndpoint()], args: ['--exit'] })
  expect((await get.exitWithin()).code).toBe(0)
  expect(
    readFileSync(join(target, torrent.name, 'payload.txt')).equals(
      torrent.files.get('payload.txt') ?? Buffer.of(),
    ),
  ).toBe(true)
  expect(treeDifferences(source, target)).toEqual([])
})

/** Every process that descends from this one. */
function descendants(pid: number): number[] {
  const task = `/proc/${pid}/task`
  if (!existsSync(task)) return []
  const children = execFileSync('sh', ['-c', `cat ${task}/*/children 2>/dev/null || true`], {
    encoding: 'utf8',
  })
  return children
    .split(/\s+/)
    .filter(Boolean)
    .map(Number)
    .flatMap((child) => [child, ...descendants(child)])
}

test('W23 nothing keeps the process alive after "end", under load too', async () => {
  const { file, target, torrent } = stage({ files: { big: 4_000_000 }, pieceLength: 65_536 })
  const tracker = await FakeTracker.start()
  const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 1_000_000 })
  tracker.reply = { peers: [seeder] }
  const get = startGet(file, target, { tracker })
  const endpoint = await get.readyEndpoint()
  await get.event('piece-verified')
  const leechers = await Promise.all(
    Array.from({ length: 10 }, () => FakePeer.leecher(torrent).dial(endpoint)),
  )
  for (const leecher of leechers) void leecher.downloadAll().catch(() => {})
  await sleep(300)
  const children = descendants(get.pid)
  const before = performance.now()
  expect((await get.end()).code).toBe(0)
  expect(performance.now() - before).toBeLessThan(5000)
  for (const pid of [get.pid, ...children]) expect(existsSync(`/proc/${pid}`)).toBe(false)
})

test('W33 it can be stopped by word and by signal, before any connection, and twice', async () => {
  const { file, source } = stage(SMALL)
  const stops: [string, (shoal: Shoal) => unknown, (number | null)[]][] = [
    ['end', (shoal) => shoal.type('end'), [0]],
    ['end twice', (shoal) => shoal.type('end\nend'), [0]],
    ['SIGTERM', (shoal) => shoal.signal('SIGTERM'), [0]],
    ['SIGINT', (shoal) => shoal.signal('SIGINT'), [0]],
    // the second interrupt is the ungraceful stop, unless the orderly one was faster
    ['SIGINT twice', (shoal) => [0, 5].map((ms) => setTimeout(() => shoal.signal('SIGINT'), ms)), [0, 130]],
  ]
  for (const [name, stop, codes] of stops) {
    const seed = startSeed(file, source)
    await seed.event('seeding')
    stop(seed)
    const { code } = await seed.exitWithin(5000)
    expect(codes, name).toContain(code)
    if (code === 0) expect(seed.all('stopped'), name).not.toEqual([])
  }
})

test('W35 the version names the commit', async () => {
  const { result, stdout } = await mustRun(['--version'])
  const commit = result.commit ?? JSON.parse(stdout).commit
  expect(commit).toMatch(/^[0-9a-f]{7,40}$/)
  const known = execFileSync('git', ['cat-file', '-t', commit], { cwd: ROOT, encoding: 'utf8' })
  expect(known.trim()).toBe('commit')
  const human = await mustRun(['--version'], { json: false })
  expect(human.stdout).toContain(commit)
})

test('W37 the packed artefact has no tests', () => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  expect(paths).toContain('dist/main.js')
  expect(paths.filter((path) => /(^|\/)tests?\/|\.test\.|fixture/.test(path))).toEqual([])
})
