/** The bans catch a planted offender, and leave words in comments and strings alone. */
import { describe, expect, test } from 'vitest'
import { BANS, findBanned } from './bans.ts'
import { codeOnly, withoutComments } from './source-text.ts'

describe('a planted offender is found', () => {
  const offenders: Record<string, string> = {
    'Date.now': 'const at = Date.now()',
    'new Date': 'const today = new Date()',
    performance: 'const at = performance.now()',
    'Math.random': 'const roll = Math . random()',
    setTimeout: 'setTimeout(() => {}, 10)',
    setInterval: 'const timer = setInterval(tick, 10)',
    setImmediate: 'setImmediate(next)',
    queueMicrotask: 'queueMicrotask(next)',
    Promise: 'return Promise.resolve(1)',
    async: 'export async function read() {}',
    await: 'const it = await read()',
    fetch: "fetch('http://tracker')",
    locale: 'names.sort((a, b) => a.localeCompare(b))',
    'garbage collection': 'const cache = new WeakRef(entry)',
  }

  test('every ban has one', () => expect(Object.keys(offenders)).toEqual(BANS.map(({ name }) => name)))

  for (const [name, line] of Object.entries(offenders))
    test(name, () => {
      const found = findBanned('src/swarm/planted.ts', `/** A file. */\n\n${line}\n`)
      expect(found).toHaveLength(1)
      expect(found[0]).toMatch(`src/swarm/planted.ts:3: ${name}: `)
    })

  test('inside a template', () =>
    expect(findBanned('a.ts', 'const text = `at ${Date.now()} now`')).toHaveLength(1))
  test('after a regular expression with a quote', () => {
    expect(findBanned('a.ts', 'const quote = /[\'"]/.test(text) && Math.random() > 0')).toHaveLength(1)
  })
})

describe('what is no code is left alone', () => {
  const innocents = [
    '// never Date.now() here',
    '/* a promise of\n Promise */',
    "const text = 'new Date of an \\' await'",
    'const text = `async ${name} await`',
    'const pattern = /Math.random|setTimeout/',
    'const isAsynchronous = prefersPromises',
  ]
  for (const line of innocents) test(line, () => expect(findBanned('a.ts', line)).toEqual([]))
})

describe('the scanner', () => {
  test('keeps length and line breaks', () => {
    const source = "/* a\nb */ const x = 'c' / `d${ { e: `f${1}` } }\n` // g\n"
    for (const scanned of [codeOnly(source), withoutComments(source)]) {
      expect(scanned).toHaveLength(source.length)
      expect(scanned.split('\n')).toHaveLength(source.split('\n').length)
    }
  })

  test('sees code inside nested templates', () => {
    const code = codeOnly('`a${ b({ c: `d${e}` }) }f` + g')
    expect(code.replace(/[^a-z]/g, '')).toBe('bceg')
  })
})
