/**
 * Content that goes away, comes back or is changed by others while the program has it: it is never fetched
 * again into an empty folder (F6), wrong bytes are not served for long, and what is right again is served.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FakeConnection } from '../kit/fake-connection.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { amongMounts, mounting, NO_MOUNTS, seenBy } from '../kit/own-mounts.ts'
import type { Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import type { TorrentFixture } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'

const PIECE = 32 * 1024
const LIBRARY = { files: { 'a.bin': 20 * PIECE, 'b/c.bin': 20 * PIECE }, pieceLength: PIECE }
/** Files that change again and again are read again every ten seconds. */
const RECHECK_MS = 40_000
/** Long enough for several looks of one second each. */
const FEW_LOOKS_MS = 3500

async function leecherOf(torrent: TorrentFixture, shoal: Shoal): Promise<FakeConnection> {
  const connection = await FakePeer.leecher(torrent).dial(await shoal.readyEndpoint())
  await connection.unchoked()
  return connection
}

/** So far, so that what follows can be told apart from what was before. */
const sinceNow = (shoal: Shoal) => shoal.events.items.length

describe('the whole content goes', () => {
  test('F6: a folder moved away while downloading is waited for, not downloaded anew', async () => {
    const { file, source, target, torrent, root } = stage(LIBRARY)
    const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 300_000 })
    const get = startGet(file, target, { peers: [seeder] })
    await get.event('piece-verified')
    await get.event('piece-verified', undefined, undefined, sinceNow(get))
    // A look between the first piece and this, so that something is known to be there.
    await sleep(1500)
    const elsewhere = join(root, 'elsewhere')
    renameSync(join(target, torrent.name), elsewhere)
    const paused = await get.event('paused')
    expect(paused).toMatchObject({ code: 'storage/content-gone', reason: expect.stringContaining(target) })
    expect(paused.hint).toMatch(/\S/)
    // A write that was under way ends in the file where it is now.
    await sleep(500)
    const from = sinceNow(get)
    await sleep(FEW_LOOKS_MS)
    expect(existsSync(join(target, torrent.name))).toBe(false)
    expect(get.events.items.slice(from).filter(({ event }) => event === 'piece-verified')).toEqual([])
    renameSync(elsewhere, join(target, torrent.name))
    await get.event('resumed')
    await get.event('complete')
    await get.event('verified')
    expect(treeDifferences(source, target)).toEqual([])
    expect(get.all('compromised')).toEqual([])
  })

  test('stopped meanwhile it leaves nothing behind that vouches for what is not there', async () => {
    const { file, source, target, torrent, root } = stage(LIBRARY)
    const half = await FakePeer.listen(torrent, { has: Array.from({ length: 15 }, (_, piece) => piece) })
    const get = startGet(file, target, { peers: [half] })
    await until('15 pieces', () => get.all('piece-verified').length === 15)
    await sleep(1500)
    renameSync(target, join(root, 'elsewhere'))
    await get.event('paused')
    expect((await get.end()).code).toBe(0)
    expect(existsSync(target)).toBe(false)
    mkdirSync(target)
    const again = startGet(file, target, { peers: [await FakePeer.listen(torrent)], args: ['--exit'] })
    expect((await again.event('checked')).pieces).toBe(0)
    expect((await again.exitWithin()).code).toBe(0)
    expect(treeDifferences(source, target)).toEqual([])
  })

  test('a seed whose folder is away serves nothing, stays, and serves again', async () => {
    const { file, source, torrent, root } = stage(LIBRARY)
    const seed = startSeed(file, source)
    const connection = await leecherOf(torrent, seed)
    renameSync(source, join(root, 'elsewhere'))
    const { code } = await seed.event('paused')
    expect(code).toBe('storage/content-gone')
    await connection.message('choke')
    seed.type('status')
    const { torrents } = await seed.event('status')
    expect(torrents[0].standstill.cause).toBe(code)
    mkdirSync(source)
    await sleep(FEW_LOOKS_MS)
    expect(seed.all('resumed')).toEqual([])
    expect(readdirSync(source)).toEqual([])
    rmSync(source, { recursive: true })
    renameSync(join(root, 'elsewhere'), source)
    await seed.event('resumed')
    await until('unchoke', () => !connection.theyChoke)
    expect(await connection.downloadPiece(7)).toEqual(torrent.piece(7))
    expect(seed.all('compromised')).toEqual([])
    expect(seed.all('piece-unreadable')).toEqual([])
  })

  test('what was changed while the folder was away is read before anything is served', async () => {
    const { file, source, torrent, root } = stage(LIBRARY)
    const seed = startSeed(file, source)
    const connection = await leecherOf(torrent, seed)
    renameSync(source, join(root, 'elsewhere'))
    await seed.event('paused')
    await connection.message('choke')
    const path = join(root, 'elsewhere', torrent.name, 'b', 'c.bin')
    const bytes = readFileSync(path)
    writeFileSync(path, Buffer.concat([Buffer.alloc(2 * PIECE), bytes.subarray(2 * PIECE)]))
    renameSync(join(root, 'elsewhere'), source)
    const { at } = await seed.event('resumed')
    const compromised = await seed.event('compromised')
    expect(compromised.pieces).toEqual([20, 21])
    expect(compromised.at).toBeLessThanOrEqual(at)
    await until('unchoke', () => !connection.theyChoke)
    expect(await connection.downloadPiece(22)).toEqual(torrent.piece(22))
  })

  test.skipIf(NO_MOUNTS)(
    'a seed that was started before its volume was mounted serves as soon as it is',
    async () => {
      const { file, source, target, torrent } = stage(LIBRARY)
      const seed = startSeed(file, target, { through: mounting(target, 'mount --bind "$DIR" "$DIR"') })
      expect((await seed.event('checked')).pieces).toBe(0)
      amongMounts(seed, `mount --bind ${source} ${target}`)
      await seed.event('checked', ({ pieces }) => pieces === torrent.pieceCount, RECHECK_MS)
      const connection = await leecherOf(torrent, seed)
      expect(await connection.downloadPiece(21)).toEqual(torrent.piece(21))
    },
  )

  if (NO_MOUNTS) console.log(`skipped: ${NO_MOUNTS}`)
  test.skipIf(NO_MOUNTS)('F6: an empty mount point is not a folder whose files were deleted', async () => {
    const { file, source, target, torrent, folder } = stage(LIBRARY)
    const volume = folder('volume')
    const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 300_000 })
    const get = startGet(file, target, {
      peers: [seeder],
      through: mounting(target, `mount --bind ${volume} "$DIR"`),
    })
    await get.event('piece-verified')
    await sleep(1500)
    amongMounts(get, `umount -l ${target}`)
    expect((await get.event('paused')).code).toBe('storage/content-gone')
    await sleep(FEW_LOOKS_MS)
    expect(readdirSync(seenBy(get, target))).toEqual([])
    amongMounts(get, `mount --bind ${volume} ${target}`)
    await get.event('resumed')
    await get.event('complete')
    await get.event('verified')
    expect(treeDifferences(source, volume)).toEqual([])
  })
})

const CHANGES: Record<string, (path: string, truth: Buffer) => void> = {
  truncated: (path) => truncateSync(path, 3 * PIECE),
  overwritten: (path) => writeFileSync(path, Buffer.alloc(20 * PIECE, 7)),
  deleted: (path) => rmSync(path),
  'replaced by a link': (path, truth) => {
    writeFileSync(`${path}.other`, truth)
    rmSync(path)
    symlinkSync(`${path}.other`, path)
  },
  'replaced by a folder': (path) => {
    rmSync(path)
    mkdirSync(path)
  },
}

test('files changed under a seed: told, not served any more, and served again once they are right', async () => {
  const changes = Object.keys(CHANGES)
  const names = [...changes.map((_, i) => `${i}.bin`), 'other.bin']
  const files = Object.fromEntries(names.map((name) => [name, 20 * PIECE]))
  const { file, source, torrent } = stage({ files, pieceLength: PIECE })
  const pathOf = (i: number) => join(source, torrent.name, `${i}.bin`)
  const truths = changes.map((_, i) => readFileSync(pathOf(i)))
  const seed = startSeed(file, source)
  const connection = await leecherOf(torrent, seed)
  for (const [i, change] of changes.entries()) {
    expect(await connection.downloadPiece(20 * i + 10)).toEqual(torrent.piece(20 * i + 10))
    CHANGES[change]!(pathOf(i), truths[i]!)
  }
  const lost = () => seed.all('compromised').flatMap(({ pieces }) => pieces as number[])
  for (const [i, change] of changes.entries())
    await until(`loss of what was ${change}`, () => lost().includes(20 * i + 11), RECHECK_MS)
  // What is left of the truncated one is still right.
  expect(lost()).not.toContain(0)
  const served = connection.count('piece')
  for (const i of changes.keys()) connection.request({ index: 20 * i + 11, begin: 0, length: 16_384 })
  expect(await connection.downloadPiece(105)).toEqual(torrent.piece(105))
  expect(connection.count('piece')).toBe(served + 2)
  for (const [i, truth] of truths.entries()) {
    rmSync(pathOf(i), { recursive: true, force: true })
    writeFileSync(pathOf(i), truth)
  }
  await seed.event('checked', ({ pieces }) => pieces === 120, RECHECK_MS, seed.events.items.length)
  for (const i of changes.keys()) {
    await connection.learns(20 * i + 12)
    expect(await connection.downloadPiece(20 * i + 12)).toEqual(torrent.piece(20 * i + 12))
  }
})

test('a finished download repairs a file that somebody damaged', async () => {
  const { file, source, target, torrent } = stage(LIBRARY)
  const seeder = await FakePeer.listen(torrent)
  const get = startGet(file, target, { peers: [seeder] })
  await get.event('verified')
  await sleep(2500)
  writeFileSync(join(target, torrent.name, 'a.bin'), Buffer.alloc(20 * PIECE, 7))
  await get.event('compromised', undefined, RECHECK_MS)
  await until('repair', () => treeDifferences(source, target).length === 0, RECHECK_MS, 200)
  expect(get.all('paused')).toEqual([])
})
