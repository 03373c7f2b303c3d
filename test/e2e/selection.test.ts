/** Downloads of a part, and what becomes of them when the choice changes. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type BencodedDictionary, bdecode, bencode } from '../kit/bencode.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { mustRun } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

/** Files that share pieces, because nothing is aligned. */
const FILES = ['a', 'b', 'c', 'd'].map(
  (name, i) => [`library/${name}.bin`, new Uint8Array(50_000 + 999 * i).fill(65 + i)] as const,
)

async function library(): Promise<{ root: string; torrent: string }> {
  const root = temporaryFolder('selection')
  writeTree(join(root, 'source'), FILES)
  const torrent = join(root, 'library.torrent')
  const format = ['--format', 'v1', '--piece-length', '32768']
  await mustRun(['create', join(root, 'source', 'library'), '-o', torrent, ...format])
  return { root, torrent }
}

test('a part first, then everything: the shared pieces are right too', async () => {
  const { root, torrent } = await library()
  const seed = startSeed(torrent, join(root, 'source'))
  const peers = [await seed.readyEndpoint()]
  const target = join(root, 'target')

  const part = startGet(torrent, target, { peers, args: ['--select', 'b.bin'] })
  await part.event('complete')
  expect(readdirSync(join(target, 'library'))).toEqual(['b.bin'])
  expect((await part.end()).code).toBe(0)
  expect(existsSync(join(target, '.shoal'))).toBe(false)

  const all = startGet(torrent, target, { peers, args: ['--final-check', 'off'] })
  await all.event('complete')
  expect(treeDifferences(join(root, 'source'), target)).toEqual([])
  expect((await all.end()).code).toBe(0)
})

test('a part that was interrupted is taken up with another choice', async () => {
  const { root, torrent } = await library()
  const seed = startSeed(torrent, join(root, 'source'), { args: ['--upload-limit', '60kB/s'] })
  const peers = [await seed.readyEndpoint()]
  const target = join(root, 'target')
  const part = startGet(torrent, target, {
    peers,
    args: ['--select', 'a.bin', '--select', 'b.bin', '--select', 'd.bin'],
  })
  // Piece 3 lies in b.bin, which is wanted, and in c.bin, which is not.
  await part.event('piece-verified', ({ piece }) => piece === 3)
  await part.end()
  const rest = startGet(torrent, target, { peers, args: ['--final-check', 'off'] })
  await rest.event('complete')
  expect(treeDifferences(join(root, 'source'), target)).toEqual([])
  expect((await rest.end()).code).toBe(0)
})

test('what stands where a file belongs ends the download with the reason', async () => {
  const { root, torrent } = await library()
  const seed = startSeed(torrent, join(root, 'source'))
  const peers = [await seed.readyEndpoint()]
  const target = join(root, 'target')
  writeTree(target, [['library/b.bin/in the way', new Uint8Array(1)]])
  const get = startGet(torrent, target, { peers, args: ['--exit'] })
  const error = await get.event('error')
  expect(error).toMatchObject({ code: 'storage/not-a-file', hint: expect.any(String) })
  expect((await get.exitWithin()).code).toBe(2)
})

test('BEP 21: with its part complete it says that it only uploads, and leaves others who say so', async () => {
  const { file, target, torrent } = stage({
    files: { 'a.bin': 65_536, 'b.bin': 65_536 },
    pieceLength: 16_384,
  })
  const seeder = await FakePeer.listen(torrent, { has: [0, 1, 2, 3] })
  const get = startGet(file, target, { peers: [seeder], args: ['--select', 'a.bin'] })
  const connection = await seeder.connection()
  const uploadOnly = () =>
    connection.messages.items
      .filter(({ type, payload }) => type === 'extended' && payload[0] === 0)
      .map(({ payload }) => (bdecode(payload.subarray(1)) as BencodedDictionary).get('upload_only'))
  await get.event('complete')
  await until('the second handshake', () => uploadOnly().length >= 2)
  expect(uploadOnly()).toEqual([undefined, 1])
  // Nobody is told that it has everything.
  expect(connection.theirs.size).toBe(4)
  expect(connection.isOpen).toBe(true)
  connection.send('extended', Buffer.concat([Buffer.from([0]), bencode({ m: {}, upload_only: 1 })]))
  const { reason } = await get.event('peer-disconnected')
  expect(reason).toBe('both-seeds')
})
