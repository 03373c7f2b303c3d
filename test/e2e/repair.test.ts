/**
 * Damaged downloads are found by `verify` and repaired by `get` and `seed --repair`; a v2 torrent that lacks
 * its piece layers gets them from peers, or proves them with content that is there, whatever the command.
 */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bencode, rawMember } from '../kit/bencode.ts'
import { ALONE, runShoal, Shoal } from '../kit/shoal.ts'
import { type Stage, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

const PIECE = 32 * 1024
const FILES = { 'a.bin': 6 * PIECE, 'b/c.bin': 5 * PIECE + 1000, 'd.bin': 3 * PIECE, 'small.txt': 100 }

/** One file spoiled, one shortened, one gone. */
function damage({ torrent }: Stage, dir: string): void {
  const path = (name: string) => join(dir, torrent.name, name)
  const bytes = readFileSync(path('a.bin'))
  bytes.fill(0x55, PIECE + 7, PIECE + 9)
  writeFileSync(path('a.bin'), bytes)
  truncateSync(path('b/c.bin'), 2 * PIECE + 11)
  rmSync(path('d.bin'))
}

/** The same torrent without what v2 keeps outside the info dictionary. */
function withoutLayers({ root, torrent }: Stage): string {
  const file = join(root, 'bare.torrent')
  const members = [bencode('info'), rawMember(torrent.bytes, 'info')]
  writeFileSync(file, Buffer.concat([Buffer.from('d'), ...members, Buffer.from('e')]))
  return file
}

const launch = (dirs: string[], file: string, ...args: string[]) =>
  Shoal.start(['launch', ...dirs, '--torrent', file, '--host', '127.0.0.1', '--port', '0', ...ALONE, ...args])

describe.each(['v1', 'v2', 'hybrid'] as const)('a damaged download (%s)', (format) => {
  test('is found by verify, repaired by get, and right to the last byte', async () => {
    const set = stage({ files: FILES, pieceLength: PIECE, format })
    const { file, source, torrent, folder } = set
    const dir = torrent.writeContent(folder('damaged'))
    damage(set, dir)
    expect((await runShoal(['verify', file, dir])).code).toBe(1)
    const seed = startSeed(file, source)
    const get = startGet(file, dir, { peers: [await seed.readyEndpoint()], args: ['--exit'] })
    expect((await get.exitWithin()).code).toBe(0)
    // What was right is not fetched again.
    expect(get.all('piece-verified').length).toBeLessThan(torrent.pieceCount)
    expect((await runShoal(['verify', file, dir])).code).toBe(0)
    expect(treeDifferences(source, dir)).toEqual([])
  })
})

describe('a v2 torrent without piece layers', () => {
  const v2 = () => stage({ files: FILES, pieceLength: PIECE, format: 'v2' })

  test('is repaired by seed --repair with layers from a peer', async () => {
    const set = v2()
    const { file, source, torrent, folder } = set
    const dir = torrent.writeContent(folder('damaged'))
    damage(set, dir)
    const whole = startSeed(file, source)
    const peers = [await whole.readyEndpoint()]
    const repair = startSeed(withoutLayers(set), dir, { peers, args: ['--repair'] })
    await repair.event('complete')
    await repair.event('verified')
    expect(treeDifferences(source, dir)).toEqual([])
  })

  test('one that nobody knows does not keep the others waiting', async () => {
    const set = v2()
    const other = stage({ name: 'other', files: { 'x.bin': 3 * PIECE }, pieceLength: PIECE })
    const dir = other.torrent.writeContent(set.folder('both'))
    const args = ['seed', withoutLayers(set), other.file, '--dir', dir, '--repair', '--host', '127.0.0.1']
    const seed = Shoal.start([...args, '--port', '0', ...ALONE])
    await seed.event('seeding', ({ name }) => name === 'other')
    seed.type('status')
    const { torrents } = await seed.event('status')
    expect(torrents).toHaveLength(2)
    expect((await seed.end()).code).toBe(0)
  })

  test('is launched: who has the content proves the layers and gives them to the others', async () => {
    const set = v2()
    const { source, folder } = set
    const peers = launch([source, folder('one'), folder('two')], withoutLayers(set), '--exit')
    expect((await peers.exitWithin(30_000)).code).toBe(0)
    for (const name of ['one', 'two']) expect(treeDifferences(source, folder(name))).toEqual([])
  })

  test('is complete for get when its content is there, without anybody to ask', async () => {
    const set = v2()
    const { source } = set
    const get = startGet(withoutLayers(set), source, { args: ['--exit'] })
    expect((await get.exitWithin()).code).toBe(0)
    expect(get.all('complete')).toHaveLength(1)
  })

  test('is seeded from content that is there, to magnet links too', async () => {
    const set = v2()
    const { source, target, torrent } = set
    const seed = startSeed(withoutLayers(set), source)
    const peers = [await seed.readyEndpoint()]
    const get = startGet(torrent.magnet(), target, { peers, args: ['--exit'] })
    expect((await get.exitWithin(30_000)).code).toBe(0)
    expect(treeDifferences(source, target)).toEqual([])
  })
})
