/** The same tree gives the same infohash here and in libtorrent: v1, v2, hybrid, aligned v1. */
import { chmodSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { libtorrentCreate, libtorrentHashes } from '../kit/real-clients.ts'
import { ALONE, mustRun, Shoal } from '../kit/shoal.ts'
import { comparePaths, deterministicBytes, type Format } from '../kit/torrent-fixture.ts'
import { writeTree } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

interface Tree {
  folder: string
  paths: string[]
}

const NAMES = [
  'a',
  'A',
  'a.b',
  'a-c',
  'ü',
  'u\u0308',
  '画像',
  '.hidden',
  'emoji 🐟',
  'Z z',
  '~',
  '#1',
  'a b.png',
  '00',
]

/** A tree that depends only on `number`: one to nine files, sizes around the edges of blocks and pieces. */
function writeRandomTree(root: string, number: number, pieceLength: number): Tree {
  let state = number * 2654435761 + 12345
  const below = (limit: number) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0
    return state % limit
  }
  const edges = [0, 1, 16_383, 16_384, 16_385, pieceLength - 1, pieceLength, pieceLength + 1, 3 * pieceLength]
  const files = new Map<string, number>([['first', edges[1 + below(edges.length - 1)] ?? 1]])
  const count = below(9)
  for (let i = 0; i < count; i++) {
    const depth = 1 + below(3)
    const parts = Array.from({ length: depth }, () => NAMES[below(NAMES.length)] as string)
    const path = parts.join('/')
    // a name is a file or a folder, never both
    if ([...files.keys()].some((other) => other.startsWith(`${path}/`) || path.startsWith(`${other}/`)))
      continue
    files.set(path, below(3) === 0 ? below(100_000) : (edges[below(edges.length)] ?? 0))
  }
  const folder = join(root, `${NAMES[number % NAMES.length]} ${number}`)
  writeTree(
    folder,
    [...files].map(([path, length]) => [path, deterministicBytes(`${number}/${path}`, length)]),
  )
  if (below(4) === 0) chmodSync(join(folder, 'first'), 0o755)
  return { folder, paths: [...files.keys()].sort(comparePaths) }
}

/** Torrents of many trees by one process: `share` makes them as `create` does. */
async function createdByShoal(trees: Tree[], args: string[]) {
  const options = ['--no-tracker', '--host', '127.0.0.1', '--port', '0', ...ALONE, ...args]
  const share = Shoal.start(['share', ...trees.map(({ folder }) => folder), ...options])
  await until('torrents', () => share.all('created').length === trees.length || share.exited, 60_000)
  const created = share.all('created')
  await share.kill()
  return created
}

const KINDS: { format: Format; align: boolean; args: string[] }[] = [
  { format: 'v1', align: false, args: ['--format', 'v1'] },
  { format: 'v1', align: true, args: ['--format', 'v1', '--align'] },
  { format: 'v2', align: false, args: ['--format', 'v2'] },
  { format: 'hybrid', align: false, args: ['--format', 'hybrid'] },
]

test.for(KINDS)('infohashes of 60 trees are those of libtorrent ($args)', async ({ format, align, args }) => {
  for (const [round, pieceLength] of [16_384, 32_768, 131_072].entries()) {
    const root = temporaryFolder('trees')
    const trees = Array.from({ length: 20 }, (_, i) => writeRandomTree(root, 100 * round + i, pieceLength))
    const created = await createdByShoal(trees, [...args, '--piece-length', String(pieceLength)])
    const jobs = trees.map(({ folder, paths }, i) => {
      const output = join(root, `${i}.libtorrent`)
      return {
        path: folder,
        pieceLength,
        format,
        align,
        output,
        ...(format === 'v1' ? { order: paths } : {}),
      }
    })
    const made = libtorrentCreate(jobs)
    expect(created.map(({ infoHash, infoHashV2 }) => [infoHash, infoHashV2])).toEqual(
      made.map(({ v1, v2 }) => [v1, v2]),
    )
    const views = libtorrentHashes(created.map(({ file }) => file))
    expect(views.map(({ v1, v2 }) => [v1, v2])).toEqual(made.map(({ v1, v2 }) => [v1, v2]))
    // libtorrent takes a v2 folder of one file for that file
    for (const [i, { folder, paths }] of trees.entries())
      if (format !== 'v2' || paths.length > 1) expect(views[i]?.name).toBe(basename(folder))
  }
})

test('create and share make the same torrent, also of a single file', async () => {
  const root = temporaryFolder('trees')
  const tree = writeRandomTree(root, 7, 16_384)
  writeTree(root, [['single ü.bin', deterministicBytes('single', 50_000)]])
  const single = { folder: join(root, 'single ü.bin'), paths: [] }
  for (const { folder } of [tree, single]) {
    const args = ['--format', 'hybrid', '--piece-length', '16KiB']
    const output = join(root, 'x.torrent')
    const { result } = await mustRun(['create', folder, '-o', output, ...args])
    const [shared] = await createdByShoal([{ folder, paths: [] }], args)
    expect(shared?.infoHash).toBe(result.infoHash)
    const [made] = libtorrentCreate([
      { path: folder, pieceLength: 16_384, format: 'hybrid', output: join(dirname(output), 'y') },
    ])
    expect([result.infoHash, result.infoHashV2]).toEqual([made?.v1, made?.v2])
  }
})
