import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { parseMetainfo } from '../wire/metainfo.ts'
import { ContentFolder } from './content-folder.ts'
import { hollowPieces, zeroPiece } from './file-holes.ts'
import { createMetainfo } from './metainfo-creation.ts'
import { nodeCrypto } from './node-crypto.ts'
import { checkPieces } from './piece-check.ts'

const MIB = 1024 * 1024
const root = mkdtempSync(path.join(tmpdir(), 'shoal-holes-'))
const isCounted = [0x01021994, 0xef53, 0x58465342, 0x9123683e].includes(statfsSync(root).type)

afterEach(() => rmSync(root, { recursive: true, force: true }))

function sparse(name: string, length: number): void {
  writeFileSync(path.join(root, name), '')
  truncateSync(path.join(root, name), length)
}

test.runIf(isCounted)('whole pieces inside files without any block', () => {
  rmSync(root, { recursive: true, force: true })
  const folder = new ContentFolder(root)
  folder.mkdirsSync([])
  sparse('hole', 5 * MIB)
  sparse('short', 3 * MIB)
  sparse('small', 1000)
  writeFileSync(path.join(root, 'full'), Buffer.alloc(5 * MIB, 1))
  writeFileSync(path.join(root, 'zeros'), Buffer.alloc(5 * MIB))
  const entry = (name: string, length: number, offset: number) => ({
    folder: 0,
    path: [name],
    length,
    offset,
  })
  const entries = [
    entry('full', 5 * MIB, 0),
    entry('hole', 5 * MIB, 5.5 * MIB),
    entry('short', 5 * MIB, 11 * MIB),
    entry('small', 1000, 16 * MIB),
    entry('zeros', 5 * MIB, 17 * MIB),
    entry('absent', 5 * MIB, 22 * MIB),
    { folder: 0, path: [], length: 5 * MIB, offset: 27 * MIB },
  ]
  expect([...hollowPieces(entries, MIB, folder)]).toEqual([
    [6, 10],
    [11, 14],
  ])
  folder.close()
})

test.each([100_000, 16 * 1024, MIB])('the hashes of %i zeros', (length) => {
  expect(Buffer.from(zeroPiece(length).sha1)).toEqual(hash('sha1', Buffer.alloc(length), 'buffer'))
})

test.each(['v1', 'v2', 'hybrid'] as const)(
  'a file of zeros is right as a hole, any other is not (%s)',
  async (format) => {
    rmSync(root, { recursive: true, force: true })
    new ContentFolder(root).mkdirsSync(['t'])
    writeFileSync(path.join(root, 't/a'), Buffer.alloc(3 * MIB))
    writeFileSync(path.join(root, 't/b'), Buffer.alloc(3 * MIB, 7))
    const created = await createMetainfo({ paths: [path.join(root, 't')], format, pieceLength: MIB })
    const parsed = parseMetainfo(created.bytes, nodeCrypto)
    if (!parsed.ok) throw new Error(parsed.error.message)
    for (const name of ['t/a', 't/b']) sparse(name, 3 * MIB)
    expect([...(await checkPieces(parsed.value, root)).ones()]).toEqual([0, 1, 2])
  },
)
