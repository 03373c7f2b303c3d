import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../base/text.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import { locateFiles } from './content-location.ts'
import { HashPool } from './hash-pool.ts'
import { createMetainfo } from './metainfo-creation.ts'
import { checkPieces } from './piece-check.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'content-location-'))
})
afterEach(() => rmSync(base, { recursive: true }))
afterAll(() => HashPool.shared.close())

/** A file below `base`, whose names are characters for bytes. */
function make(names: readonly string[], content: Uint8Array | string = names.join()): void {
  const below = (some: readonly string[]) =>
    Buffer.concat([Buffer.from(base), ...some.map((name) => Buffer.from(`/${name}`, 'latin1'))])
  mkdirSync(below(names.slice(0, -1)), { recursive: true })
  writeFileSync(below(names), content)
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1')

const ODD_NAMES = [
  'plain',
  'back\\slash',
  'backslash',
  '\\',
  '\xff\xfe',
  '__',
  'new\nline',
  'new_line',
  'tab\t',
  'a:b?*"<>|',
  'CON',
  'dot.',
  'space ',
  latin1('right\u202eleft'),
  latin1('zero\u200bwidth'),
  'zerowidth',
  latin1('\u00e9'),
  latin1('e\u0301'),
  'Case',
  'case',
  `${'x'.repeat(251)}.jpg`,
]

describe.runIf(process.platform === 'linux')('shared from here', () => {
  describe.each(['top', 'to\\p', 'to\np'])('as %j', (top) => {
    test.each(['v1', 'v2', 'hybrid'] as const)('odd names are found: %s', async (format) => {
      for (const [index, name] of ODD_NAMES.entries()) make([top, name], Buffer.alloc(900 * index + 1, index))
      make([top, 'fol\\der', 'sub\xff', 'f\\g'])
      const { metainfo } = await createMetainfo({
        paths: [path.join(base, top)],
        format,
        pieceLength: 16_384,
      })
      expect(metainfo.files.filter((file) => !file.isPad)).toHaveLength(ODD_NAMES.length + 1)
      expect((await checkPieces(metainfo, base)).isFull).toBe(true)
    })
  })

  test.each(['v1', 'v2', 'hybrid'] as const)('a single file is found: %s', async (format) => {
    make(['si\\ngle\n'])
    const { metainfo } = await createMetainfo({ paths: [path.join(base, 'si\\ngle\n')], format })
    expect(metainfo.name).toBe('single_')
    expect((await checkPieces(metainfo, base)).isFull).toBe(true)
  })
})

/** Files of a torrent called `top`, each `[safe name, exact name]`. */
function torrentOf(names: readonly (readonly [string, string])[], top: readonly [string, string]): Metainfo {
  const entry = ([safe, exact]: readonly [string, string]) =>
    ({ path: [safe], rawPath: [encodeUtf8(exact)], isPad: false }) as unknown as FileEntry
  return {
    name: top[0],
    rawName: encodeUtf8(top[1]),
    isSingleFile: false,
    files: names.map(entry),
  } as unknown as Metainfo
}

function located(names: readonly (readonly [string, string])[], top: readonly [string, string] = ['t', 't']) {
  const textOf = (name: PathComponent) => Buffer.from(name).toString()
  const paths = locateFiles(torrentOf(names, top), new ContentFolder(base))
  return names.map((_, file) => paths.at(file)!.map(textOf).join('/'))
}

describe('between exact and safe names', () => {
  test('what is not there gets its safe name', () => {
    expect(located([['a_b', 'a\nb']])).toEqual(['t/a_b'])
  })

  test.skipIf(process.platform === 'win32')('each file is looked for by itself', () => {
    make(['t', 'a\nb'])
    const names = [
      ['a_b', 'a\nb'],
      ['c_d', 'c\nd'],
    ] as const
    expect(located(names)).toEqual(['t/a\nb', 't/c_d'])
  })

  test('a downloaded file is not taken for the one that has its name in the torrent', () => {
    make(['t', 'ab'])
    make(['t', 'ab.1'])
    const names = [
      ['ab', 'a\u200bb'],
      ['ab.1', 'ab'],
      ['ab.2', 'ab.1'],
    ] as const
    expect(located(names)).toEqual(['t/ab', 't/ab.1', 't/ab.2'])
  })

  test('files of the same exact name have places of their own', () => {
    make(['t', 'ab'])
    make(['t', 'a\u200bb'.replace('\u200b', latin1('\u200b'))])
    const names = [
      ['ab', 'a\u200bb'],
      ['ab.1', 'a\u200bb'],
    ] as const
    expect(new Set(located(names)).size).toBe(2)
    expect(
      located([
        ['ab', 'ab'],
        ['ab.1', 'ab'],
      ]),
    ).toEqual(['t/ab', 't/ab.1'])
  })

  test.each(['.shoal', '.SHOAL', '.sho\u200bal', '.shoal\\', '.shoal.'])('%j leads to no notes', (name) => {
    make([name, 'x'].map(latin1))
    make(['.shoal', 'x'])
    expect(located([['x', 'x']], ['_.shoal', name])).toEqual(['_.shoal/x'])
  })

  test.each(['..', '.', '', 'a/b', 'a\0b', '../x'])('%j is never tried', (name) => {
    mkdirSync(path.join(base, 't', 'a'), { recursive: true })
    for (const file of ['x', 't/x', 't/a/b']) writeFileSync(path.join(base, file), 'x')
    expect(located([['safe', name]])).toEqual(['t/safe'])
  })
})
