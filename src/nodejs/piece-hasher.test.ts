import { createHash } from 'node:crypto'
import {
  appendFileSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { merkleRoot } from '../wire/merkle.ts'
import type { HashJob, PieceHashes } from './hash-job.ts'
import { nodeCrypto } from './node-crypto.ts'
import { PieceHasher } from './piece-hasher.ts'
import { SliceList } from './slices.ts'

type Format = 'v1' | 'v2' | 'hybrid'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'piece-hasher-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const prng = new Prng(7)
const content = (length: number) => Buffer.from(prng.bytes(length))
const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest()
const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex')

/** The hashes by the book: everything in memory, one step after the other. */
function expectedHashes(
  files: readonly Buffer[],
  pieceLength: number,
  format: Format,
): Pick<PieceHashes, 'v1' | 'v2'> {
  const pieces = files.flatMap((file) => cut(file, pieceLength).map((piece) => ({ piece, file })))
  const padded = pieces.map(({ piece }, i) =>
    i === pieces.length - 1 ? piece : Buffer.concat([piece, Buffer.alloc(pieceLength - piece.length)]),
  )
  const stream = format === 'hybrid' ? padded : cut(Buffer.concat(files), pieceLength)
  return {
    v1: format === 'v2' ? null : Buffer.concat(stream.map(sha1)),
    v2:
      format === 'v1'
        ? null
        : Buffer.concat(
            pieces.map(({ piece, file }) =>
              pieceRoot(piece, file.length > pieceLength ? pieceLength : file.length),
            ),
          ),
  }
}

function pieceRoot(piece: Buffer, treeLength: number): Uint8Array {
  const leaves = Buffer.concat(cut(piece, 16_384).map((block) => createHash('sha256').update(block).digest()))
  return merkleRoot(leaves, nodeCrypto, 0, 2 ** Math.ceil(Math.log2(Math.ceil(treeLength / 16_384))))
}

function cut(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
    bytes.subarray(i * length, (i + 1) * length),
  )
}

function write(files: readonly Buffer[]): void {
  for (const [i, file] of files.entries()) writeFileSync(path.join(dir, `${i}`), file)
}

function job(
  files: readonly Buffer[],
  pieceLength: number,
  format: Format,
  rest: Partial<HashJob['settings']> = {},
): HashJob {
  const slices = new SliceList()
  let pieceCount = 0
  for (const [i, { length }] of files.entries()) {
    const { mtimeMs } = statSync(path.join(dir, `${i}`), { throwIfNoEntry: false }) ?? { mtimeMs: 0 }
    if (length > 0) slices.add(0, [`${i}`], 0, length, length, mtimeMs)
    const gap = length === 0 ? 0 : (pieceLength - (length % pieceLength)) % pieceLength
    const isLast = files.slice(i + 1).every((file) => file.length === 0)
    if (format === 'hybrid' && gap > 0 && !isLast) slices.add(0, [], 0, gap, gap)
    pieceCount += Math.ceil(length / pieceLength)
  }
  if (format === 'v1') pieceCount = Math.ceil(files.reduce((sum, file) => sum + file.length, 0) / pieceLength)
  const settings = {
    folders: [dir],
    pieceLength,
    v1: format !== 'v2',
    v2: format !== 'v1',
    isCutAtFiles: format === 'v2',
    isStrict: true,
    ...rest,
  }
  return { id: 0, settings, slices: slices.finish(), pieceCount, cancelled: new SharedArrayBuffer(4) }
}

describe('hashes', () => {
  test('equal those by the book, whatever the files, format and piece length', () => {
    const hasher = new PieceHasher()
    const lengths = fc.array(
      fc.oneof(
        fc.integer({ min: 0, max: 100_000 }),
        fc.constantFrom(1, 16_383, 16_384, 16_385, 32_768, 65_536),
      ),
      { minLength: 1, maxLength: 8 },
    )
    fc.assert(
      fc.property(
        lengths,
        fc.constantFrom<Format>('v1', 'v2', 'hybrid'),
        fc.constantFrom(16_384, 32_768, 65_536),
        (lengths, format, pieceLength) => {
          const files = lengths.map(content)
          write(files)
          const { v1, v2 } = expectedHashes(files, pieceLength, format)
          const hashes = hasher.run(job(files, pieceLength, format))!
          hasher.release()
          expect(hex(hashes.v1)).toBe(hex(v1))
          expect(hex(hashes.v2)).toBe(hex(v2))
          expect(hashes.missing.every((flag) => flag === 0)).toBe(true)
        },
      ),
      { numRuns: 200 },
    )
  })

  test.each(['v1', 'v2', 'hybrid'] as const)('%s pieces longer than the buffer', (format) => {
    const files = [content(5_000_001), content(1), content(4_194_304), content(2_500_000)]
    write(files)
    const hashes = new PieceHasher().run(job(files, 4_194_304, format))!
    const { v1, v2 } = expectedHashes(files, 4_194_304, format)
    expect(hex(hashes.v1)).toBe(hex(v1))
    expect(hex(hashes.v2)).toBe(hex(v2))
  })

  test('a v1 piece length that is no power of two', () => {
    const files = [content(700_000), content(300_000)]
    write(files)
    expect(hex(new PieceHasher().run(job(files, 256_000, 'v1'))!.v1)).toBe(
      hex(expectedHashes(files, 256_000, 'v1').v1),
    )
  })
})

describe('what cannot be read', () => {
  test.each(['v1', 'v2', 'hybrid'] as const)(
    '%s: only the pieces it touches are missing, the others are right',
    (format) => {
      const files = [content(40_000), content(50_000), content(30_000), content(20_000), content(16_384)]
      write(files)
      const wanted = job(files, 16_384, format, { isStrict: false })
      const whole = new PieceHasher().run(wanted)!
      unlinkSync(path.join(dir, '1'))
      truncateSync(path.join(dir, '2'), 24_700)
      unlinkSync(path.join(dir, '3'))
      symlinkSync(path.join(dir, '0'), path.join(dir, '3'))
      const partial = new PieceHasher().run(wanted)!
      // 40000 ends in piece 2; v1 goes on in it, aligned formats begin the next file at piece 3.
      expect([...partial.missing]).toEqual(
        format === 'v1' ? [0, 0, 1, 1, 1, 1, 0, 1, 1, 0] : [0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0],
      )
      for (const [piece, isMissing] of partial.missing.entries()) {
        if (isMissing) continue
        if (whole.v1)
          expect(hex(partial.v1!.subarray(20 * piece, 20 * piece + 20))).toBe(
            hex(whole.v1.subarray(20 * piece, 20 * piece + 20)),
          )
        if (whole.v2)
          expect(hex(partial.v2!.subarray(32 * piece, 32 * piece + 32))).toBe(
            hex(whole.v2.subarray(32 * piece, 32 * piece + 32)),
          )
      }
    },
  )

  test.each([
    ['deleted', () => unlinkSync(path.join(dir, '0')), 'storage/changed'],
    ['cut', () => truncateSync(path.join(dir, '0'), 5), 'storage/changed'],
    ['grown', () => appendFileSync(path.join(dir, '0'), 'x'), 'storage/changed'],
    ['written', () => utimesSync(path.join(dir, '0'), 1, 1), 'storage/changed'],
  ])('strictly, a file that was %s meanwhile is an error', (_, change, code) => {
    const files = [content(40_000)]
    write(files)
    const wanted = job(files, 16_384, 'v1')
    change()
    expect(() => new PieceHasher().run(wanted)).toThrow(expect.objectContaining({ code }))
  })

  test('a cancelled job stops', () => {
    const files = [content(40_000)]
    write(files)
    const wanted = job(files, 16_384, 'v1')
    new Int32Array(wanted.cancelled)[0] = 1
    expect(new PieceHasher().run(wanted)).toBeUndefined()
  })
})
