/**
 * A disk that is too small, runs full, refuses or fails: the program says why, waits, and goes on by itself,
 * and what is on disk in the end is right byte for byte.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { amongMounts, mounting, NO_MOUNTS, seenBy } from '../kit/own-mounts.ts'
import { runShoal } from '../kit/shoal.ts'
import { peerArguments, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const MIB = 1024 * 1024
const PIECE = 64 * 1024
/** The first tries of a pause come after 10, 20 and 40 s. */
const RETRY_MS = 60_000
const LIBRARY = { files: { 'a.bin': 2 * MIB, 'b/c.bin': 2 * MIB }, pieceLength: PIECE }

if (NO_MOUNTS) console.log(`skipped: ${NO_MOUNTS}`)

describe.skipIf(NO_MOUNTS)('a disk of 8 MiB', () => {
  const tmpfs = (size: string) => `mount -t tmpfs -o size=${size} none "$DIR"`

  test('too small from the start: nothing begins, both figures are told, and more space lets it go on', async () => {
    const { file, source, target, torrent } = stage(LIBRARY)
    const seeder = await FakePeer.listen(torrent)
    const get = startGet(file, target, { peers: [seeder], through: mounting(target, tmpfs('3m')) })
    const paused = await get.event('paused')
    expect(paused.code).toBe('storage/not-enough-space')
    expect(paused.reason).toMatch(/3\.0 MiB free.* 4\.0 MiB/)
    expect(paused.hint).toMatch(/\S/)
    get.type('status')
    const { torrents } = await get.event('status')
    expect(torrents[0]).toMatchObject({
      phase: 'paused',
      standstill: { cause: paused.code, message: paused.reason },
    })
    expect(seeder.servedBytes).toBe(0)
    amongMounts(get, `mount -o remount,size=16m ${target}`)
    await get.event('resumed')
    await get.event('complete')
    expect(treeDifferences(source, seenBy(get, target))).toEqual([])
  })

  test('what is there already, and what is a hole, is counted right', async () => {
    const { file, target, torrent } = stage(LIBRARY)
    const setUp = `${tmpfs('3m')}; mkdir -p "$DIR/fixture/b"; truncate -s 2M "$DIR/fixture/a.bin"`
    const holes = startGet(file, target, { through: mounting(target, setUp) })
    expect((await holes.event('paused')).reason).toMatch(/ 4\.0 MiB/)
    await holes.kill()
    torrent.writeContent(target)
    const there = `cp "$DIR/fixture/a.bin" /tmp/a.$$; ${setUp}; cat /tmp/a.$$ > "$DIR/fixture/a.bin"; rm /tmp/a.$$`
    const part = startGet(file, target, { through: mounting(target, there) })
    expect((await part.event('paused')).reason).toMatch(/1\.0 MiB free.* 2\.0 MiB/)
    await part.kill()
    const all = startGet(file, target, { through: mounting(target, tmpfs('3m')), args: ['--no-space-check'] })
    await all.event('checked')
    all.type('status')
    expect((await all.event('status')).torrents[0].phase).toBe('active')
    await all.kill()
    const one = startGet(file, target, {
      through: mounting(target, tmpfs('3m')),
      args: ['--select', '**/c.bin'],
    })
    await one.event('checked')
    one.type('status')
    expect((await one.event('status')).torrents[0].phase).toBe('active')
  })

  test('--tmp-dir and --dir are both asked', async () => {
    const { file, target, folder } = stage(LIBRARY)
    const tmp = folder('tmp')
    const args = ['--tmp-dir', tmp]
    const small = startGet(file, target, { args, through: mounting(tmp, tmpfs('3m')) })
    expect((await small.event('paused')).reason).toContain(tmp)
    await small.kill()
    const goal = startGet(file, target, { args, through: mounting(target, tmpfs('3m')) })
    expect((await goal.event('paused')).reason).toContain(target)
  })

  test('--dir that has become too small meanwhile keeps everything in --tmp-dir until there is room', async () => {
    const { file, source, target, torrent, folder } = stage(LIBRARY)
    const tmp = folder('tmp')
    const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 4 * MIB })
    const get = startGet(file, target, {
      peers: [seeder],
      args: ['--tmp-dir', tmp],
      through: mounting(target, tmpfs('6m')),
    })
    await get.event('piece-verified')
    const filler = join(seenBy(get, target), 'filler')
    writeFileSync(filler, Buffer.alloc(4 * MIB))
    expect((await get.event('paused')).code).toBe('storage/not-enough-space')
    expect(treeDifferences(source, tmp)).toEqual([])
    expect(existsSync(join(seenBy(get, target), torrent.name))).toBe(false)
    rmSync(filler)
    await get.event('resumed')
    await get.event('complete')
    expect(treeDifferences(source, seenBy(get, target))).toEqual([])
  })

  test('F3: full in the middle: it pauses, goes on when there is space, and no byte is wrong', async () => {
    const { file, source, target, torrent } = stage(LIBRARY)
    const seeder = await FakePeer.listen(torrent, { bytesPerSecond: MIB })
    const get = startGet(file, target, { peers: [seeder], through: mounting(target, tmpfs('8m')) })
    await get.event('piece-verified')
    const filler = join(seenBy(get, target), 'filler')
    try {
      writeFileSync(filler, Buffer.alloc(16 * MIB))
    } catch {
      // It is full now, which is what it is for.
    }
    const paused = await get.event('paused')
    expect(paused.code).toBe('storage/disk-full')
    expect(statSync(filler).size).toBeGreaterThan(3 * MIB)
    rmSync(filler)
    await get.event('resumed', undefined, RETRY_MS)
    await get.event('complete', undefined, RETRY_MS)
    await get.event('verified')
    expect(treeDifferences(source, seenBy(get, target))).toEqual([])
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('piece-unreadable')).toEqual([])
    // every piece once, whatever happened in between
    const pieces = get.all('piece-verified').map(({ piece }) => piece)
    expect(new Set(pieces).size).toBe(torrent.pieceCount)
    expect(pieces).toHaveLength(torrent.pieceCount)
  })

  test('mounted read-only: get says so and ends with 2, seed serves', async () => {
    const { file, source, target, torrent } = stage(LIBRARY)
    const readOnly = 'mount --bind "$DIR" "$DIR"; mount -o remount,bind,ro "$DIR"'
    const refused = await runShoal(['get', file, '--dir', target, ...peerArguments({})], {
      through: mounting(target, readOnly),
    })
    expect(refused.code).toBe(2)
    expect(refused.result).toMatchObject({ event: 'error', code: 'storage/read-only' })
    const seed = startSeed(file, source, { through: mounting(source, readOnly) })
    const leecher = FakePeer.leecher(torrent)
    const connection = await leecher.dial(await seed.readyEndpoint())
    await connection.unchoked()
    expect(await connection.downloadPiece(3)).toEqual(torrent.piece(3))
  })

  test('a disk error while seeding takes only what it hits, and that comes back with the disk', async () => {
    const { file, source, torrent } = stage(LIBRARY)
    // A second mount, so that the file can be covered in this namespace alone.
    const seed = startSeed(file, source, { through: mounting(source, 'mount --bind "$DIR" "$DIR"') })
    await seed.event('seeding')
    const covered = join(source, torrent.name, 'a.bin')
    // Reading the memory of a process where there is none: EIO, from something that passes for a file.
    amongMounts(seed, `mount --bind /proc/${process.pid}/mem ${covered}`)
    const connection = await FakePeer.leecher(torrent).dial(await seed.readyEndpoint())
    await connection.unchoked()
    connection.request({ index: 1, begin: 0, length: 16_384 })
    await seed.event('piece-unreadable', ({ piece, code }) => piece === 1 && code === 'storage/io-error')
    expect(await connection.downloadPiece(40)).toEqual(torrent.piece(40))
    amongMounts(seed, `umount -l ${covered}`)
    await seed.event(
      'checked',
      ({ pieces }) => pieces === torrent.pieceCount,
      RETRY_MS,
      seed.events.items.length,
    )
    await connection.learns(1)
    expect(await connection.downloadPiece(1)).toEqual(torrent.piece(1))
  })
})

const NO_USERS = process.getuid?.() === 0 && process.platform === 'linux' ? undefined : 'needs root on Linux'
if (NO_USERS) console.log(`skipped: ${NO_USERS}`)

describe.skipIf(NO_USERS)('rights and limits', () => {
  test('a limit on the size of files ends it with the reason, not with a signal', async () => {
    const { file, target, torrent } = stage({ files: { 'big.bin': 2 * MIB }, pieceLength: PIECE })
    const seeder = await FakePeer.listen(torrent)
    const get = startGet(file, target, { peers: [seeder], through: ['prlimit', `--fsize=${MIB}`] })
    const { code } = await get.event('paused')
    expect(code).toBe('storage/too-large')
    expect(await get.exitWithin()).toEqual({ code: 1, signal: null })
    expect(get.events.items.at(-1)).toMatchObject({ event: 'error', code })
  })

  test('a folder that loses its write permission pauses the download until it is given back', async () => {
    const { root, file, source, target, torrent } = stage(LIBRARY)
    const nobody = 65_534
    for (const path of [root, target]) chownSync(path, nobody, nobody)
    const library = join(target, torrent.name)
    mkdirSync(library)
    for (const path of [library, join(library, 'b')]) {
      mkdirSync(path, { recursive: true })
      chownSync(path, nobody, nobody)
    }
    const first = Array.from({ length: 32 }, (_, piece) => piece)
    const [a, b] = [await FakePeer.listen(torrent, { has: first }), await FakePeer.listen(torrent)]
    const through = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']
    const get = startGet(file, target, { peers: [a], cwd: target, env: { HOME: target }, through })
    await get.event('piece-verified')
    chmodSync(join(library, 'b'), 0o555)
    const late = await b.dial(await get.peerEndpoint())
    await late.handshake()
    const paused = await get.event('paused')
    expect(paused.code).toBe('storage/unwritable')
    expect(paused.reason).toContain('c.bin')
    chmodSync(join(library, 'b'), 0o755)
    await get.event('resumed', undefined, RETRY_MS)
    await get.event('complete', undefined, RETRY_MS)
    await until('the same bytes', () => treeDifferences(source, target).length === 0)
  })
})
