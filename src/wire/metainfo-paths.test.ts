import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../base/text.ts'
import { PathReader } from './metainfo-paths.ts'

const raw = (names: readonly string[]) => names.map((name) => encodeUtf8(name))

describe('paths one after the other', () => {
  test('each is what it would be alone, whatever stood before it', () => {
    const paths = [
      ['a', 'b', 'c'],
      ['a', 'b', 'd'],
      ['a'],
      ['a', 'x', 'd'],
      ['a', '..', 'd'],
      ['..', '.'],
      ['a', 'b/', 'd'],
      ['b', 'b', 'd'],
      ['..', 'b', 'd'],
    ]
    const reader = new PathReader()
    for (const path of paths) {
      const alone = new PathReader().read(raw(path))
      expect(reader.read(raw(path))).toEqual(alone)
      expect(alone.rawPath).toEqual(raw(path))
    }
    expect(paths.map((path) => new PathReader().read(raw(path)).path.join('/'))).toEqual([
      'a/b/c',
      'a/b/d',
      'a',
      'a/x/d',
      'a/d',
      '_',
      'a/b/d',
      'b/b/d',
      'b/d',
    ])
  })

  test('names of the folder they share are kept once', () => {
    const reader = new PathReader()
    const first = reader.read(raw(['folder', 'one']))
    const second = reader.read(raw(['folder', 'two']))
    expect(second.rawPath[0]).toBe(first.rawPath[0])
    expect(first.path).toEqual(['folder', 'one'])
    expect(first.rawPath).toEqual(raw(['folder', 'one']))
  })
})
