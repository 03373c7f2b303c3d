/**
 * Requirements of the `memes` system about starting, several readers at once, the
 * console, and the tests themselves.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { ALONE, mustRun, runShoal, Shoal } from '../kit/shoal.ts'
import { peerIdText, type Stage, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'
import { mutatedWireTests } from './mutation.ts'

test('M4 runs from any directory; an old Node gets one clear line', async () => {
  const spaces = join(temporaryFolder('cwd'), 'a folder with spaces')
  writeTree(join(spaces, 'my book'), [['page 1.png', Buffer.from('page')]])
  for (const cwd of ['/', spaces]) {
    const { stdout } = await mustRun(['--version'], { json: false, cwd })
    expect(stdout).toMatch(/\d+\.\d+\.\d+.*[Nn]ode(\.js)? v?\d+\.\d+\.\d+/s)
  }
  const { result } = await mustRun(['create', 'my book'], { cwd: spaces })
  expect(result).toMatchObject({ event: 'created', name: 'my book' })
  expect(existsSync(join(spaces, 'my book.torrent'))).toBe(true)

  const pretend = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'18.0.0'}});
    Object.defineProperty(process,'version',{value:'v18.0.0'})`
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(pretend)}` }
  const old = await runShoal(['--version'], { json: false, env })
  expect(old.code).toBe(2)
  expect(old.stderr).toMatch(/node/i)
  expect(old.stderr.trim().split('\n')).toHaveLength(1)
})

/** `launch` of these folders, once all are up. */
async function launch(file: string, dirs: string[], args: string[] = []) {
  const options = ['--torrent', file, '--host', '127.0.0.1', '--port', '0', ...ALONE, ...args]
  const shoal = Shoal.start(['launch', ...dirs, ...options])
  await until('launched readers', () => shoal.all('launched').length === dirs.length || shoal.exited, 20_000)
  return { shoal, readers: shoal.all('launched') }
}

function endpointOf(address: string): { host: string; port: number } {
  const [host = '', port = ''] = address.split(':')
  return { host, port: Number(port) }
}

test('M41 several readers from folder paths, each with its own port and id', async () => {
  const { file, source, torrent, folder } = stage()
  const dirs = [source, folder('second'), folder('third')]
  const { shoal, readers } = await launch(file, dirs)
  await until('checked folders', () => shoal.all('checked').length === 3)
  expect(readers.map(({ dir }) => dir)).toEqual(dirs)
  expect(new Set(readers.map(({ address }) => address)).size).toBe(3)
  const ids = new Set<string>()
  for (const { address, peerId } of readers) {
    const connection = await FakePeer.leecher(torrent).dial(endpointOf(address))
    const handshake = await connection.handshake()
    expect(peerIdText(handshake.peerId)).toBe(peerId)
    ids.add(handshake.peerId.toString('hex'))
  }
  expect(ids.size).toBe(3)
  expect((await shoal.end()).code).toBe(0)
})

/** A copy of the content in which piece 0 is bad. */
function withHole({ torrent, folder }: Stage, name: string): string {
  const dir = torrent.writeContent(folder(name))
  const path = join(dir, torrent.name, 'book.bin')
  writeFileSync(path, readFileSync(path).fill(0, 0, 16_384))
  return dir
}

const BOOK = { files: { 'book.bin': 8 * 16_384 }, pieceLength: 16_384 }

test('M42 the first one launched is silent: it serves what it has and requests nothing', async () => {
  const place = stage(BOOK)
  const { file, torrent, folder, source } = place
  const seeder = await FakePeer.listen(torrent)
  const dirs = [withHole(place, 'first'), folder('second')]
  const { shoal, readers } = await launch(file, dirs, ['--peer', seeder.address])
  expect(readers.map(({ role }) => role)).toEqual(['seed-only', 'download'])
  await until('second reader complete', () => treeDifferences(source, dirs[1] ?? '').length === 0)
  await until('checked folders', () => shoal.all('checked').length === 2)
  const toFirst = await FakePeer.leecher(torrent, { has: [0] }).dial(endpointOf(readers[0]?.address))
  await toFirst.downloadPiece(1)
  await sleep(300)
  expect(toFirst.requests).toEqual([])
  expect(toFirst.count('interested')).toBe(0)
  expect(toFirst.theirs.has(0)).toBe(false)
  for (const connection of seeder.connections.items)
    if (connection.hasHandshake && peerIdText((await connection.handshake()).peerId) === readers[0]?.peerId)
      expect(connection.requests).toEqual([])
  expect(treeDifferences(source, dirs[0] ?? '')).toEqual([`differs: ${torrent.name}/book.bin`])
  expect(shoal.exited).toBeUndefined()
})

test('M43 a single reader with the silent switch on or off', async () => {
  const place = stage(BOOK)
  const { file, torrent, source } = place
  const dirs = ['seed', 'get-seed-only', 'get'].map((name) => withHole(place, name))
  const readers = [
    startSeed(file, dirs[0] ?? ''),
    startGet(file, dirs[1] ?? '', { args: ['--seed-only'] }),
    startGet(file, dirs[2] ?? ''),
  ]
  const asked = await Promise.all(
    readers.map(async (reader) => {
      expect(await reader.event('checked')).toMatchObject({ pieces: 7, total: 8 })
      const seeder = FakePeer.leecher(torrent, { has: [0] })
      const connection = await seeder.dial(await reader.readyEndpoint())
      await connection.downloadPiece(1)
      return connection
    }),
  )
  await readers[2]?.event('complete')
  expect(asked.map((connection) => connection.requests.length > 0)).toEqual([false, false, true])
  expect(dirs.map((dir) => treeDifferences(source, dir).length)).toEqual([1, 1, 0])
})

test.for([
  ['demo', []],
  ['demo --profile memes', ['--profile', 'memes']],
] as const)('M44 a ready example runs with no arguments (%s)', async ([, args]) => {
  const before = performance.now()
  const { stdout } = await mustRun(['demo', ...args], { json: false, timeoutMs: 60_000 })
  expect(performance.now() - before).toBeLessThan(60_000)
  const [, complete, all] = stdout.match(/(\d+)\/(\d+) peers complete, hashes equal\s*$/) ?? []
  expect(Number(complete)).toBeGreaterThanOrEqual(args.length > 0 ? 10 : 2)
  expect(all).toBe(complete)
})

test('M63 the word "end" closes the program; other words and a closed console do not', async () => {
  const { file, source, torrent } = stage(BOOK)
  const tracker = await FakeTracker.start()
  const seed = startSeed(file, source, { tracker })
  await tracker.announced('started', ({ event }) => event === 'started')
  seed.type('bananas')
  await seed.event('help')
  expect(seed.exited).toBeUndefined()
  const before = performance.now()
  expect(await seed.end('end')).toEqual({ code: 0, signal: null })
  expect(performance.now() - before).toBeLessThan(5000)
  await tracker.announced('stopped', ({ event }) => event === 'stopped', 100)

  const words = await Promise.all(
    ['quit', 'q', 'Q'].map(async (word) => {
      const other = startSeed(file, source)
      await other.event('seeding')
      return other.end(word)
    }),
  )
  expect(words.map(({ code }) => code)).toEqual([0, 0, 0])

  const human = startSeed(file, source, { json: false })
  await until('seeding', () => /seeding/.test(human.stdout))
  human.type('bananas')
  await until('help', () => /status.*end, quit/s.test(human.stdout))
  await human.end()
  expect(human.stdout).toMatch(/bye/)

  const closed = startSeed(file, source)
  await closed.event('seeding')
  closed.closeStdin()
  await sleep(300)
  const leecher = await FakePeer.leecher(torrent).dial(await closed.readyEndpoint())
  await leecher.downloadAll()
  expect(closed.exited).toBeUndefined()
})

test('M65 mutate one message byte and the suite goes red', async () => {
  const { healthy, mutated } = await mutatedWireTests()
  expect(healthy).toBe(0)
  for (const status of mutated) expect(status).not.toBe(0)
})
