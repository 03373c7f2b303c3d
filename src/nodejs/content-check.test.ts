import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/kit/clean-up.ts'
import { torrentFixture } from '../../test/kit/torrent-fixture.ts'
import { Geometry } from '../swarm/geometry.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import { parseMetainfo } from '../wire/metainfo.ts'
import { ContentCheck } from './content-check.ts'
import { ContentFolder } from './content-folder.ts'
import { FileLooks } from './file-looks.ts'
import { HashPool } from './hash-pool.ts'
import { nodeCrypto } from './node-crypto.ts'

const PIECE = 16_384

afterAll(() => HashPool.shared.close())

test('what was written to while it was read is read again, and not vouched for', async () => {
  const fixture = torrentFixture({
    name: 'library',
    files: { a: 2 * PIECE, b: PIECE, c: PIECE },
    pieceLength: PIECE,
    format: 'v1',
  })
  const root = temporaryFolder('content-check')
  fixture.writeContent(root)
  const parsed = parseMetainfo(fixture.bytes, nodeCrypto)
  if (!parsed.ok) throw new Error(parsed.error.message)
  const metainfo = parsed.value
  const content = new ContentCheck({
    metainfo,
    geometry: new Geometry(metainfo, MERKLE_BLOCK_LENGTH),
    folder: () => new ContentFolder(root),
    paths: metainfo.files.map(({ path }) => ['library', ...path]),
    selectedFiles: undefined,
    signal: new AbortController().signal,
  })
  const looks = new FileLooks(3)
  const { found } = await content.find(undefined, false, false, looks)
  expect(found.count).toBe(4)
  const pathOf = (name: string) => join(root, 'library', name)
  // One is changed for good, one only touched.
  const bytes = readFileSync(pathOf('a'))
  bytes[PIECE + 1]! ^= 1
  writeFileSync(pathOf('a'), bytes)
  utimesSync(pathOf('b'), 1, 1)
  // As if they had changed before their last part was read.
  await content.check(undefined, false, looks)
  expect(looks.changed()).toEqual([0, 1])
  await content.readChanged(found, looks)
  expect([...found.ones()]).toEqual([0, 2, 3])
  expect(content.stats(looks).map((stat) => stat?.size)).toEqual([undefined, undefined, PIECE])
})
