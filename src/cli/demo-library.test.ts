import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, inflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDemoLibrary } from './demo-library.ts'
import { encodePng } from './png.ts'
import { treeDigest } from './tree-digest.ts'

/** Reads chunks strictly: signature, lengths, checksums. */
function readChunks(png: Buffer): [type: string, data: Buffer][] {
  expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
  const chunks: [string, Buffer][] = []
  for (let at = 8; at < png.length; ) {
    const end = at + 8 + png.readUInt32BE(at)
    expect(png.readUInt32BE(end)).toBe(crc32(png.subarray(at + 4, end)))
    chunks.push([png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, end)])
    at = end + 4
  }
  return chunks
}

test('a picture comes out as it went in', async () => {
  const [width, height] = [5, 4]
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 256)
  const chunks = readChunks(await encodePng(width, height, pixels))
  expect(chunks.map(([type]) => type)).toEqual(['IHDR', 'IDAT', 'IEND'])
  expect([...chunks[0]![1]]).toEqual([0, 0, 0, width, 0, 0, 0, height, 8, 2, 0, 0, 0])
  const lines = inflateSync(chunks[1]![1])
  const rows = Array.from({ length: height }, (_, y) => lines.subarray(y * 16, y * 16 + 16))
  const decoded: number[] = []
  for (const row of rows) {
    expect(row[0]).toBe(2)
    for (let x = 0; x < 15; x++) decoded.push((row[x + 1]! + (decoded.at(-15) ?? 0)) & 255)
  }
  expect(decoded).toEqual([...pixels])
})

describe('the library', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-library-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('is made of pictures in nested albums, and the same again from the same seed', async () => {
    const one = await makeDemoLibrary({ dir: join(folder, 'one'), images: 24, seed: 1 })
    const two = await makeDemoLibrary({ dir: join(folder, 'two'), images: 24, seed: 1 })
    const other = await makeDemoLibrary({ dir: join(folder, 'other'), images: 24, seed: 2 })
    expect(await treeDigest(one.dir)).toBe(await treeDigest(two.dir))
    expect(await treeDigest(one.dir)).not.toBe(await treeDigest(other.dir))
    const files = (await readdir(one.dir, { recursive: true })).filter((name) => name.endsWith('.png'))
    expect(files).toHaveLength(24)
    expect(new Set(files.map((file) => file.split('/').length)).size).toBeGreaterThan(1)
    let bytes = 0
    for (const file of files) {
      const png = await readFile(join(one.dir, file))
      expect(readChunks(png)).toHaveLength(3)
      bytes += png.length
    }
    expect(one).toEqual({ dir: join(folder, 'one'), files: 24, bytes })
  })
})
