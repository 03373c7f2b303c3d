/**
 * Faults that cost users of other clients their data or their time, each by the id it has in our list
 * (`docs/threats.md` has those of security). Killed processes are in `crash.test.ts`.
 */
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { runShoal, type Shoal } from '../kit/shoal.ts'
import { stage, startGet } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const PIECE = 16_384
const PIECES = {
  files: { 'a.bin': 6 * PIECE, 'b/c.bin': 5 * PIECE + 100, 'd.bin': 9 * PIECE - 100 },
  pieceLength: PIECE,
}

/** Pieces that a peer was asked for. */
const asked = (peer: FakePeer, from = 0) => new Set(peer.requests.slice(from).map(({ index }) => index))

/** Files that are there lose their last bytes. */
function cutShort(target: string): void {
  for (const { path, bytes } of filesBelow(target)) if (bytes > 1) truncateSync(path, bytes - 1)
}

function filesBelow(folder: string): { path: string; bytes: number }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.shoal'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: statSync(path).size }))
}

async function verifiedPieces(get: Shoal, count: number): Promise<Set<number>> {
  await get.event('piece-verified', () => get.all('piece-verified').length >= count)
  return new Set(get.all('piece-verified').map(({ piece }) => piece))
}

test.each(['gone', 'emptied', 'of an earlier time'])(
  'F1 resume data that is %s costs a check, and no piece is fetched again',
  async (loss) => {
    const { file, source, target, torrent } = stage(PIECES)
    const some = await FakePeer.listen(torrent, { has: [0, 1, 5, 6, 7, 12, 19] })
    const first = startGet(file, target, { peers: [some] })
    await verifiedPieces(first, 3)
    const state = join(target, '.shoal')
    const resume = await until('resume data', () =>
      readdirSync(state).find((name) => name.endsWith('.resume')),
    )
    const early = readFileSync(join(state, resume))
    const known = await verifiedPieces(first, 7)
    await first.kill()
    if (loss === 'gone') rmSync(state, { recursive: true })
    else writeFileSync(join(state, resume), loss === 'emptied' ? '' : early)
    const whole = await FakePeer.listen(torrent)
    const again = startGet(file, target, { peers: [whole], args: ['--exit'] })
    expect((await again.event('checked')).pieces).toBe(7)
    expect((await again.exitWithin()).code).toBe(0)
    expect([...asked(whole)].filter((piece) => known.has(piece))).toEqual([])
    expect(treeDifferences(source, target)).toEqual([])
  },
)

test('F4 a check changes nothing on disk, whatever it finds', async () => {
  const { file, target, torrent, folder } = stage(PIECES)
  const damaged = torrent.writeContent(folder('damaged'))
  const path = (name: string) => join(damaged, torrent.name, name)
  // Wrong in the middle; too long; cut off; all with a time of their own.
  const a = readFileSync(path('a.bin'))
  a[2 * PIECE + 5]! ^= 0xff
  writeFileSync(path('a.bin'), a)
  writeFileSync(path('b/c.bin'), Buffer.concat([readFileSync(path('b/c.bin')), Buffer.from('more')]))
  truncateSync(path('d.bin'), 3 * PIECE)
  for (const name of ['a.bin', 'b/c.bin', 'd.bin']) utimesSync(path(name), 1_600_000_000, 1_600_000_000)
  const look = () =>
    ['a.bin', 'b/c.bin', 'd.bin'].map((name) => {
      const { mtimeMs, ctimeMs, ino } = statSync(path(name))
      return { name, mtimeMs, ctimeMs, ino, bytes: readFileSync(path(name)).toString('latin1') }
    })
  const before = look()
  expect((await runShoal(['verify', file, damaged])).code).toBe(1)
  expect(look()).toEqual(before)
  for (let turn = 0; turn < 2; turn++) {
    const get = startGet(file, damaged)
    expect((await get.event('checked')).pieces).toBeGreaterThan(5)
    await (turn === 0 ? get.end() : get.kill())
    expect(look()).toEqual(before)
  }
  expect(readdirSync(target)).toEqual([])
})

test.each(['hybrid', 'v2'] as const)(
  'F5 a %s download goes on from files that are partly valid',
  async (format) => {
    const { file, source, target, torrent } = stage({ ...PIECES, format })
    torrent.writeContent(target)
    const path = (name: string) => join(target, torrent.name, name)
    const a = readFileSync(path('a.bin'))
    a.fill(0, PIECE + 1, 2 * PIECE)
    writeFileSync(path('a.bin'), a)
    truncateSync(path('b/c.bin'), 2 * PIECE + 50)
    rmSync(path('d.bin'))
    const whole = await FakePeer.listen(torrent)
    const get = startGet(file, target, { peers: [whole], args: ['--exit'] })
    const { pieces } = await get.event('checked')
    expect(pieces).toBe(7)
    expect((await get.exitWithin()).code).toBe(0)
    expect(asked(whole).size).toBe(torrent.pieceCount - pieces)
    expect(get.all('verified')).toHaveLength(1)
    expect(treeDifferences(source, target)).toEqual([])
  },
)

test.each([
  ['v1', []],
  ['hybrid', []],
  ['v1', ['--select', 'a.bin', '--select', 'd.bin']],
] as const)(
  'F9 progress is the bytes that are there: never more than all, all only at the end (%s %j)',
  async (format, args) => {
    const { file, target, torrent } = stage({ ...PIECES, format })
    const slow = await FakePeer.listen(torrent, { bytesPerSecond: 120_000 })
    // Without c.bin, five of whose pieces nobody else needs.
    const isPart = args.length > 0
    const wanted = torrent.pieceCount - (isPart ? 5 : 0)
    const runs: Shoal[] = []
    for (let turn = 0; turn < 2; turn++) {
      const get = startGet(file, target, { peers: [slow], args: [...args] })
      runs.push(get)
      await verifiedPieces(get, 4)
      // Found wrong after it was counted.
      await get.event('progress', ({ bytes }) => bytes > 0)
      await get.kill()
      if (turn === 0) cutShort(target)
    }
    const last = startGet(file, target, { peers: [slow], args: [...args] })
    runs.push(last)
    await last.event('verified')
    await last.event('progress', ({ bytes, total }) => bytes === total)
    await last.end()
    for (const get of runs) {
      let missing = Number.POSITIVE_INFINITY
      for (const event of get.events.items) {
        if (event.event === 'checked') missing = wanted - event.pieces
        if (event.event === 'piece-verified') missing--
        if (event.event !== 'progress') continue
        expect(event.bytes).toBeLessThanOrEqual(event.total)
        expect(event.bytes === event.total).toBe(missing === 0)
      }
    }
    expect(last.all('progress').at(-1)?.total).toBe(isPart ? 15 * PIECE : torrent.contentLength)
  },
)

test('F10 complete is said when every byte is in its file, however suddenly it ends then', async () => {
  const { file, source, torrent, folder } = stage(PIECES)
  const whole = await FakePeer.listen(torrent)
  for (const mode of ['before', 'after', 'off']) {
    const target = folder(`check ${mode}`)
    const tmp = folder(`tmp ${mode}`)
    const get = startGet(file, target, { peers: [whole], args: ['--final-check', mode, '--tmp-dir', tmp] })
    await get.event('complete')
    await get.kill()
    expect(treeDifferences(source, target)).toEqual([])
    expect(readdirSync(tmp)).toEqual([])
    // What was said is true for the next run, too.
    const served = whole.requests.length
    const again = startGet(file, target, { peers: [whole], args: ['--tmp-dir', tmp, '--exit'] })
    expect((await again.exitWithin()).code).toBe(0)
    expect(whole.requests.length).toBe(served)
  }
})
