import { describe, expect, test } from 'vitest'
import { Bitfield } from '../base/bitfield.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { filesOverwritten, overwriteWarning } from './overwrite-warning.ts'

/** Pieces of 4 bytes over a: 0-5, b: 6-11 (v1, so that piece 1 lies in both) and a long c: 12-23. */
const LENGTHS = { a: 6, b: 6, c: 12 }
const NAMES = Object.keys(LENGTHS) as (keyof typeof LENGTHS)[]

function metainfo(): Metainfo {
  let offset = 0
  const files = NAMES.map((name) => {
    const length = LENGTHS[name]
    offset += length
    return { path: [name], rawPath: [], length, offset: offset - length, isPad: false, piecesRoot: null }
  })
  return { files, pieceLength: 4, pieceCount: 6, contentLength: 24, format: 'v1' } as unknown as Metainfo
}

/** @param sizes of what is there */
function overwritten(
  sizes: Partial<Record<keyof typeof LENGTHS, number>>,
  right: number[],
  selected = NAMES,
) {
  const found = new Bitfield(6)
  for (const piece of right) found.set(piece)
  const indexes = filesOverwritten({
    metainfo: metainfo(),
    geometry: new Geometry(metainfo(), 4),
    found,
    isSelected: (file) => selected.includes(NAMES[file]!),
    stat: (file) => {
      const size = sizes[NAMES[file]!]
      return size === undefined
        ? undefined
        : { size, mtimeNs: 0n, ctimeNs: 0n, inode: 0n, isFile: true, blocks: 8 }
    },
  })
  return indexes.map((file) => NAMES[file]).join('')
}

describe('files that will be written over', () => {
  test.for([
    ['nothing is there', {}, [], ''],
    ['everything is there and right', LENGTHS, [0, 1, 2, 3, 4, 5], ''],
    ['a file of another length', { a: 5 }, [], 'a'],
    ['a longer one', { a: 7 }, [0], 'a'],
    ['an empty one is no loss', { a: 0 }, [], ''],
    ['a wrong piece within a file', LENGTHS, [0, 1, 2, 3, 5], 'c'],
    ['a wrong piece over two files that are there', LENGTHS, [0, 2, 3, 4, 5], 'ab'],
    ['a piece that is wrong because its other file is missing', { a: 6, c: 12 }, [0, 3, 4, 5], ''],
    ['a wrong piece besides that', { a: 6, c: 12 }, [3, 4, 5], 'a'],
  ] as const)('%s', ([, sizes, right, expected]) => {
    expect(overwritten(sizes, [...right])).toBe(expected)
  })

  test('only what is selected counts', () => {
    expect(overwritten({ a: 1, b: 1 }, [], ['b'])).toBe('b')
  })
})

test('the warning names a few of them', () => {
  expect(overwriteWarning(metainfo(), [0])).toMatchObject({
    event: 'warning',
    code: 'transfer/overwrites',
    message: 'a is there already with other content, and will be written over',
  })
  const many = {
    files: Array.from({ length: 9 }, (_, i) => ({ path: ['p', `${i}`] })),
  } as unknown as Metainfo
  expect(overwriteWarning(many, [0, 1, 2, 5, 8])).toMatchObject({
    message: 'p/0, p/1, p/2 and 2 more are there already with other content, and will be written over',
  })
})
