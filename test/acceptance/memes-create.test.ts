/** Requirements of the `memes` system about making and reading descriptions. */
import { createHash } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Bencoded, type BencodedDictionary, bdecode, bencode, rawMember } from '../kit/bencode.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { libtorrentHashes } from '../kit/real-clients.ts'
import { mustRun, runShoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { deterministicBytes, torrentFrom } from '../kit/torrent-fixture.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'

type Files = Record<string, number>
const BOOK: Files = {
  'one.png': 70_001,
  'sub/two.png': 16_384,
  'sub/deep/three.png': 40_000,
  'vier ü 四.png': 5,
  empty: 0,
}

/** A folder `NAME` with these files; returns the folder it stands in. */
function writeBook(name = 'Hamilton', files: Files = BOOK): string {
  const root = temporaryFolder('book')
  const tree = Object.entries(files).map(
    ([path, length]) => [path, deterministicBytes(path, length)] as const,
  )
  writeTree(join(root, name), tree)
  return root
}

/** Runs `create`; returns its `created` event and the decoded file. */
async function create(root: string, path: string, ...args: string[]) {
  const output = join(root, `${path}.torrent`)
  const finished = await mustRun(['create', join(root, path), '-o', output, ...args])
  const bytes = readFileSync(output)
  const info = (bdecode(bytes) as BencodedDictionary).get('info') as BencodedDictionary
  return { created: finished.result, events: finished.events, output, bytes, info }
}

function integer(value: Bencoded | undefined): number {
  return typeof value === 'number' ? value : expect.fail('no integer')
}

test('M5 a command writes the description: canonical, accepted by libtorrent, with the right infohash', async () => {
  const root = writeBook()
  const { created, output, bytes } = await create(root, 'Hamilton')
  const outer = bdecode(bytes) as BencodedDictionary
  expect(bencode(outer)).toEqual(bytes)
  const sha1 = createHash('sha1').update(rawMember(bytes, 'info')).digest('hex')
  const [view] = libtorrentHashes([output])
  expect(view?.error).toBeUndefined()
  expect(view?.v1).toBe(sha1)
  expect(created).toMatchObject({
    event: 'created',
    file: output,
    name: 'Hamilton',
    infoHash: sha1,
    infoHashV2: view?.v2,
    files: 5,
    bytes: 126_390,
    pieceLength: view?.pieceLength,
    pieces: view?.pieces,
  })
  expect(created.magnet).toContain(`urn:btih:${sha1}`)
  const human = await mustRun(['create', join(root, 'Hamilton'), '-o', output], { json: false })
  expect(human.stdout).toContain(sha1)
})

test('M6 one file or a folder of many: nested, empty and unicode names come back', async () => {
  const root = writeBook()
  writeFileSync(join(root, 'single.png'), deterministicBytes('single', 50_000))
  const source = root
  for (const path of ['Hamilton', 'single.png']) {
    const { output, created } = await create(root, path)
    expect(created.files).toBe(path === 'Hamilton' ? 5 : 1)
    const seed = startSeed(output, source)
    const target = temporaryFolder('target')
    const get = startGet(output, target, { peers: [await seed.readyEndpoint()], args: ['--exit'] })
    expect((await get.exitWithin()).code).toBe(0)
    const expected = temporaryFolder('expected')
    const files = path === 'Hamilton' ? Object.entries(BOOK) : [['', 0] as const]
    for (const [file] of files)
      writeTree(expected, [[join(path, file), readFileSync(join(root, path, file))]])
    expect(treeDifferences(expected, target)).toEqual([])
    expect((await seed.end()).code).toBe(0)
  }
})

test('M7 every file is recorded with its size, in the same order each time', async () => {
  const root = writeBook()
  const first = await create(root, 'Hamilton')
  const second = await create(root, 'Hamilton')
  expect(second.created.infoHash).toBe(first.created.infoHash)
  const { events, result } = await mustRun(['info', first.output])
  const rows = events.filter((event) => event.event === 'file')
  expect(result).toMatchObject({ event: 'info', name: 'Hamilton', files: 5, bytes: 126_390 })
  expect(Object.fromEntries(rows.map((row) => [row.path, row.length]))).toEqual(BOOK)
  expect(rows.reduce((sum, row) => sum + row.length, 0)).toBe(126_390)
})

test('M8 pages of 256000 bytes: v1 with a warning, and no block crosses the end of a piece', async () => {
  const root = writeBook('pages', { 'a.png': 300_000, 'b.png': 350_000 })
  const { info, events, bytes, output, created } = await create(root, 'pages', '--piece-length', '256000')
  expect(info.get('piece length')).toBe(256_000)
  expect(created).toMatchObject({ infoHashV2: null, pieces: 3, pieceLength: 256_000 })
  expect(events.some(({ event }) => event === 'warning')).toBe(true)
  const torrent = torrentFrom(bytes, (path) => readFileSync(join(root, 'pages', path)))
  const seeder = await FakePeer.listen(torrent)
  const [one, two] = [temporaryFolder('one'), temporaryFolder('two')]
  const first = startGet(output, one, { peers: [seeder] })
  await first.event('complete')
  const second = startGet(output, two, { peers: [await first.readyEndpoint()], args: ['--exit'] })
  expect((await second.exitWithin()).code).toBe(0)
  expect(treeDifferences(join(root, 'pages'), join(two, 'pages'))).toEqual([])
  for (const { index, begin, length } of seeder.requests) {
    expect(length).toBeLessThanOrEqual(16_384)
    expect(begin + length).toBeLessThanOrEqual(torrent.piece(index).length)
  }
})

test('M9 aligned: every file begins a piece, and a bad image spoils only its own', async () => {
  const root = writeBook('images', { 'a.png': 70_000, 'b.png': 100_000, 'c.png': 5, 'd.png': 40_000 })
  const { info, output, bytes } = await create(
    root,
    'images',
    '--align',
    '--piece-length',
    '32768',
    '--format',
    'v1',
  )
  const firstPiece = new Map<string, number>()
  let offset = 0
  for (const row of info.get('files') as BencodedDictionary[]) {
    if (!row.has('attr')) {
      expect(offset % 32_768).toBe(0)
      firstPiece.set((row.get('path') as Buffer[]).join('/'), offset / 32_768)
    }
    offset += integer(row.get('length'))
  }
  const shown = await mustRun(['info', output])
  expect(shown.result).toMatchObject({ event: 'info', aligned: true })
  for (const row of shown.events.filter(({ event }) => event === 'file'))
    expect(row.firstPiece).toBe(firstPiece.get(row.path))
  const human = await mustRun(['info', output], { json: false })
  expect(human.stdout).toMatch(/aligned:?\s+yes/i)

  const path = join(root, 'images', 'b.png')
  const torrent = torrentFrom(bytes, (name) => readFileSync(join(root, 'images', name)))
  writeFileSync(path, deterministicBytes('other', 100_000))
  const seed = startSeed(output, root)
  expect(await seed.event('checked')).toMatchObject({
    pieces: torrent.pieceCount - 4,
    total: torrent.pieceCount,
  })
  const leecher = await FakePeer.leecher(torrent).dial(await seed.readyEndpoint())
  const good = Array.from({ length: torrent.pieceCount }, (_, i) => i).filter((i) => i < 3 || i > 6)
  await leecher.learns(good.at(-1) ?? 0)
  expect([...leecher.theirs].sort((a, b) => a - b)).toEqual(good)
  for (const index of good) await leecher.downloadPiece(index)
})

test('M10 a thousand pieces, each with its own index', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 16_384 * 999 + 1 }, pieceLength: 16_384 })
  const get = startGet(file, target, { peers: [await FakePeer.listen(torrent)] })
  expect(await get.event('complete', undefined, 30_000)).toMatchObject({ bytes: torrent.contentLength })
  const pieces = get.all('piece-verified').map(({ piece }) => piece)
  expect(pieces.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
  expect(treeDifferences(source, target)).toEqual([])
})

test("M13 the description holds the repository's address", async () => {
  const tracker = await FakeTracker.start()
  const root = writeBook()
  const { output, bytes, created } = await create(root, 'Hamilton', '--tracker', tracker.url)
  expect(String((bdecode(bytes) as BencodedDictionary).get('announce'))).toBe(tracker.url)
  expect((await mustRun(['info', output])).result.trackers.flat()).toContain(tracker.url)
  startGet(output, temporaryFolder('target'))
  const announce = await tracker.announced('started', ({ event }) => event === 'started')
  expect(announce.infoHash.toString('hex')).toBe(created.infoHash)
  expect(announce.left).toBeGreaterThan(0)
})

test('M14 the SHA-1 of every page, as integrity check and identifier', async () => {
  const root = writeBook()
  const { bytes, output } = await create(root, 'Hamilton', '--format', 'v1', '--piece-length', '16KiB')
  const torrent = torrentFrom(bytes, (path) => readFileSync(join(root, 'Hamilton', path)))
  const { events } = await mustRun(['info', output, '--pieces'])
  const rows = events.filter(({ event }) => event === 'piece')
  expect(rows.map(({ piece }) => piece)).toEqual(Array.from({ length: torrent.pieceCount }, (_, i) => i))
  for (const { piece, sha1 } of rows)
    expect(sha1).toBe(createHash('sha1').update(torrent.piece(piece)).digest('hex'))
})

test('M15 every field of the description can be read; a truncated one is refused', async () => {
  const root = writeBook()
  const { output, created } = await create(
    root,
    'Hamilton',
    '--tracker',
    'http://127.0.0.1:9/announce',
    '--format',
    'v1',
  )
  const { result } = await mustRun(['info', output])
  expect(result).toMatchObject({
    event: 'info',
    name: 'Hamilton',
    bytes: 126_390,
    infoHash: created.infoHash,
    pieceLength: created.pieceLength,
    pieces: created.pieces,
    files: 5,
  })
  expect(result.trackers.flat()).toEqual(['http://127.0.0.1:9/announce'])
  expect(result.createdBy).toMatch(/shoal/i)
  truncateSync(output, readFileSync(output).length - 10)
  const refused = await runShoal(['info', output])
  expect(refused.code).toBe(2)
  expect(refused.result).toMatchObject({ event: 'error' })
})
