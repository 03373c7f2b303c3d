import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { ContentFolder } from './content-folder.ts'
import { locateFiles } from './content-location.ts'
import { checkFileDigests } from './file-digest-check.ts'
import { HashPool } from './hash-pool.ts'
import { createMetainfo } from './metainfo-creation.ts'
import { nodeCrypto } from './node-crypto.ts'

const CONTENT = {
  a: Buffer.alloc(3_000_000, 1),
  b: Buffer.alloc(10, 2),
  c: Buffer.alloc(0),
  d: Buffer.alloc(2_000_000, 3),
  e: Buffer.alloc(5, 4),
}
let base: string

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'file-digest-'))
  mkdirSync(path.join(base, 'tree'))
  for (const [name, bytes] of Object.entries(CONTENT)) writeFileSync(path.join(base, 'tree', name), bytes)
})
afterEach(() => rmSync(base, { recursive: true }))
afterAll(() => HashPool.shared.close())

async function wrongFiles(
  change: () => void,
  digestOf: (name: string) => Uint8Array | undefined,
): Promise<string[]> {
  const { metainfo } = await createMetainfo({ paths: [path.join(base, 'tree')], format: 'v2' })
  change()
  const files = metainfo.files.map((file) => {
    const sha1 = digestOf(file.path[0]!)
    return sha1 === undefined ? file : { ...file, sha1 }
  })
  const withDigests = { ...metainfo, files }
  const paths = locateFiles(withDigests, new ContentFolder(base))
  return [...(await checkFileDigests(withDigests, base, { paths }))]
    .map((file) => files[file]!.path[0]!)
    .sort()
}

const rightDigest = (name: string) => nodeCrypto.sha1(CONTENT[name as 'a'])

test('files with their digest are right', async () =>
  expect(await wrongFiles(() => {}, rightDigest)).toEqual([]))

test('files that changed or went are wrong, those without a digest are not looked at', async () => {
  const change = () => {
    writeFileSync(path.join(base, 'tree', 'd'), Buffer.alloc(2_000_000, 9))
    unlinkSync(path.join(base, 'tree', 'b'))
    unlinkSync(path.join(base, 'tree', 'e'))
  }
  expect(await wrongFiles(change, (name) => (name === 'e' ? undefined : rightDigest(name)))).toEqual([
    'b',
    'd',
  ])
})
