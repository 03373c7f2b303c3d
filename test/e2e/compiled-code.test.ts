/**
 * What V8 compiled of the program is kept between runs, where nobody else can write, and what does not fit or
 * cannot be kept costs nothing but time (docs/decisions/0021-functions-kept.md).
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { MAIN, NODE, ROOT } from '../kit/shoal.ts'

let home: string
let compiled: string
let parts: string
beforeEach(() => {
  home = temporaryFolder()
  compiled = join(home, '.cache', 'shoal', 'compiled')
  parts = join(compiled, 'parts')
})

function run(environment: Record<string, string> = {}, args = ['config'], main = MAIN) {
  const env = { PATH: process.env.PATH, HOME: home, ...environment }
  const { stdout, stderr, status } = spawnSync(NODE, [main, ...args], { encoding: 'utf8', env })
  return { stdout, stderr, status }
}

/** Files kept, by Node.js and by us. */
function kept(folder = compiled): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  )
}

/** The one file of this command's parts. It is written anew whenever something in it did not fit. */
function partsOf(command: string): { path: string; inode: number } {
  const names = readdirSync(parts).filter((name) => name.startsWith(`${command}-`))
  expect(names).toHaveLength(1)
  const path = join(parts, names[0]!)
  return { path, inode: statSync(path).ino }
}

test('the second run finds what the first has left, in a folder of this user alone', () => {
  const first = run()
  expect(first.status).toBe(0)
  for (const folder of [join(compiled, '..'), compiled, parts])
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  const before = partsOf('config')
  expect(run()).toMatchObject({ status: 0, stdout: first.stdout })
  expect(partsOf('config')).toEqual(before)
})

test('what a download has compiled fits the next one, though it changes flags of V8', () => {
  const content = join(home, 'content')
  const torrent = `${content}.torrent`
  writeFileSync(content, new Uint8Array(100_000))
  const create = ['create', content, '-o', torrent]
  expect(run({}, create).status).toBe(0)
  const alone = ['--host', '127.0.0.1', '--port', '0', '--no-tracker', '--no-lan']
  const get = ['get', torrent, '--dir', home, '--exit', ...alone]
  expect(run({}, get).status).toBe(0)
  const before = partsOf('get')
  expect(statSync(before.path).size).toBeGreaterThan(300_000)
  expect(run({}, get).status).toBe(0)
  expect(partsOf('get')).toEqual(before)
})

describe('a file that is not as it was written is not used, and is replaced', () => {
  let first: ReturnType<typeof run>
  let path: string
  let whole: Buffer
  beforeEach(() => {
    first = run()
    path = partsOf('config').path
    whole = readFileSync(path)
  })

  function expectReplaced() {
    const { inode } = partsOf('config')
    expect(run()).toMatchObject({ status: 0, stdout: first.stdout })
    expect(partsOf('config').inode).not.toBe(inode)
    const { inode: whole } = partsOf('config')
    run()
    expect(partsOf('config').inode).toBe(whole)
  }

  test.each([0, 20, 24, 60, 1000, -1])('a byte is another (%i)', (at) => {
    const bytes = Buffer.from(whole)
    bytes[at < 0 ? bytes.length + at : at]! ^= 0x10
    writeFileSync(path, bytes)
    expectReplaced()
  })

  test.each([0, 10, 24, 500])('it ends after %i bytes', (length) => {
    truncateSync(path, length)
    expectReplaced()
  })
})

test('code of another text of the same length is not used', () => {
  const folder = temporaryFolder()
  const dist = join(folder, 'dist')
  cpSync(dirname(MAIN), dist, { recursive: true, preserveTimestamps: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const main = join(dist, 'main.js')
  const unknown = ['config', '--nosuch', '--json']
  expect(run({}, unknown, main).stdout).toContain('unknown option')
  const name = readdirSync(join(dist, 'bundle')).find((file) => /^program-.*\.cjs$/.test(file))!
  const part = join(dist, 'bundle', name)
  const text = readFileSync(part, 'utf8')
  const changed = text.replaceAll('unknown option', 'UNKNOWN OPTION')
  expect(changed).not.toBe(text)
  writeFileSync(part, changed)
  expect(run({}, unknown, main).stdout).toContain('UNKNOWN OPTION')
})

test('XDG_CACHE_HOME names another place', () => {
  const cache = join(home, 'elsewhere')
  expect(run({ XDG_CACHE_HOME: cache }).status).toBe(0)
  expect(readdirSync(join(cache, 'shoal', 'compiled', 'parts'))).toHaveLength(1)
})

describe('nothing is taken from, or left in,', () => {
  const works = () => expect(run().status).toBe(0)

  test.each(['.', '..', 'parts'])('a folder others may write to (%s)', (which) => {
    mkdirSync(parts, { recursive: true })
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

  test('any place, when Node.js is told to keep nothing', () => {
    expect(run({ NODE_DISABLE_COMPILE_CACHE: '1' }).status).toBe(0)
    expect(readdirSync(home)).toEqual([])
  })
})

test('what earlier builds have left does not grow for ever', () => {
  run()
  const version = readdirSync(compiled).find((name) => name !== 'parts')!
  for (let i = 0; i < 5100; i++) writeFileSync(join(compiled, version, `old${i}`), '')
  for (let i = 0; i < 50; i++) writeFileSync(join(parts, `old-${i}`), '')
  run({}, ['peers'])
  expect(readdirSync(join(compiled, version)).length).toBeLessThanOrEqual(5000)
  expect(readdirSync(parts).length).toBeLessThanOrEqual(40)
  partsOf('peers')
})
