import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  exactDuration,
  exactRate,
  exactSize,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  parseCount,
  parseDuration,
  parseRate,
  parseSize,
} from './units.ts'

const value = (result: ReturnType<typeof parseSize>) => (result.ok ? result.value : result.error.message)
const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

describe('parsing is exact', () => {
  test.each([
    ['16384', 16384],
    ['0', 0],
    ['256KiB', 262144],
    ['256 kib', 262144],
    ['1MB', 1_000_000],
    ['1.5MiB', 1_572_864],
    ['0.1 kB', 100],
    ['4.35GB', 4_350_000_000],
    ['8191TiB', 8191 * 1024 ** 4],
  ])('size %s', (text, bytes) => expect(value(parseSize(text))).toBe(bytes))

  test.each([
    '',
    ' ',
    '-1',
    '+1',
    'nan',
    'NaN',
    'Infinity',
    '1e3',
    '0x10',
    '1,5MB',
    '1.',
    '.5',
    '1 MB/s',
    '12KX',
    '1.0001kB',
    '0.1KiB',
    '9000TiB',
    '1 2',
  ])('size %j is refused', (text) =>
    expect(parseSize(text)).toMatchObject({ ok: false, error: { code: 'usage/bad-value' } }),
  )

  test.each([
    ['20MB/s', 20_000_000],
    ['512KiB/s', 524_288],
    ['512 KiB/sec', 524_288],
    ['65536', 65536],
  ])('rate %s', (text, rate) => expect(value(parseRate(text))).toBe(rate))

  test.each([
    ['500ms', 500],
    ['3s', 3000],
    ['1h', 3_600_000],
    ['0.5', 500],
    ['90', 90_000],
    ['1.5m', 90_000],
    ['3m 20s', 200_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
  ])('duration %s', (text, ms) => expect(value(parseDuration(text))).toBe(ms))

  test.each(['', '-3s', 's', '3 s s', '3x', '1.5ms', 'nan', '3s,', '1..5s'])(
    'duration %j is refused',
    (text) => expect(parseDuration(text).ok).toBe(false),
  )

  test.each(['', '-1', '1.5', '1e3', 'nan', '99999999999999999999'])('count %j is refused', (text) =>
    expect(parseCount(text).ok).toBe(false),
  )
})

describe('exact text reads in again as the same value', () => {
  test('sizes', () => fc.assert(fc.property(safe, (n) => value(parseSize(exactSize(n))) === n)))
  test('rates', () => fc.assert(fc.property(safe, (n) => value(parseRate(exactRate(n))) === n)))
  test('durations', () => fc.assert(fc.property(safe, (n) => value(parseDuration(exactDuration(n))) === n)))
  test('whole multiples keep their unit', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999 }),
        (n) => exactSize(n * 1024) === `${n}KiB` && exactDuration(n * 1001 * 1000) !== '',
      ),
    ))
  test('no text makes a parser throw or give a fraction', () =>
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [parseSize, parseRate, parseDuration, parseCount]) {
          const parsed = parse(text)
          if (parsed.ok) expect(Number.isSafeInteger(parsed.value) && parsed.value >= 0).toBe(true)
        }
      }),
    ))
})

describe('text for people', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_951, '1.0 MB'],
    [3_141_592, '3.1 MB'],
    [40_200_000_000, '40.2 GB'],
  ])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  test.each([
    [0.04, '0.0s'],
    [3.14, '3.1s'],
    [9.96, '10s'],
    [59.4, '59s'],
    [200, '3m 20s'],
    [3599.7, '1h 0m'],
    [3840, '1h 4m'],
    [183_600, '2d 3h'],
    [Infinity, '-'],
  ])('%d seconds', (seconds, text) => expect(formatDuration(seconds)).toBe(text))

  test('rates and counts', () => {
    expect(formatRate(3_100_000)).toBe('3.1 MB/s')
    expect(formatCount(1, 'peer')).toBe('1 peer')
    expect(formatCount(0, 'library', 'libraries')).toBe('0 libraries')
  })
})
