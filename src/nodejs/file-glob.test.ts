import { matchesGlob } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileGlobs } from './file-glob.ts'

const matches = (pattern: string, path: string) => compileGlobs([pattern])(path.split('/'))

describe('globs', () => {
  test.each([
    ['*.jpg', 'a.jpg', true],
    ['*.jpg', 'deep/down/a.jpg', true],
    ['*.jpg', 'a.jpg.txt', false],
    ['*.jpg', '.jpg', true],
    ['*', '.hidden', true],
    ['cache', 'x/cache/y', true],
    ['cache', 'x/cachet', false],
    ['a/b', 'a/b/c', true],
    ['a/b', 'x/a/b', false],
    ['/a', 'a', true],
    ['/a', 'x/a', false],
    ['./a/*', 'a/b', true],
    ['cache/', 'cache/x', true],
    ['a/*/c', 'a/b/c', true],
    ['a/*/c', 'a/b/b/c', false],
    ['a/**/c', 'a/c', true],
    ['a/**/c', 'a/b/b/c', true],
    ['**/c', 'c', true],
    ['**', 'any/thing', true],
    ['a?c', 'abc', true],
    ['a?c', 'a\u{1f600}c', true],
    ['a?c', 'ac', false],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[]]x', ']x', true],
    ['[a-]x', '-x', true],
    ['*.{jpg,p{n,d}g}', 'a.pdg', true],
    ['*.{jpg,png}', 'a.gif', false],
    ['{a,b/c}', 'b/c', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['\\{a,b}', '{a,b}', true],
  ])('%s on %s: %s', (pattern, path, expected) => expect(matches(pattern, path)).toBe(expected))

  test.each(['', '/', '[a', '{a', 'a\\', '{a,b}'.repeat(9)])('%j is refused', (pattern) => {
    expect(() => compileGlobs([pattern])).toThrow(expect.objectContaining({ code: 'usage/bad-pattern' }))
  })

  test('agrees with the platform within one name', () => {
    const part = fc.constantFrom('a', 'b', '.', '*', '?', '[ab]', '[!a]')
    const name = fc
      .array(fc.constantFrom('a', 'b', 'c', '.'), { minLength: 1, maxLength: 6 })
      .map((chars) => `x${chars.join('')}`)
    const pattern = fc.array(part, { maxLength: 6 }).map((parts) => `x${parts.join('')}`)
    fc.assert(
      fc.property(pattern, name, (pattern, name) => {
        expect(matches(pattern, name)).toBe(matchesGlob(name, pattern))
      }),
    )
  })

  test('many wildcards do not take for ever', () => {
    expect(matches(`${'*a'.repeat(200)}b`, 'a'.repeat(2000))).toBe(false)
    expect(matches(`${'**/a/'.repeat(50)}b`, Array(500).fill('a').join('/'))).toBe(false)
  })
})
