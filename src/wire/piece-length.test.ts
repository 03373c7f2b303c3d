import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FormatPlan, type FormatRequest, planFormat } from './piece-length.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

function plan(lengths: number[], request: Partial<FormatRequest> = {}): FormatPlan {
  const result = planFormat(lengths, { format: 'auto', ...request })
  if (!result.ok) throw new Error(result.error.code)
  return result.value
}

function faultOf(lengths: number[], request: Partial<FormatRequest>): string | undefined {
  const result = planFormat(lengths, { format: 'auto', ...request })
  return result.ok ? undefined : result.error.code
}

const equalFiles = (count: number, length: number) => Array.from({ length: count }, () => length)

describe('piece length', () => {
  test.each([
    [1, 16 * KIB, 1],
    [31 * MIB, 16 * KIB, 1984],
    [32 * MIB, 32 * KIB, 1024],
    [700 * MIB, 512 * KIB, 1400],
    [4 * GIB, 4 * MIB, 1024],
    [1024 * GIB, 16 * MIB, 65_536],
  ])('of one file of %d bytes is %d, for %d pieces', (length, pieceLength, pieceCount) => {
    expect(plan([length])).toMatchObject({ pieceLength, pieceCount, format: 'hybrid', warnings: [] })
  })

  test('is a power of two that gives about a thousand to two thousand pieces where it can', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 44 }), (length) => {
        const { pieceLength, pieceCount } = plan([length], { format: 'v1' })
        expect(Number.isInteger(Math.log2(pieceLength))).toBe(true)
        expect(pieceLength >= 16 * KIB && pieceLength <= 16 * MIB).toBe(true)
        expect(pieceCount).toBe(Math.ceil(length / pieceLength))
        if (pieceLength > 16 * KIB) expect(pieceCount).toBeGreaterThanOrEqual(1000)
        if (pieceLength < 16 * MIB) expect(pieceCount).toBeLessThanOrEqual(2000)
      }),
    )
  })

  test('gets shorter for many files where padding would be more than a quarter', () => {
    // 2,000 pictures of 350 kB: 512 KiB by size alone, half of it padding.
    expect(plan(equalFiles(2000, 350_000), { format: 'v1' }).pieceLength).toBe(512 * KIB)
    expect(plan(equalFiles(2000, 350_000))).toMatchObject({
      format: 'hybrid',
      pieceLength: 128 * KIB,
      pieceCount: 6000,
    })
    expect(plan(equalFiles(2000, 350_000), { format: 'v2' })).toMatchObject({
      pieceLength: 512 * KIB,
      pieceCount: 2000,
    })
  })
})

describe('format', () => {
  test('auto is a hybrid that says what it costs', () => {
    expect(plan([40_000, 7, 0, 100_000])).toEqual({
      format: 'hybrid',
      pieceLength: 16 * KIB,
      isAligned: true,
      pieceCount: 11,
      reason: 'hybrid: 11 pieces of 16384 B, 19 % padding',
      warnings: [],
    })
  })

  test.each([
    ['20,001 files', equalFiles(20_001, 16 * KIB), 'v1: 20001 files are more than the 20000 of a hybrid'],
    ['65,537 pieces', [1025 * GIB], 'v1: a hybrid would have 65600 pieces, more than 65536'],
    ['tiny files', equalFiles(100, 1000), 'v1: a hybrid would have far more than 25 % padding'],
  ])('auto is v1 for %s', (_, lengths, reason) => {
    expect(plan(lengths)).toMatchObject({ format: 'v1', isAligned: false, reason })
  })

  test('auto is a hybrid up to the limits themselves', () => {
    expect(plan(equalFiles(20_000, 16 * KIB)).format).toBe('hybrid')
    expect(plan([1024 * GIB]).format).toBe('hybrid')
    expect(plan([4 * 16 * KIB - 4 * KIB, 16 * KIB]).format).toBe('hybrid')
  })

  test('padding after the last file does not count', () => {
    expect(plan([1]).reason).toBe('hybrid: 1 piece of 16384 B, 0 % padding')
    expect(plan([16 * KIB, 1, 0]).format).toBe('hybrid')
    expect(plan([1, 16 * KIB]).format).toBe('v1')
  })

  test('what is asked for is done, and aligned when asked', () => {
    expect(plan([5, 5], { format: 'v1' })).toMatchObject({
      format: 'v1',
      isAligned: false,
      pieceCount: 1,
      reason: 'v1 as asked',
    })
    expect(plan([5, 5], { format: 'v1', align: true })).toMatchObject({ isAligned: true, pieceCount: 2 })
    expect(plan([5, 5], { format: 'v2' })).toMatchObject({
      isAligned: true,
      pieceCount: 2,
      reason: 'v2 as asked',
    })
    expect(plan([5, 5], { format: 'hybrid' })).toMatchObject({ format: 'hybrid', pieceCount: 2 })
  })
})

describe('a piece length that is asked for', () => {
  test('is used', () => {
    expect(plan([GIB], { pieceLength: 16 * KIB })).toMatchObject({
      pieceLength: 16 * KIB,
      pieceCount: 65_536,
      format: 'hybrid',
    })
    expect(plan([GIB + 1], { pieceLength: 16 * KIB }).format).toBe('v1')
  })

  test('of 256000 bytes means v1 and a warning', () => {
    const odd = plan([1_000_000, 5], { pieceLength: 256_000, align: true })
    expect(odd).toMatchObject({
      format: 'v1',
      pieceLength: 256_000,
      pieceCount: 5,
      reason: 'v1: 256000 B is no power of two',
    })
    expect(odd.warnings.map(({ code }) => code)).toEqual(['metainfo/odd-piece-length'])
    expect(plan([1], { pieceLength: 256_000, format: 'v1' }).warnings).toHaveLength(1)
    expect(faultOf([1], { pieceLength: 256_000, format: 'v2' })).toBe('metainfo/bad-piece-length')
    expect(faultOf([1], { pieceLength: 256_000, format: 'hybrid' })).toBe('metainfo/bad-piece-length')
  })

  test.each([0, -1, 1.5, 16 * KIB - 1, Number.NaN, 2 ** 30])('of %d is refused', (pieceLength) => {
    expect(faultOf([1], { pieceLength })).toBe('metainfo/bad-piece-length')
  })

  test('that gives too many pieces is refused', () => {
    expect(faultOf([2 ** 40], { pieceLength: 16 * KIB })).toBe('metainfo/too-many-pieces')
  })
})

test('content without a byte is refused', () => {
  expect(faultOf([], {})).toBe('metainfo/no-content')
  expect(faultOf([0, 0], {})).toBe('metainfo/no-content')
})
