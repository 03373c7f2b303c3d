import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { HashPool, type HashWork } from './hash-pool.ts'
import { createMetainfo } from './metainfo-creation.ts'
import { checkPieces } from './piece-check.ts'

const FORMATS = ['v1', 'v2', 'hybrid'] as const
const LENGTHS = { a: 50_000, b: 1000, 'c/d': 40_000, 'c/e': 0 }
const prng = new Prng(5)
let base: string
const at = (name: string) => path.join(base, 'tree', name)

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'piece-check-'))
  mkdirSync(path.join(base, 'tree/c'), { recursive: true })
  for (const [name, length] of Object.entries(LENGTHS)) writeFileSync(at(name), prng.bytes(length))
})
afterEach(() => rmSync(base, { recursive: true }))
afterAll(() => HashPool.shared.close())

const create = async (format: (typeof FORMATS)[number]) =>
  (await createMetainfo({ paths: [path.join(base, 'tree')], format, pieceLength: 16_384 })).metainfo

/** Right pieces as a picture. */
async function picture(metainfo: Metainfo, pieces?: Iterable<number>): Promise<string> {
  const told = new Map<number, boolean>()
  const right = await checkPieces(metainfo, base, {
    ...(pieces && { pieces }),
    onPiece: (piece, isRight) => {
      expect(told.has(piece)).toBe(false)
      told.set(piece, isRight)
    },
  })
  expect([...right.ones()]).toEqual(
    [...told]
      .filter(([, isRight]) => isRight)
      .map(([piece]) => piece)
      .sort((a, b) => a - b),
  )
  return Array.from({ length: metainfo.pieceCount }, (_, piece) =>
    told.get(piece) === undefined ? ' ' : told.get(piece) ? '#' : '.',
  ).join('')
}

function flip(name: string, position: number): void {
  const fd = openSync(at(name), 'r+')
  writeSync(fd, Buffer.from([readFileSync(at(name))[position]! ^ 1]), 0, 1, position)
  closeSync(fd)
}

// v1: a is pieces 0-3, b piece 3, c/d 3-5. Aligned: a 0-3, b 4, c/d 5-7.
describe.each(FORMATS)('%s', (format) => {
  const isAligned = format !== 'v1'

  test('everything there', async () =>
    expect(await picture(await create(format))).toBe(isAligned ? '########' : '######'))

  test('one byte wrong', async () => {
    const metainfo = await create(format)
    flip('c/d', 20_000)
    expect(await picture(metainfo)).toBe(isAligned ? '######.#' : '####.#')
  })

  test('missing, short and too long files', async () => {
    const metainfo = await create(format)
    unlinkSync(at('b'))
    truncateSync(at('a'), 20_000)
    appendFileSync(at('c/d'), 'more')
    expect(await picture(metainfo)).toBe(isAligned ? '#...' + '.###' : '#...##')
  })

  test('nothing there at all', async () => {
    const metainfo = await create(format)
    rmSync(path.join(base, 'tree'), { recursive: true })
    expect(await picture(metainfo)).toBe('.'.repeat(metainfo.pieceCount))
  })

  test('links are not followed', async () => {
    const metainfo = await create(format)
    writeFileSync(path.join(base, 'b'), readFileSync(at('b')))
    unlinkSync(at('b'))
    symlinkSync(path.join(base, 'b'), at('b'))
    expect(await picture(metainfo)).toBe(isAligned ? '####.###' : '###.##')
  })

  test('only the pieces asked for', async () => {
    const metainfo = await create(format)
    unlinkSync(at('b'))
    expect(await picture(metainfo, new Set([5, 3, 0]))).toBe(isAligned ? '#  # #  ' : '#  . #')
    expect(await picture(metainfo, [])).toBe(' '.repeat(metainfo.pieceCount))
  })

  test('an aborted check ends', async () => {
    await expect(
      checkPieces(await create(format), base, { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough')
  })
})

/** Says how many pieces were read. */
class CountingPool extends HashPool {
  pieceCount = 0

  override run(work: HashWork, signal?: AbortSignal): Promise<void> {
    const count = (pieces: number) => {
      this.pieceCount += pieces
    }
    function* counted() {
      for (let next = work.jobs.next(); !next.done; next = work.jobs.next()) {
        count(next.value?.pieceCount ?? 0)
        yield next.value
      }
    }
    return super.run({ ...work, jobs: counted() }, signal)
  }
}

test.each([true, false])(
  'what a long file lacks is not looked for piece by piece (%s)',
  async (usesOwnThread) => {
    truncateSync(at('a'), 40 * 1024 * 1024)
    const metainfo = await create('v1')
    truncateSync(at('a'), 100_000)
    const pool = new CountingPool(usesOwnThread ? 1 : 2)
    const told = new Set<number>()
    let bytes = 0
    const right = await checkPieces(metainfo, base, {
      pool,
      usesOwnThread,
      onPiece: (piece) => {
        expect(told.has(piece)).toBe(false)
        told.add(piece)
      },
      onProgress: (count) => {
        bytes = count
      },
    })
    await pool.close()
    expect([...right.ones()]).toEqual([0, 1, 2, 3, 4, 5, 2560, 2561, 2562])
    expect(told.size).toBe(metainfo.pieceCount)
    expect(bytes).toBe(6 * 16_384 + metainfo.contentLength - 2560 * 16_384)
    if (usesOwnThread) expect(pool.pieceCount).toBeLessThan(600)
  },
)

describe('v2 without piece layers', () => {
  const withoutLayers = async () => {
    const metainfo = await create('v2')
    return { ...metainfo, files: metainfo.files.map((file) => ({ ...file, pieceLayer: null })) }
  }

  test('a file is right as a whole', async () =>
    expect(await picture(await withoutLayers())).toBe('########'))

  test('or wrong as a whole', async () => {
    const metainfo = await withoutLayers()
    flip('a', 5)
    expect(await picture(metainfo)).toBe('....####')
    truncateSync(at('c/d'), 20_000)
    expect(await picture(metainfo)).toBe('....#...')
  })

  test('and proves nothing in part', async () =>
    expect(await picture(await withoutLayers(), [0, 1, 4])).toBe('..  #   '))
})
