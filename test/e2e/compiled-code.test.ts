/**
 * What V8 compiled of the program is kept between runs, where nobody else can write, and what does not fit or
 * cannot be kept costs nothing but time (docs/decisions/0020-compiled-code-kept.md).
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { MAIN, NODE } from '../kit/shoal.ts'

let home: string
let compiled: string
beforeEach(() => {
  home = temporaryFolder()
  compiled = join(home, '.cache', 'shoal', 'compiled')
})

/** @returns what Node.js says of each file, by the part of the bundle, and how it ended */
function run(environment: Record<string, string> = {}, args = ['config']) {
  const env = { PATH: process.env.PATH, HOME: home, NODE_DEBUG_NATIVE: 'COMPILE_CACHE', ...environment }
  const { stdout, stderr, status } = spawnSync(NODE, [MAIN, ...args], { encoding: 'utf8', env })
  const accepted = [...stderr.matchAll(/bundle\/(\w+)-[^/]*\.js was accepted/g)].map(([, part]) => part)
  return { stdout, stderr, status, accepted }
}

/** Files kept, of whatever version of Node.js. */
function kept(folder = compiled): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  )
}

test('the second run finds what the first has left, in a folder of this user alone', () => {
  const first = run()
  expect(first).toMatchObject({ status: 0, accepted: [] })
  expect(statSync(compiled).mode & 0o777).toBe(0o700)
  expect(kept().length).toBeGreaterThan(3)
  const second = run()
  expect(second).toMatchObject({ status: 0, stdout: first.stdout })
  expect(second.accepted).toContain('program')
})

test('what a download has compiled fits the next one', () => {
  const content = join(home, 'content')
  const torrent = `${content}.torrent`
  writeFileSync(content, new Uint8Array(100_000))
  expect(run({}, ['create', content, '-o', torrent]).status).toBe(0)
  const get = [
    'get',
    torrent,
    '--dir',
    home,
    '--exit',
    '--host',
    '127.0.0.1',
    '--port',
    '0',
    '--no-tracker',
    '--no-lan',
  ]
  expect(run({}, get).status).toBe(0)
  const second = run({}, get)
  expect(second.status).toBe(0)
  expect(second.accepted).toEqual(expect.arrayContaining(['program', 'peer']))
  expect(second.stderr).not.toMatch(/was rejected/)
})

test('XDG_CACHE_HOME names another place', () => {
  const cache = join(home, 'elsewhere')
  expect(run({ XDG_CACHE_HOME: cache }).status).toBe(0)
  expect(kept(join(cache, 'shoal', 'compiled')).length).toBeGreaterThan(3)
})

describe('nothing is taken from, or left in,', () => {
  const works = () => expect(run()).toMatchObject({ status: 0, accepted: [] })

  test.each(['.', '..'])('a folder others may write to (%s)', (which) => {
    mkdirSync(compiled, { recursive: true })
    chmodSync(join(compiled, which), 0o777)
    works()
    works()
    expect(kept()).toEqual([])
  })

  test('a folder that a link leads to', () => {
    mkdirSync(join(home, '.cache', 'shoal'), { recursive: true })
    const elsewhere = temporaryFolder()
    symlinkSync(elsewhere, compiled)
    works()
    works()
    expect(kept(elsewhere)).toEqual([])
  })

  test('a home where no folder can be made', () => {
    writeFileSync(join(home, '.cache'), '')
    works()
  })
})

test('what earlier builds have left does not grow for ever', () => {
  run()
  const [version] = readdirSync(compiled)
  for (let i = 0; i < 5100; i++) writeFileSync(join(compiled, version!, `old${i}`), '')
  run()
  expect(kept().length).toBeLessThanOrEqual(5050)
})
