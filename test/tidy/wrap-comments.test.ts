/** The comment wrapper changes what is too long and nothing else. */
import { describe, expect, test } from 'vitest'
import { wrapComments } from '../../scripts/wrap-comments.ts'

const words = 'word '.repeat(30).trim()

describe('wraps', () => {
  test('a block at column 110, with its last line not too short', () => {
    const [first, ...rest] = wrapComments(` * ${words} end`).split('\n')
    expect(first!.length).toBeLessThanOrEqual(110)
    expect(rest).toHaveLength(1)
    expect(rest[0]!.length).toBeGreaterThanOrEqual(30)
    expect([first, ...rest].join(' ').replaceAll(' * ', '')).toBe(`${words} end`)
  })

  test('the rest of the paragraph with the long line', () => {
    const wrapped = wrapComments(` * before\n * ${words}\n * and after`)
    expect(wrapped.split('\n')).toHaveLength(3)
    expect(wrapped).toMatch(/^ \* before\n.* and after$/s)
  })

  test('a one-line block, keeping its indentation', () => {
    expect(wrapComments(`  /** ${words} */`)).toMatch(/^ {2}\/\*\*\n {3}\* word.*\n {3}\* word.*\n {3}\*\/$/)
  })

  test('line comments', () =>
    expect(wrapComments(`  // ${words}`)).toMatch(/^ {2}\/\/ word.*\n {2}\/\/ word/))
})

describe('leaves alone', () => {
  const kept: Record<string, string> = {
    'what fits': ' * short\n * lines',
    'a new sentence on a line of its own': ` * ${'a'.repeat(105)}.\n * Next`,
    'long code': `const x = '${words}'`,
    'a picture': ` *   --- ${'-'.repeat(120)}`,
    'a word that is too long': ` * ${'x'.repeat(120)}`,
  }
  for (const [what, text] of Object.entries(kept)) test(what, () => expect(wrapComments(text)).toBe(text))

  test('a list after the long line', () => {
    expect(wrapComments(` * ${words}\n * - item`).endsWith('\n * - item')).toBe(true)
  })

  test('its own result', () => {
    const once = wrapComments(` * ${words}.\n * ${words}`)
    expect(wrapComments(once)).toBe(once)
  })
})
