import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { encodeUtf8, fromLatin1 } from '../base/text.ts'
import { distinctPaths, safeComponent, safeLine, safePath, safeTorrentName } from './file-names.ts'

/**
 * Pieces of names that have got out of folders or fooled people; every pair of them makes
 * the corpus (S01, S03).
 */
const HOSTILE = [
  '..',
  '.',
  '/',
  '\\',
  '/etc/passwd',
  '\\\\server\\share',
  'C:',
  '\0',
  '\x1b[2J',
  '\r\n',
  '\x7f',
  '\u0085',
  '\u009b',
  '\u202e',
  '\u2066',
  '\u061c',
  '\u200b',
  '\ufeff',
  '\u2028',
  '．．',
  '%2e%2e%2f',
  '~',
  'con',
  ' ',
  '',
]
const CORPUS = HOSTILE.flatMap((a) => HOSTILE.map((b) => a + b))

const NAMES = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.array(fc.constantFrom(...HOSTILE, 'a', 'ä', '.txt'), { maxLength: 6 }).map((parts) => parts.join('')),
)

function expectSafe(name: string): void {
  expect(name).not.toMatch(/^\.{0,2}$/)
  expect(name).not.toMatch(
    /[/\\\p{Control}\p{Surrogate}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u,
  )
  expect(encodeUtf8(name).length).toBeLessThanOrEqual(255)
}

describe('one component', () => {
  test.each([
    'a.txt',
    '.hidden',
    'a b',
    'Ünïcödé 日本.png',
    '👩‍👩‍👧.jpg',
    'e\u0301',
    '...',
    '-rf',
    '$(id)',
    'con',
    'a:b',
    'x. ',
  ])('%s stays as it is', (name) => {
    expect(safeComponent(encodeUtf8(name))).toBe(name)
    expect(safeComponent(name)).toBe(name)
  })

  test.each([
    ['', '_'],
    ['.', undefined],
    ['..', undefined],
    ['/', undefined],
    ['\\..\\', undefined],
    ['./.', undefined],
    ['../x', '..x'],
    ['a/b\\c', 'abc'],
    ['a\0b', 'ab'],
    ['a\x1b[2J', 'a_[2J'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['.\u200b.', undefined],
    ['a\ud800b', 'a_b'],
  ])('%j becomes %j', (name, safe) => {
    expect(safeComponent(name)).toBe(safe)
  })

  test.each([
    ['\xff', '_'],
    ['\xc3\x28x', '_x'],
    ['ab\xe2\x82', 'ab_'],
    ['\xc0\xae\xc0\xae', '__'],
    ['\xed\xa0\x80', '_'],
    ['\xf8\x88\x80\x80\x80x', '_____x'],
  ])('bytes %j that are not UTF-8 become %j', (bytes, safe) => {
    expect(safeComponent(fromLatin1(bytes))).toBe(safe)
  })

  test('no name of the corpus is unsafe, whatever the rules (S01, S03)', () => {
    expect(CORPUS.length).toBeGreaterThan(200)
    for (const name of CORPUS)
      for (const rules of [{}, { windows: true }]) {
        const safe = safeComponent(name, rules)
        if (safe !== undefined) expectSafe(safe)
        for (const component of safePath([name, name], rules)) expectSafe(component)
      }
  })

  test('nor is any other name, and what is safe stays', () => {
    fc.assert(
      fc.property(NAMES, fc.boolean(), (name, windows) => {
        const safe = safeComponent(name, { windows })
        if (safe === undefined) return
        expectSafe(safe)
        expect(safeComponent(safe, { windows })).toBe(safe)
        expect(safeComponent(encodeUtf8(safe), { windows })).toBe(safe)
      }),
      { numRuns: 1000 },
    )
  })

  test('a long name keeps its extension and whole characters', () => {
    expect(safeComponent(`${'x'.repeat(300)}.jpeg`)).toBe(`${'x'.repeat(240)}.jpeg`)
    expect(safeComponent(`${'x'.repeat(250)}.jpeg`)).toBe(`${'x'.repeat(250)}.jpeg`)
    expect(safeComponent('€'.repeat(90))).toBe('€'.repeat(80))
    expect(safeComponent(`a.${'x'.repeat(300)}`)).toBe(`a.${'x'.repeat(238)}`)
  })

  test.each([
    ['con', '_con'],
    ['NUL.txt', '_NUL.txt'],
    ['com1', '_com1'],
    ['com¹', '_com¹'],
    ['lpt9 .x', '_lpt9 .x'],
    ['console', 'console'],
    ['com10', 'com10'],
    ['a<b>c:d"e|f?g*h', 'a_b_c_d_e_f_g_h'],
    ['name. . ', 'name'],
    ['con. ', '_con'],
    ['...', '_'],
  ])('on Windows %j becomes %j', (name, safe) => {
    expect(safeComponent(name, { windows: true })).toBe(safe)
  })

  test('a torrent cannot take the name of our own folder', () => {
    for (const name of ['.shoal', '.SHOAL', '.sho\u200bal', '/.shoal'])
      expect(safeTorrentName(name)).toMatch(/^_\.shoal$/i)
    expect(safeTorrentName('.shoals')).toBe('.shoals')
    expect(safeTorrentName('..')).toBeUndefined()
  })
})

describe('paths', () => {
  test('lose what is nothing, and are never empty', () => {
    expect(safePath(['..', 'a', '.', '../b'])).toEqual(['a', '..b'])
    expect(safePath(['..', '/'])).toEqual(['_'])
    expect(safePath([])).toEqual(['_'])
    expect(safePath(['', 'a'])).toEqual(['_', 'a'])
  })

  function distinct(paths: (string | undefined)[], ignoreCase = false): (string | undefined)[] {
    const result = distinctPaths(
      paths.map((path) => path?.split('/')),
      { ignoreCase },
    )
    if (!result.ok) throw new Error(result.error.code)
    return result.value.map((path) => path?.join('/'))
  }

  test('that are equal get numbers; the first keeps its name, and so do folders (S04)', () => {
    expect(distinct(['a.txt', 'a.txt', 'b/a.txt', 'a.txt'])).toEqual([
      'a.txt',
      'a.1.txt',
      'b/a.txt',
      'a.2.txt',
    ])
    expect(distinct(['a', 'a/b', 'a/b/c'])).toEqual(['a.1', 'a/b.1', 'a/b/c'])
    expect(distinct(['a', 'a.1', 'a', 'a.1'])).toEqual(['a', 'a.1', 'a.2', 'a.1.1'])
    expect(distinct(['.x', '.x', 'd.x/f', 'd.x/f'])).toEqual(['.x', '.1.x', 'd.x/f', 'd.x/f.1'])
    expect(distinct([undefined, 'a', undefined])).toEqual([undefined, 'a', undefined])
  })

  test('that differ in case or normal form are one where the disk says so (S03)', () => {
    expect(distinct(['A', 'a', 'é', 'e\u0301', 'Dir/x', 'dir/X'])).toEqual([
      'A',
      'a',
      'é',
      'e\u0301',
      'Dir/x',
      'dir/X',
    ])
    expect(distinct(['A', 'a', 'é', 'e\u0301', 'Dir/x', 'dir/X'], true)).toEqual([
      'A',
      'a.1',
      'é',
      'e\u0301.1',
      'Dir/x',
      'dir/X.1',
    ])
  })

  test('are distinct in the end, the same each time, and too many are refused', () => {
    const paths = fc.array(fc.stringMatching(/^[ab]{1,2}(\/[ab.1]{1,3})?$/), { maxLength: 60 })
    fc.assert(
      fc.property(paths, fc.boolean(), (list, ignoreCase) => {
        const result = distinct(list, ignoreCase)
        expect(new Set(result).size).toBe(list.length)
        expect(distinct(list, ignoreCase)).toEqual(result)
        // In order the short way is taken, where case counts.
        const sorted = list.toSorted((a, b) => (a.replace('/', '\0') < b.replace('/', '\0') ? -1 : 1))
        expect(distinct(sorted, false)).toEqual(distinct(sorted, true))
        const folders = new Set(result.flatMap((path) => (path!.includes('/') ? [path!.split('/')[0]] : [])))
        expect(result.filter((path) => folders.has(path))).toEqual([])
      }),
    )
    const max = LIMITS.duplicateNamesMax.value
    expect(distinctPaths(Array.from({ length: max + 1 }, () => ['a'])).ok).toBe(true)
    const tooMany = distinctPaths(Array.from({ length: max + 2 }, () => ['a']))
    expect(tooMany.ok ? '' : tooMany.error.code).toBe('names/too-many-duplicates')
  })

  test('a long name stays short enough with its number', () => {
    const name = `${'x'.repeat(250)}.jpeg`
    for (const path of distinct([name, name, name])) expect(path!.length).toBeLessThanOrEqual(255)
  })
})

test('a line for people keeps separators, and nothing moves the cursor', () => {
  expect(safeLine('http://a/b\\c')).toBe('http://a/b\\c')
  expect(safeLine('a\r\nb\x1b[31m\u202ec\0')).toBe('a  b [31mc')
  expect(safeLine(fromLatin1('\xff\xc3\xa4'))).toBe('_ä')
})
