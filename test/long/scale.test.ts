/**
 * What is much larger than usual: files, pieces, content, peers. Memory is bounded, and every test prints its
 * figures (`docs/scale.md` has those of one machine).
 */
import { createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bencode } from '../kit/bencode.ts'
import { onCleanUp, temporaryFolder } from '../kit/clean-up.ts'
import { MemoryWatch } from '../kit/memory.ts'
import { MAIN, NODE, Shoal } from '../kit/shoal.ts'
import { peerArguments, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const MIB = 1024 * 1024
const LONG_MS = 600_000

function print(what: string, figures: Record<string, number | string>): void {
  const text = Object.entries(figures).map(([name, figure]) => `${name} ${figure}`)
  process.stdout.write(`scale: ${what}: ${text.join(', ')}\n`)
}

function secondsSince(begin: number): number {
  return Math.round((performance.now() - begin) / 100) / 10
}

function* files(
  count: number,
  lengthOf: (index: number) => number,
): Generator<readonly [string, Uint8Array]> {
  for (let i = 0; i < count; i++) {
    const pattern = createHash('sha512').update(`file ${i}`).digest()
    yield [`album ${Math.floor(i / 1000)}/picture ${i}.jpg`, Buffer.alloc(lengthOf(i), pattern)]
  }
}

interface Measured {
  /** Megabytes of RssAnon at most. */
  readonly memory: number
  readonly seconds: number
}

async function run(args: string[]): Promise<Measured> {
  const begin = performance.now()
  const shoal = Shoal.start(args, { stdin: 'closed' })
  const memory = new MemoryWatch(shoal.pid)
  expect((await shoal.exitWithin(LONG_MS)).code).toBe(0)
  return { memory: memory.stop(), seconds: secondsSince(begin) }
}

/** Made, shown, seeded and downloaded, with the memory each took. */
async function travel(root: string, args: string[]) {
  const torrent = join(root, 'scale.torrent')
  const create = await run(['create', join(root, 'source', 'library'), '-o', torrent, ...args])
  const info = await run(['info', torrent])
  const seed = startSeed(torrent, join(root, 'source'))
  const seedMemory = new MemoryWatch(seed.pid)
  const peers = [await seed.readyEndpoint(LONG_MS)]
  const begin = performance.now()
  const get = startGet(torrent, join(root, 'target'), { peers, args: ['--exit'] })
  const getMemory = new MemoryWatch(get.pid)
  expect((await get.exitWithin(LONG_MS)).code).toBe(0)
  expect(get.all('verified')).toHaveLength(1)
  const seconds = secondsSince(begin)
  return { create, info, seed: seedMemory.stop(), get: { memory: getMemory.stop(), seconds } }
}

function tell(what: string, { create, info, seed, get }: Awaited<ReturnType<typeof travel>>): void {
  print(what, {
    create: `${create.seconds} s ${create.memory} MB`,
    info: `${info.seconds} s ${info.memory} MB`,
    seed: `${seed} MB`,
    get: `${get.seconds} s ${get.memory} MB`,
  })
}

test('20,000 files, 3 GB: 300 MB of memory at either end', async () => {
  const root = temporaryFolder('scale')
  writeTree(
    join(root, 'source', 'library'),
    files(20_000, (i) => 100_000 + ((i * 7919) % 100_000)),
  )
  const figures = await travel(root, [])
  tell('20,000 files', figures)
  expect(treeDifferences(join(root, 'source'), join(root, 'target'))).toEqual([])
  expect(figures.seed).toBeLessThan(300)
  expect(figures.get.memory).toBeLessThan(300)
}, 1_200_000)

test.each(['v1', 'v2', 'hybrid'])(
  '300,000 small files (%s): 800 MB of memory each, whatever else the machine does',
  async (format) => {
    const root = temporaryFolder('scale')
    writeTree(
      join(root, 'source', 'library'),
      files(300_000, (i) => 100 + ((i * 7919) % 1900)),
    )
    const figures = await travel(root, [
      '--format',
      format,
      ...(format === 'v1' ? [] : ['--piece-length', '16KiB']),
    ])
    tell(`300,000 files, ${format}`, figures)
    expect(figures.create.memory).toBeLessThan(800)
    expect(figures.info.memory).toBeLessThan(800)
    expect(figures.seed).toBeLessThan(800)
    expect(figures.get.memory).toBeLessThan(800)
  },
  2_400_000,
)

test('100,000 pieces of 16 KiB', async () => {
  const root = temporaryFolder('scale')
  mkdirSync(join(root, 'source'))
  const out = createWriteStream(join(root, 'source', 'library'))
  for (let i = 0; i < 100; i++)
    if (!out.write(Buffer.alloc(1000 * 16 * 1024, createHash('sha512').update(`${i}`).digest())))
      await new Promise<void>((resolve) => out.once('drain', () => resolve()))
  await new Promise<void>((resolve) => out.end(() => resolve()))
  const figures = await travel(root, ['--format', 'v1', '--piece-length', '16KiB'])
  tell('100,000 pieces', figures)
  expect(figures.get.memory).toBeLessThan(300)
}, 1_200_000)

test('10 TiB that are not there yet: nothing is read, little is remembered', async () => {
  const root = temporaryFolder('scale')
  const pieceLength = 16 * MIB
  const fileLength = 2 ** 40
  const pieceCount = (10 * fileLength) / pieceLength
  const pieces = Buffer.alloc(20 * pieceCount, createHash('sha1').update('made up').digest())
  const list = Array.from({ length: 10 }, (_, i) => ({ length: fileLength, path: [`part ${i}`] }))
  const info = bencode({ files: list, name: 'huge', 'piece length': pieceLength, pieces })
  const torrent = join(root, 'huge.torrent')
  writeFileSync(torrent, Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('e')]))
  mkdirSync(join(root, 'huge'))
  for (let i = 0; i < 10; i++) {
    writeFileSync(join(root, 'huge', `part ${i}`), '')
    truncateSync(join(root, 'huge', `part ${i}`), fileLength)
  }
  const begin = performance.now()
  const seed = startSeed(torrent, root)
  const memory = new MemoryWatch(seed.pid)
  const checked = await seed.event('checked', undefined, LONG_MS)
  print('10 TiB of holes', { checked: `${secondsSince(begin)} s`, memory: `${memory.stop()} MB` })
  expect(checked).toMatchObject({ pieces: 0, total: pieceCount })
  expect(memory.peak).toBeLessThan(300)
  expect((await seed.end()).code).toBe(0)
}, 1_200_000)

/** Connects and introduces itself, as often as told; resolves when all have been answered or sent away. */
async function crowd(port: number, infoHash: Buffer, count: number) {
  const sockets: net.Socket[] = []
  let answered = 0
  let sentAway = 0
  onCleanUp(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (let i = 0; i < count; i++) {
    const socket = net.connect(port, '127.0.0.1')
    sockets.push(socket)
    const peerId = Buffer.from(`-XX0001-${String(i).padStart(12, '0')}`)
    const head = Buffer.concat([Buffer.from([19]), Buffer.from('BitTorrent protocol'), Buffer.alloc(8)])
    let isAnswered = false
    socket.on('connect', () => socket.write(Buffer.concat([head, infoHash, peerId])))
    socket.on('data', () => {
      if (!isAnswered) answered++
      isAnswered = true
    })
    socket.on('error', () => {})
    socket.on('close', () => sentAway++)
    // As peers come: not all in one moment.
    if (i % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const settled = () => answered - sentAway
  return { answered: () => answered, sentAway: () => sentAway, settled }
}

/** One file, and the seed of it under a limit of open files, which a shell sets. */
async function seedUnder(limit: number, args: string[]) {
  const root = temporaryFolder('scale')
  writeTree(join(root, 'source'), [['one.bin', Buffer.alloc(2_000_000, 'one file ')]])
  const torrent = join(root, 'one.torrent')
  await run(['create', join(root, 'source', 'one.bin'), '-o', torrent])
  const words = [
    NODE,
    MAIN,
    'seed',
    torrent,
    '--dir',
    join(root, 'source'),
    ...peerArguments({ args }),
    '--json',
  ]
  const command = `ulimit -n ${limit}; exec ${words.map((word) => `'${word}'`).join(' ')}`
  const starter = join(root, 'starter.mjs')
  const lines = [
    "import { spawn } from 'node:child_process'",
    `const child = spawn('bash', ['-c', ${JSON.stringify(command)}], { stdio: 'inherit' })`,
    "child.on('exit', (code) => process.exit(code ?? 1))",
  ]
  writeFileSync(starter, lines.join('\n'))
  return { root, torrent, seed: Shoal.start([], { main: starter }) }
}

test('1,000 peers at one seed', async () => {
  const { torrent, seed } = await seedUnder(20_000, ['--max-peers', '1000'])
  const { port } = await seed.readyEndpoint(60_000)
  const infoHash = Buffer.from(await infoHashOf(torrent), 'hex')
  const begin = performance.now()
  const peers = await crowd(port, infoHash, 1000)
  await until('every peer answered', () => peers.answered() >= 1000, 120_000)
  print('1,000 peers', { connected: `${peers.settled()}`, after: `${secondsSince(begin)} s` })
  expect(peers.settled()).toBeGreaterThanOrEqual(990)
  expect((await seed.end()).code).toBe(0)
}, 300_000)

test('fewer descriptors than peers: it says so, serves as many as it can, and goes on', async () => {
  const { root, torrent, seed } = await seedUnder(256, ['--max-peers', '1000'])
  const { port } = await seed.readyEndpoint(60_000)
  const warning = await seed.event('warning')
  expect(warning).toMatchObject({ code: 'listen/few-descriptors' })
  const infoHash = Buffer.from(await infoHashOf(torrent), 'hex')
  const peers = await crowd(port, infoHash, 400)
  await until('a decision about everybody', () => peers.answered() >= 100, 120_000)
  print('400 peers and 256 descriptors', { answered: peers.answered(), sentAway: peers.sentAway() })
  // It is alive, and has descriptors left for files.
  const get = startGet(torrent, join(root, 'target'), {
    args: ['--exit'],
    peers: [{ host: '127.0.0.1', port }],
  })
  await get.event('connecting', undefined, 60_000)
  expect(seed.exited).toBeUndefined()
  await get.kill()
  expect((await seed.end()).code).toBe(0)
}, 300_000)

async function infoHashOf(torrent: string): Promise<string> {
  const shoal = Shoal.start(['info', torrent], { stdin: 'closed' })
  await shoal.exitWithin(30_000)
  return shoal.events.items.at(-1)!.infoHash
}
