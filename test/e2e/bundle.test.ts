/**
 * The program is put together into few files (scripts/bundle.ts); what the compiler wrote since must never be
 * hidden by them, and what is published must be all that runs.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { MAIN, NODE, ROOT } from '../kit/shoal.ts'

function runNode(...args: string[]) {
  return spawnSync(NODE, args, { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: temporaryFolder() } })
}

describe('beside the modules', () => {
  let dist: string

  /** @param age in seconds */
  function write(file: string, text: string, age: number): void {
    const path = join(dist, file)
    writeFileSync(path, text)
    const changed = new Date(Date.now() - 1000 * age)
    utimesSync(path, changed, changed)
  }

  function whatRuns(): string {
    const { stdout, stderr } = runNode(join(dist, 'main.js'))
    return stdout.trim() || stderr
  }

  beforeEach(() => {
    dist = temporaryFolder()
    for (const folder of ['bundle', 'cli']) mkdirSync(join(dist, folder))
    writeFileSync(join(dist, 'package.json'), '{"type":"module"}')
    copyFileSync(MAIN, join(dist, 'main.js'))
    write('cli/entry.js', "export const start = () => console.log('modules')", 100)
    write('bundle/entry.js', "export const start = () => console.log('bundle')", 50)
    write('.tsbuildinfo', '', 100)
  })

  test('the bundle runs', () => expect(whatRuns()).toBe('bundle'))

  test('the modules run once the compiler has written something', () => {
    write('.tsbuildinfo', '', 10)
    expect(whatRuns()).toBe('modules')
  })

  test('the modules run when nothing was bundled', () => {
    rmSync(join(dist, 'bundle'), { recursive: true })
    expect(whatRuns()).toBe('modules')
  })

  test('the bundle runs where it was published, without the notes of the compiler', () => {
    rmSync(join(dist, '.tsbuildinfo'))
    expect(whatRuns()).toBe('bundle')
  })
})

test('the compiler notes a change of any layer where the program looks', { timeout: 240_000 }, () => {
  const folder = temporaryFolder()
  for (const file of ['tsconfig.json', 'tsconfig.base.json', 'package.json'])
    copyFileSync(join(ROOT, file), join(folder, file))
  execFileSync('cp', ['-R', join(ROOT, 'src'), folder])
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const compile = () =>
    runNode(join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', join(folder, 'tsconfig.json'))
  expect(compile().status).toBe(0)
  const note = join(folder, 'dist', '.tsbuildinfo')
  const past = new Date(Date.now() - 600_000)
  for (const text of ['// only a comment', 'const wrong: number = "text"']) {
    writeFileSync(join(folder, 'src', 'base', 'result.ts'), `${text}\n`, { flag: 'a' })
    utimesSync(note, past, past)
    compile()
    expect(statSync(note).mtimeMs).toBeGreaterThan(past.getTime())
  }
})

test('what is packed runs: the program as a bundle with its threads, the library as modules', () => {
  const dist = join(ROOT, 'dist')
  const [bundled, compiled] = ['bundle/entry.js', '.tsbuildinfo'].map((file) =>
    statSync(join(dist, file), { throwIfNoEntry: false }),
  )
  expect(bundled, 'there is no bundle: npm run build').toBeDefined()
  expect(bundled!.mtimeMs, 'the bundle is stale: npm run build').toBeGreaterThanOrEqual(compiled!.mtimeMs)
  const folder = temporaryFolder()
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [{ filename }] = JSON.parse(
    execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', folder])
  const unpacked = join(folder, 'package')
  symlinkSync(join(ROOT, 'node_modules'), join(unpacked, 'node_modules'))
  expect(existsSync(join(unpacked, 'dist', 'cli', 'entry.js'))).toBe(false)

  const shoal = (...args: string[]) => runNode(join(unpacked, 'dist', 'main.js'), ...args)
  const content = join(folder, 'content')
  writeFileSync(content, new Uint8Array(3_000_000))
  const torrent = `${content}.torrent`
  expect(shoal('create', content, '-o', torrent)).toMatchObject({ status: 0, stderr: '' })
  expect(shoal('verify', torrent, folder, '--json')).toMatchObject({ status: 0, stderr: '' })
  const version = shoal('--version').stdout
  expect(version).toBe(runNode(MAIN, '--version').stdout)
  for (const command of ['get', 'seed', 'share', 'tracker', 'ls', 'demo'])
    expect(shoal(command, '--help').status, command).toBe(0)

  const library = join(unpacked, 'dist', 'index.js')
  const create = `const { createMetainfo } = await import(${JSON.stringify(library)}); console.log(typeof createMetainfo)`
  expect(runNode('--input-type=module', '-e', create)).toMatchObject({ stdout: 'function\n', stderr: '' })
})
