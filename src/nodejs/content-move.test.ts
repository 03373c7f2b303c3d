import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { torrentFixture } from '../../test/kit/torrent-fixture.ts'
import { parseMetainfo } from '../wire/metainfo.ts'
import { ContentFolder } from './content-folder.ts'
import { type ContentMove, copyContent, moveContent } from './content-move.ts'
import { nodeCrypto } from './node-crypto.ts'

/** Memory, which is another file system than the temporary folder nearly everywhere. */
const MEMORY = '/dev/shm'
const isOther = existsSync(MEMORY) && statSync(MEMORY).dev !== statSync(tmpdir()).dev
if (!isOther) console.log(`skipped: ${MEMORY} is no file system of its own here`)

let roots: string[]
let move: ContentMove

function begin(from: string, to: string): void {
  const fixture = torrentFixture({ name: 'library', files: { a: 1000, 'b/c': 5_000_000 }, format: 'v1' })
  const parsed = parseMetainfo(fixture.bytes, nodeCrypto)
  if (!parsed.ok) throw new Error(parsed.error.message)
  roots = [from, to].map((folder) => mkdtempSync(path.join(folder, 'shoal-move-')))
  mkdirSync(path.join(roots[0]!, 'library', 'b'), { recursive: true })
  writeFileSync(path.join(roots[0]!, 'library', 'a'), Buffer.alloc(1000, 1))
  writeFileSync(path.join(roots[0]!, 'library', 'b', 'c'), Buffer.alloc(5_000_000, 2))
  const [source, target] = roots.map((root) => new ContentFolder(root))
  move = {
    metainfo: parsed.value,
    paths: parsed.value.files.map((file) => ['library', ...file.path]),
    isSelected: () => true,
    sideFile: ['.shoal', 'parts'],
    from: source!,
    to: target!,
  }
}

const bytesOf = (root: string, name: string) => readFileSync(path.join(root, 'library', name)).length

afterEach(() => {
  for (const root of roots) rmSync(root, { recursive: true })
})

describe.skipIf(!isOther)('to another file system', () => {
  beforeEach(() => begin(MEMORY, tmpdir()))

  test('all is copied while it stays in its place; the move then only removes it there', async () => {
    const [from, to] = roots as [string, string]
    const copied = await copyContent(move, new AbortController().signal)
    expect([...copied]).toEqual([0, 1])
    expect([bytesOf(from, 'a'), bytesOf(from, 'b/c')]).toEqual([1000, 5_000_000])
    moveContent(move, copied)
    expect([bytesOf(to, 'a'), bytesOf(to, 'b/c')]).toEqual([1000, 5_000_000])
    expect(readdirSync(from)).toEqual([])
  })

  test('stopped in the middle of a file it does not count as copied; a later move ends it', async () => {
    const [from, to] = roots as [string, string]
    const controller = new AbortController()
    const copying = copyContent(move, controller.signal)
    const looking = setInterval(() => {
      if (existsSync(path.join(to, 'library', 'b', 'c'))) controller.abort()
    })
    const copied = await copying
    clearInterval(looking)
    controller.abort()
    expect(bytesOf(from, 'b/c')).toBe(5_000_000)
    moveContent(move, copied)
    expect(readFileSync(path.join(to, 'library', 'b', 'c')).equals(Buffer.alloc(5_000_000, 2))).toBe(true)
    expect(readdirSync(from)).toEqual([])
  })

  test('stopped before, nothing is copied', async () => {
    expect((await copyContent(move, AbortSignal.abort())).size).toBe(0)
    expect(readdirSync(roots[1]!)).toEqual([])
  })
})

test('within a file system nothing is copied', async () => {
  begin(tmpdir(), tmpdir())
  expect((await copyContent(move, new AbortController().signal)).size).toBe(0)
  moveContent(move)
  expect([bytesOf(roots[1]!, 'a'), bytesOf(roots[1]!, 'b/c')]).toEqual([1000, 5_000_000])
})
