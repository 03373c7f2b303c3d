import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { ContentFolder } from './content-folder.ts'
import { FileLooks, LOOK_NUMBERS, putLook } from './file-looks.ts'
import { HashPool } from './hash-pool.ts'
import { createMetainfo } from './metainfo-creation.ts'
import { checkPieces } from './piece-check.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'file-looks-'))
})
afterEach(() => rmSync(dir, { recursive: true }))
afterAll(() => HashPool.shared.close())

const at = (name: string) => path.join(dir, name)
const unasked = () => expect.unreachable('was looked at already')

function lookAt(name: string): BigInt64Array {
  const look = new BigInt64Array(LOOK_NUMBERS)
  putLook(look, 0, statSync(at(name), { bigint: true }))
  return look
}

test('a file that looks the same each time looks like that', () => {
  writeFileSync(at('a'), 'content')
  const looks = new FileLooks(1)
  looks.addAll(lookAt('a'), 1, () => 0)
  looks.addAll(lookAt('a'), 1, () => 0)
  expect(looks.of(0, unasked)).toEqual(new ContentFolder(dir).statSync(['a']))
})

test.each([
  ['its size', () => writeFileSync(at('a'), 'longer content')],
  ['its time', () => utimesSync(at('a'), 1, 1)],
  ['the file of that name', () => writeFileSync(at('b'), 'content')],
])('a file that changed %s between two parts of it has no look', (_, change) => {
  writeFileSync(at('a'), 'content')
  const looks = new FileLooks(1)
  looks.addAll(lookAt('a'), 1, () => 0)
  change()
  const second = lookAt(statSync(at('b'), { throwIfNoEntry: false }) ? 'b' : 'a')
  looks.addAll(second, 1, () => 0)
  // Not even when it looks as it did at first again.
  looks.addAll(second, 1, () => 0)
  expect(looks.of(0, unasked)).toBeUndefined()
})

test('what was not read is looked at', () => {
  const looks = new FileLooks(2)
  const look = { size: 1, allocatedBytes: 0, mtimeNs: 2n, ctimeNs: 3n, inode: 4n, isFile: true }
  looks.addAll(new BigInt64Array(LOOK_NUMBERS), 1, () => 0)
  looks.know(1, look)
  expect(looks.of(0, () => look)).toBe(look)
  expect(looks.of(1, unasked)).toEqual(look)
})

test.each(['v1', 'v2', 'hybrid'] as const)(
  'a check looks at every file that it reads (%s)',
  async (format) => {
    const lengths = { a: 50_000, b: 1000, c: 40_000, d: 0, e: 20_000 }
    for (const [name, length] of Object.entries(lengths)) writeFileSync(at(name), Buffer.alloc(length, name))
    const { metainfo } = await createMetainfo({ paths: [dir], format, pieceLength: 16_384 })
    const looks = new FileLooks(metainfo.files.length)
    rmSync(at('c'))
    const found = await checkPieces(metainfo, path.dirname(dir), { looks, usesOwnThread: true })
    expect(found.count).toBeGreaterThan(0)
    const folder = new ContentFolder(dir)
    for (const [index, { path: components, length, isPad }] of metainfo.files.entries()) {
      if (isPad) continue
      const isRead = length > 0 && components[0] !== 'c'
      if (isRead) expect(looks.of(index, unasked)).toEqual(folder.statSync(components))
      else expect(looks.of(index, () => undefined)).toBeUndefined()
    }
  },
)
