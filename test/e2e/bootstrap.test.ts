/**
 * `npm start` and `npm test` begin in scripts/bootstrap.mjs on a machine we know nothing about. Here it runs
 * in a small project of its own, with an npm and a compiler that only do what the test needs, so that every
 * way in which a first start goes wrong can be had in a moment.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
let project: string

/** Installs a compiler and the running Node, as `npm ci` would, and keeps a count. */
const NPM = `
import { appendFileSync, mkdirSync, symlinkSync, rmSync, writeFileSync } from 'node:fs'
appendFileSync('npm-runs', process.argv.slice(2).join(' ') + '\\n')
rmSync('node_modules', { recursive: true, force: true })
mkdirSync('node_modules/.bin', { recursive: true })
mkdirSync('node_modules/typescript/bin', { recursive: true })
symlinkSync(process.execPath, 'node_modules/.bin/node')
writeFileSync('node_modules/typescript/bin/tsc', ${JSON.stringify(`
const { appendFileSync, mkdirSync, copyFileSync } = require('node:fs')
appendFileSync('compiler-runs', 'run\\n')
mkdirSync('dist', { recursive: true })
copyFileSync('src/main.ts', 'dist/main.js')
`)})
writeFileSync('node_modules/.package-lock.json', '{}')
`

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'shoal bootstrap '))
  for (const folder of ['scripts', 'src', 'install']) mkdirSync(join(project, folder))
  for (const script of ['bootstrap.mjs', 'stamp-build.ts'])
    cpSync(join(root, 'scripts', script), join(project, 'scripts', script))
  for (const file of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json'])
    cpSync(join(root, file), join(project, file))
  write('src/main.ts', 'console.log(JSON.stringify(process.argv.slice(2)))\nprocess.exitCode = 7\n')
  write(
    'scripts/bundle.ts',
    "import { mkdirSync, writeFileSync } from 'node:fs'\nmkdirSync('dist/bundle', { recursive: true })\nwriteFileSync('dist/bundle/entry.js', '')\n",
  )
  write('install/npm-cli.js', NPM)
  write('install/package.json', '{"type":"module"}')
})

afterEach(() => rmSync(project, { recursive: true }))

function write(file: string, text: string): void {
  writeFileSync(join(project, file), text)
}

function bootstrap(args: string[], env: Record<string, string> = {}, nodeOptions: string[] = []) {
  return spawnSync(process.execPath, [...nodeOptions, 'scripts/bootstrap.mjs', ...args], {
    cwd: project,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, npm_execpath: join(project, 'install', 'npm-cli.js'), ...env },
  })
}

function runs(of: 'npm' | 'compiler'): number {
  const file = join(project, `${of}-runs`)
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0
}

test('installs, builds, and runs the program with its arguments, output and exit code', () => {
  const { status, stdout, stderr } = bootstrap(['demo', '--profile', 'memes'])
  expect(stderr).toBe('shoal: installing packages with npm ci (about 20 seconds, once)\nshoal: building\n')
  expect(stdout).toBe('["demo","--profile","memes"]\n')
  expect(status).toBe(7)
})

test('does nothing twice', () => {
  bootstrap(['demo'])
  const { stderr } = bootstrap(['demo'])
  expect({ stderr, npm: runs('npm'), compiler: runs('compiler') }).toEqual({
    stderr: '',
    npm: 1,
    compiler: 1,
  })
})

test('builds again after a source has changed', () => {
  bootstrap(['demo'])
  write('src/main.ts', "console.log('changed')\n")
  expect(bootstrap(['demo']).stdout).toBe('changed\n')
  expect(runs('npm')).toBe(1)
})

test('builds again after the compiler ran on its own', () => {
  bootstrap(['demo'])
  const past = new Date(Date.now() - 60_000)
  utimesSync(join(project, 'dist', 'bundle', 'entry.js'), past, past)
  expect(bootstrap(['demo']).stderr).toBe('shoal: building\n')
  expect(bootstrap(['demo']).stderr).toBe('')
})

test('installs again when the lock file is newer', () => {
  bootstrap(['demo'])
  const soon = new Date(Date.now() + 60_000)
  utimesSync(join(project, 'package-lock.json'), soon, soon)
  bootstrap(['demo'])
  expect(runs('npm')).toBe(2)
})

test('installs again after an install that was interrupted', () => {
  mkdirSync(join(project, 'node_modules', 'typescript'), { recursive: true })
  expect(bootstrap(['demo']).status).toBe(7)
})

describe('when it cannot go on it says why in one line, and what to do in another', () => {
  const failures: [what: string, npm: string, line: RegExp][] = [
    [
      'offline',
      "console.error('npm error code ENOTFOUND'); process.exitCode = 1",
      /^shoal: the package registry cannot be reached\n {7}.+\n$/,
    ],
    [
      'disk full',
      "console.error('npm error code ENOSPC'); process.exitCode = 1",
      /^shoal: the disk is full\n {7}.+\n$/,
    ],
    [
      'anything else',
      "console.error('npm error EX'); process.exitCode = 1",
      /^npm error EX\nshoal: npm ci failed\n {7}.+\n$/,
    ],
  ]
  for (const [what, npm, line] of failures)
    test(what, () => {
      write('install/npm-cli.js', npm)
      const { status, stderr } = bootstrap(['demo'])
      expect(stderr.slice(stderr.indexOf('\n') + 1)).toMatch(line)
      expect(status).toBe(1)
    })

  test('no npm', () => {
    const { status, stderr } = bootstrap(['demo'], { npm_execpath: '', PATH: '' })
    expect(stderr).toMatch(/\nshoal: npm cannot be started \(ENOENT\)\n {7}.+\n$/)
    expect(status).toBe(1)
  })

  test('an old Node', () => {
    const pretend = 'Object.defineProperty(process, "versions", { value: { node: "18.20.0" } })'
    const { status, stderr } = bootstrap(['demo'], {}, [
      '--import',
      `data:text/javascript,${encodeURIComponent(pretend)}`,
    ])
    expect(stderr).toMatch(/^shoal: Node 18.20.0 is too old\n {7}.+\n$/)
    expect(status).toBe(2)
  })

  test('a source that does not compile', () => {
    bootstrap(['demo'])
    write('node_modules/typescript/bin/tsc', "console.log('src/main.ts(1,1): error'); process.exitCode = 2")
    write('src/main.ts', '?')
    const { status, stderr } = bootstrap(['demo'])
    expect(stderr).toMatch(/^shoal: building\nsrc\/main.ts\(1,1\): error\nshoal: the build failed\n {7}.+\n$/)
    expect(status).toBe(1)
  })
})
