/**
 * What goes wrong is told in two lines, what is wrong and what to do, with the right exit status and never
 * with a stack trace: 2 for bad usage and bad input, 1 for work that failed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { onCleanUp, temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { freePort } from '../kit/real-clients.ts'
import { type Finished, MAIN, NODE, ROOT, runShoal, Shoal } from '../kit/shoal.ts'
import { peerArguments, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { within } from '../kit/waiting.ts'

const PIECES = { files: { 'book.bin': 20 * 16_384 }, pieceLength: 16_384 }
const VECTORS = join(ROOT, 'test', 'vectors', 'metainfo')

/**
 * Exactly one line of what is wrong and one of what to do, on stderr, and nothing of the program's insides.
 */
function expectTwoLines({ stderr }: Finished, says?: RegExp): void {
  const lines = stderr.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^error: \S/)
  expect(lines[1]).toMatch(/^hint: \S/)
  expect(lines).toHaveLength(2)
  expect(stderr).not.toMatch(/\n\s+at |node:internal|\[object/)
  if (says) expect(stderr).toMatch(says)
}

/** The same command twice: for people and with --json. */
async function expectFailure(args: string[], code: number, says?: RegExp): Promise<void> {
  const human = await runShoal(args, { json: false })
  expect(human.code, `${args.join(' ')}: ${human.stderr}${human.stdout}`).toBe(code)
  expectTwoLines(human, says)
  const machine = await runShoal(args)
  expect(machine.code).toBe(code)
  expect(machine.badLines).toEqual([])
  expect(machine.result).toMatchObject({ event: 'error' })
  for (const field of ['code', 'message', 'hint'] as const) expect(machine.result[field]).toMatch(/\S/)
}

test('a port in use: of a peer and of the tracker', async () => {
  const { file, source } = stage(PIECES)
  const port = await freePort()
  const server = createServer().listen(port, '127.0.0.1')
  onCleanUp(() => void server.close())
  await expectFailure(['seed', file, '--dir', source, ...peerArguments({ port })], 2, /port \d+.* in use/)
  await expectFailure(['tracker', '--host', '127.0.0.1', '--port', String(port)], 2, /port \d+.* in use/)
})

test('an unreachable tracker is retried, or ends the program when one is required', async () => {
  const { file, source } = stage(PIECES)
  const tracker = `http://127.0.0.1:${await freePort()}/announce`
  const seed = startSeed(file, source, { tracker })
  const { message } = await seed.event('announce-failed')
  expect(message).toMatch(/\S/)
  await seed.event('announce-failed', undefined, undefined, seed.events.items.length)
  expect(seed.exited).toBeUndefined()
  expect((await seed.end()).code).toBe(0)
  await expectFailure(
    ['seed', file, '--dir', source, ...peerArguments({ tracker }), '--require-tracker'],
    2,
    /tracker/,
  )
})

test('a tracker that comes back is used without a restart', async () => {
  const { file, source } = stage(PIECES)
  const port = await freePort()
  const seed = startSeed(file, source, { tracker: `http://127.0.0.1:${port}/announce` })
  await seed.event('announce-failed')
  const tracker = await FakeTracker.start({ port, udp: false })
  await tracker.announced('started', ({ event, left }) => event === 'started' && left === 0)
  await seed.event('announced')
})

test('a corrupt resume file is noticed, everything is checked, and the download goes on', async () => {
  const { file, source, target, torrent } = stage(PIECES)
  const half = await FakePeer.listen(torrent, { has: [0, 1, 2, 3, 4] })
  const first = startGet(file, target, { peers: [half] })
  await first.event('piece-verified')
  expect((await first.end()).code).toBe(0)
  const state = join(target, '.shoal')
  const resume = readdirSync(state).find((name) => name.endsWith('.resume')) ?? expect.fail('no resume file')
  const path = join(state, resume)
  const bytes = readFileSync(path)
  for (const [what, content] of [
    [
      'flipped',
      Buffer.from(bytes).fill(
        (bytes[bytes.length >> 1] ?? 0) ^ 0x20,
        bytes.length >> 1,
        (bytes.length >> 1) + 1,
      ),
    ],
    ['cut off', bytes.subarray(0, bytes.length >> 1)],
    ['empty', Buffer.alloc(0)],
    ['noise', Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 97) & 255))],
  ] as const) {
    writeFileSync(path, content)
    const again = startGet(file, target)
    expect((await again.event('checked')).total, what).toBe(20)
    expect(again.all('checked')[0]?.pieces, what).toBeGreaterThan(0)
    await again.event('warning')
    expect((await again.end()).code, what).toBe(0)
  }
  writeFileSync(path, 'nonsense')
  const last = startGet(file, target, { peers: [await FakePeer.listen(torrent)], args: ['--exit'] })
  expect((await last.exitWithin()).code).toBe(0)
  expect(treeDifferences(source, target)).toEqual([])
})

/** A folder in which this user can make nothing; root needs a file system that refuses even him. */
function unwritableFolder(): string {
  if (process.getuid?.() === 0) return '/sys/kernel'
  const folder = temporaryFolder('read-only')
  chmodSync(folder, 0o555)
  onCleanUp(() => chmodSync(folder, 0o755))
  return folder
}

test('a folder that cannot be written', async () => {
  const { root, file, source, torrent } = stage(PIECES)
  const folder = unwritableFolder()
  await expectFailure(['get', file, '--dir', join(folder, 'downloads'), ...peerArguments({})], 2)
  await expectFailure(['get', file, '--dir', join(file, 'below a file'), ...peerArguments({})], 2)
  await expectFailure(['create', join(source, torrent.name), '-o', join(folder, 'x.torrent')], 2)
  await expectFailure(['create', join(source, torrent.name), '-o', join(root, 'no', 'such', 'x.torrent')], 2)
})

test('two processes do not download the same torrent into one folder', async () => {
  const { file, target } = stage(PIECES)
  const first = startGet(file, target)
  await first.event('checked')
  await expectFailure(['get', file, '--dir', target, ...peerArguments({})], 1, /another process/)
  await first.kill()
  // a killed holder leaves no lock behind
  const again = startGet(file, target)
  await again.event('checked')
})

const BAD_USAGE: string[][] = [
  [],
  ['bananas'],
  ['get'],
  ['get', 'FILE', '--bananas'],
  ['get', 'FILE', 'extra'],
  ['get', 'FILE', '--port', 'x'],
  ['get', 'FILE', '--port', '65536'],
  ['get', 'FILE', '--port', '-1'],
  ['get', 'FILE', '--port'],
  ['get', 'FILE', '--host', 'not an address'],
  ['get', 'FILE', '--peer', '127.0.0.1'],
  ['get', 'FILE', '--peer', '127.0.0.1:0'],
  ['get', 'FILE', '--tracker', 'ftp://127.0.0.1/'],
  ['get', 'FILE', '--picker', 'best'],
  ['get', 'FILE', '--final-check', 'never'],
  ['get', 'FILE', '--upload-limit', '-5'],
  ['get', 'FILE', '--upload-limit', '5 bananas'],
  ['get', 'FILE', '--max-requests', '0'],
  ['get', 'FILE', '--select', 'no such file'],
  ['get', 'FILE', '--exit', '--seed-only'],
  ['get', 'FILE', '--profile', 'books'],
  ['get', 'FILE', '--verbose', 'bananas'],
  ['get', '/no/such/file.torrent'],
  ['get', 'SOURCE'],
  ['get', 'magnet:?xt=urn:btih:zz'],
  ['get', 'bananas', '--tracker', 'http://127.0.0.1:1'],
  ['info'],
  ['info', '/no/such/file.torrent'],
  ['seed', '/no/such/file.torrent'],
  ['verify', 'FILE'],
  ['create'],
  ['create', '/no/such/folder'],
  ['create', 'SOURCE', '--piece-length', '1'],
  ['create', 'SOURCE', '--piece-length', '0'],
  ['create', 'SOURCE', '--piece-length', '100000', '--format', 'v2'],
  ['create', 'SOURCE', '--format', 'v3'],
  ['share', '/no/such/folder'],
  ['launch', '/no/such/folder'],
  ['tracker', '--port', '99999'],
  ['tracker', '--interval', 'soon'],
  ['demo', '--images', 'x'],
]

describe('bad usage and bad input', () => {
  const place = () => {
    const { file, source } = stage(PIECES)
    return (word: string) => (word === 'FILE' ? file : word === 'SOURCE' ? source : word)
  }

  test.for([0, 1, 2, 3])('exits 2 (part %i of the table)', async (part) => {
    const fill = place()
    const rows = BAD_USAGE.filter((_, i) => i % 4 === part)
    for (const row of rows) {
      const args = row.map(fill)
      const human = await runShoal(args, { json: false })
      expect(human.code, `${args.join(' ')}: ${human.stderr}${human.stdout}`).toBe(2)
      expectTwoLines(human)
    }
  })

  test('with --json the reason is the last event', async () => {
    await expectFailure(['get', '--bananas'], 2, /bananas/)
  })

  test('what looks like an option can be a path', async () => {
    const cwd = temporaryFolder('cwd')
    writeFileSync(join(cwd, '--json'), 'content')
    const { code, result } = await runShoal(['create', '-o', 'out.torrent', './--json'], { cwd })
    expect(code).toBe(0)
    expect(result).toMatchObject({ event: 'created', name: '--json' })
  })
})

interface Vector {
  file: string
  libtorrent: 'loads' | 'refuses'
  fault: string | null
}

describe('malformed torrents', () => {
  const vectors = JSON.parse(readFileSync(join(VECTORS, 'index.json'), 'utf8')) as Vector[]
  const refused = vectors.filter(({ fault }) => fault !== null)

  test.for([0, 1, 2, 3])('are refused with exit status 2 and no stack trace (part %i)', async (part) => {
    expect(refused.length).toBeGreaterThan(40)
    for (const { file, fault } of refused.filter((_, i) => i % 4 === part)) {
      const finished = await runShoal(['info', join(VECTORS, file)])
      expect(finished.code, file).toBe(2)
      expect(finished.stderr, file).toBe('')
      expect(finished.result, file).toMatchObject({ event: 'error', code: fault })
    }
  })

  test('the odd ones that libtorrent loads are shown, without control characters', async () => {
    const odd = vectors.filter(({ fault, libtorrent }) => fault === null && libtorrent === 'loads').slice(-12)
    for (const { file } of odd) {
      const { code, stdout } = await runShoal(['info', join(VECTORS, file)], { json: false })
      expect(code, file).toBe(0)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(stdout, file).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
    }
  })

  test('a text file, an empty file, a folder, a device', async () => {
    const root = temporaryFolder('inputs')
    writeFileSync(join(root, 'text.torrent'), 'hello')
    writeFileSync(join(root, 'empty.torrent'), '')
    mkdirSync(join(root, 'folder.torrent'))
    for (const path of ['text.torrent', 'empty.torrent', 'folder.torrent'])
      await expectFailure(['info', join(root, path)], 2)
    await expectFailure(['info', '/dev/null'], 2)
  })
})

test('a reader that goes away ends the program quietly', async () => {
  const { file } = stage({
    files: Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`file ${i}`, 1])),
  })
  const child = spawn(NODE, [MAIN, 'info', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += data
  })
  child.stdout.once('data', () => child.stdout.destroy())
  onCleanUp(() => void child.kill('SIGKILL'))
  await within('end of the program', new Promise((resolve) => child.on('close', resolve)))
  expect(stderr).toBe('')
})

test('a tracker that talks nonsense is reported in one line and does no harm', async () => {
  const { file, source } = stage(PIECES)
  for (const reply of [
    { body: Buffer.from('<html>not found</html>') },
    { status: 500 },
    { status: 404 },
    { failure: 'go away \x1b[31m please' },
    { body: Buffer.from('d8:intervali-5e5:peers1:xe') },
  ]) {
    const tracker = await FakeTracker.start({ reply, udp: false })
    const seed = startSeed(file, source, { tracker })
    const failed = await seed.event('announce-failed')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(failed.message).toMatch(/^[^\x00-\x1f]+$/)
    expect((await seed.end()).code).toBe(0)
  }
})

test('content that vanishes while it is served ends neither the program nor other torrents', async () => {
  const { file, source, torrent, root } = stage(PIECES)
  const seed = Shoal.start(['seed', file, '--dir', source, ...peerArguments({})])
  const endpoint = await seed.readyEndpoint()
  const path = join(source, torrent.name, 'book.bin')
  writeFileSync(path, '')
  const leecher = await FakePeer.leecher(torrent).dial(endpoint)
  await leecher.unchoked().catch(() => {})
  leecher.request({ index: 0, begin: 0, length: 16_384 })
  await leecher.messages
    .first('answer', ({ type }) => type === 'piece' || type === 'reject', 1000)
    .then(
      ({ type }) => expect(type).toBe('reject'),
      () => {},
    )
  expect(seed.exited).toBeUndefined()
  expect(existsSync(root)).toBe(true)
  expect((await seed.end()).code).toBe(0)
})

const hasFull = existsSync('/dev/full')
if (!hasFull) console.log('skipped: there is no /dev/full')

test.skipIf(!hasFull)('an output that cannot be written is an error; a reader that has gone is none', () => {
  const { file } = stage(PIECES)
  const info = (to: string) =>
    spawnSync('sh', ['-c', `"$@" ${to}`, 'sh', NODE, MAIN, 'info', file, '--json'], { encoding: 'utf8' })
  const full = info('> /dev/full')
  expect(full.status).toBe(1)
  expect(full.stderr).toMatch(/^error: the output could not be written: .*ENOSPC.*\nhint: .*\n$/)
  const gone = info('| true')
  expect([gone.status, gone.stderr]).toEqual([0, ''])
})
