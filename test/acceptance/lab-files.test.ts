/**
 * Requirements of the `lab` system about files: what is shared, where unfinished chunks lie, the final check.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { freePort } from '../kit/real-clients.ts'
import { runShoal, Shoal } from '../kit/shoal.ts'
import { peerArguments, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, treeHashes, writeTree } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'
import { servesWhatItHas, staysAndSeeds } from './scenarios.ts'

const PIECES = { files: { 'shared.bin': 20 * 16_384 }, pieceLength: 16_384 }

/** Every file below a folder with its size, hidden ones too. */
function filesBelow(folder: string): { path: string; bytes: number; inode: number }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const { size, ino } = statSync(path)
      return { path, bytes: size, inode: ino }
    })
}

function stateFolderIsGone(dir: string): boolean {
  const state = join(dir, '.shoal')
  return !existsSync(state) || filesBelow(state).length === 0
}

test('L9 unfinished chunks lie in --tmp-dir and are moved at the end; the default is in place', async () => {
  const { file, source, target, torrent, folder } = stage(PIECES)
  const options = { bytesPerSecond: 150_000 }
  const tmp = folder('tmp')
  const get = startGet(file, target, {
    peers: [await FakePeer.listen(torrent, options)],
    args: ['--tmp-dir', tmp],
  })
  await get.event('piece-verified')
  const unfinished = await until('data in the temporary folder', () =>
    filesBelow(tmp).find(({ bytes }) => bytes > 16_000),
  )
  expect(treeHashes(target).size).toBe(0)
  await get.event('complete')
  expect(treeDifferences(source, target)).toEqual([])
  expect(statSync(join(target, torrent.name, 'shared.bin')).ino).toBe(unfinished.inode)
  await get.end()
  expect(filesBelow(tmp)).toEqual([])

  const inPlace = folder('in place')
  const plain = startGet(file, inPlace, { peers: [await FakePeer.listen(torrent, options)] })
  await plain.event('piece-verified')
  await until('file in place', () => existsSync(join(inPlace, torrent.name, 'shared.bin')))
  expect(existsSync(join(inPlace, '.shoal'))).toBe(true)
  await plain.event('complete')
  await plain.end()
  expect(stateFolderIsGone(inPlace)).toBe(true)
})

test('L24 a directory, or a list of files', async () => {
  const root = temporaryFolder('shared')
  writeTree(root, [
    ['folder/a.jpg', Buffer.alloc(20_000, 1)],
    ['folder/b.jpg', Buffer.alloc(20_000, 2)],
    ['f1', Buffer.alloc(20_000, 3)],
    ['f2', Buffer.alloc(20_000, 4)],
  ])
  for (const [paths, count, files] of [
    [['folder'], 1, 2],
    [['f1', 'f2'], 2, 1],
  ] as const) {
    const tracker = await FakeTracker.start()
    const share = Shoal.start(['share', ...paths, ...peerArguments({ tracker })], { cwd: root })
    const infoHashes = () => new Set(tracker.announces.items.map(({ infoHash }) => infoHash.toString('hex')))
    await until('announces of all that is shared', () => infoHashes().size === count)
    expect(tracker.announces.items.every(({ left, event }) => left === 0 && event === 'started')).toBe(true)
    const created = share.all('created')
    expect(created.map((event) => event.files)).toEqual(paths.map(() => files))
    expect(new Set(created.map((event) => event.infoHash))).toEqual(infoHashes())
    const links = await until('share links', () =>
      share.all('share-link').length === count ? share.all('share-link') : undefined,
    )
    for (const { link } of links) expect(link).toMatch(/^magnet:\?xt=urn:btih:[0-9a-f]{40}/)
    expect((await share.end()).code).toBe(0)
    const stopped = tracker.announces.items.filter(({ event }) => event === 'stopped')
    expect(stopped).toHaveLength(count)
  }
})

test('L31 a source before it has the whole file', async () => {
  await servesWhatItHas()
})

test('L43 the file is put together at its path', async () => {
  const { file, source, target, torrent } = stage({
    files: { 'a/b/c.bin': 40_000, 'a/d.bin': 1, 'e.bin': 50_000 },
  })
  const get = startGet(file, target, { peers: [await FakePeer.listen(torrent)] })
  expect(await get.event('complete')).toMatchObject({
    infoHash: torrent.infoHash.toString('hex'),
    bytes: torrent.contentLength,
  })
  // complete means: in place, now
  expect(treeDifferences(source, target)).toEqual([])
})

/** Downloads all but one piece, spoils piece 5 on disk, then lets the last one come. */
async function spoiledBeforeTheEnd(args: string[]) {
  const { file, source, target, torrent } = stage(PIECES)
  let isHolding = true
  const seeder = await FakePeer.listen(torrent, {
    onRequest: (connection, request) => {
      if (request.index !== 19 || !isHolding) return false
      void until('release', () => !isHolding).then(() => connection.sendBlock(request, seeder.block(request)))
      return true
    },
  })
  const get = startGet(file, target, { peers: [seeder], args })
  const path = join(target, torrent.name, 'shared.bin')
  const truth = torrent.files.get('shared.bin') ?? Buffer.alloc(0)
  await until('all but one piece on disk', () => {
    if (!existsSync(path)) return false
    const content = Buffer.alloc(truth.length)
    readFileSync(path).copy(content)
    return content.subarray(0, 19 * 16_384).equals(truth.subarray(0, 19 * 16_384))
  })
  const spoiled = readFileSync(path)
  spoiled[5 * 16_384] = (spoiled[5 * 16_384] ?? 0) ^ 1
  writeFileSync(path, spoiled)
  const asked = seeder.requests.length
  isHolding = false
  return { get, seeder, asked, source, target }
}

test('L44 the final check reads everything back: before "complete" a fault ends the run', async () => {
  const { get } = await spoiledBeforeTheEnd(['--final-check', 'before', '--exit'])
  expect((await get.exitWithin()).code).toBe(1)
  expect(get.all('compromised').map(({ pieces }) => pieces)).toEqual([[5]])
  expect(get.all('complete')).toEqual([])
})

test('L44 after "complete" a fault is told and the piece fetched again', async () => {
  const { get, seeder, asked, source, target } = await spoiledBeforeTheEnd([])
  await get.event('compromised', ({ pieces }) => pieces.includes(5))
  const names = get.events.items.map(({ event }) => event)
  expect(names.indexOf('complete')).toBeGreaterThan(0)
  expect(names.indexOf('complete')).toBeLessThan(names.indexOf('compromised'))
  const verified = await get.event('verified')
  expect(verified).toMatchObject({ pieces: 20, files: 1 })
  expect(
    [...new Set(seeder.requests.slice(asked).map(({ index }) => index))].filter((index) => index !== 19),
  ).toEqual([5])
  expect(treeDifferences(source, target)).toEqual([])
})

test.for(['in place', 'tmp-dir'])(
  'L45 the temporary directory is removed, also after a crash (%s)',
  async (where) => {
    const { file, source, target, torrent, folder } = stage(PIECES)
    const tmp = folder('tmp')
    const args = where === 'tmp-dir' ? ['--tmp-dir', tmp] : []
    const slow = await FakePeer.listen(torrent, { bytesPerSecond: 100_000 })
    const crashed = startGet(file, target, { peers: [slow], args })
    await crashed.event('piece-verified')
    await sleep(200)
    await crashed.kill()
    const again = startGet(file, target, {
      peers: [await FakePeer.listen(torrent)],
      args: [...args, '--exit'],
    })
    expect((await again.exitWithin()).code).toBe(0)
    expect(treeDifferences(source, target)).toEqual([])
    expect(stateFolderIsGone(target)).toBe(true)
    expect(filesBelow(target).map(({ path }) => path)).toEqual([join(target, torrent.name, 'shared.bin')])
    expect(filesBelow(tmp)).toEqual([])
  },
)

test('L48 a chunk is written to the temporary directory', async () => {
  const { file, target, torrent, folder } = stage(PIECES)
  const tmp = folder('tmp')
  const half = await FakePeer.listen(torrent, { has: [3] })
  const get = startGet(file, target, { peers: [half], args: ['--tmp-dir', tmp] })
  await get.event('piece-verified')
  const piece = torrent.piece(3)
  await until('chunk in the temporary folder', () =>
    filesBelow(tmp).some(({ path }) => readFileSync(path).includes(piece)),
  )
  expect(treeHashes(target).size).toBe(0)
})

test('L59 a chunk is served from temp while unfinished, from the file afterwards', async () => {
  const { get, torrent, leecher } = await servesWhatItHas((folder) => ['--tmp-dir', folder('tmp')])
  const rest = await FakePeer.listen(torrent, { host: '127.0.0.3' })
  await rest.dial(await get.readyEndpoint())
  await get.event('complete')
  await leecher.downloadAll()
})

test('L60 a finished download is a full source', () => staysAndSeeds())

test('L63 a bad folder stops it with the reason; a missing tracker only if one is required', async () => {
  const { file, source } = stage(PIECES)
  const nowhere = await runShoal(['share', join(source, 'no such folder'), ...peerArguments({})])
  expect(nowhere.code).toBe(2)
  expect(nowhere.result).toMatchObject({ event: 'error' })
  expect(nowhere.result.hint).not.toBe('')
  const tracker = `http://127.0.0.1:${await freePort()}/announce`
  const patient = startSeed(file, source, { tracker })
  const failed = await patient.event('announce-failed')
  expect(failed.tracker).toBe(tracker)
  await patient.event('announce-failed', undefined, undefined, patient.events.items.indexOf(failed) + 1)
  expect(patient.exited).toBeUndefined()
  const strict = startSeed(file, source, { tracker, args: ['--require-tracker'] })
  expect((await strict.exitWithin()).code).toBe(2)
  expect(strict.all('error')).toHaveLength(1)
})
