/**
 * Second step of the build: puts the modules of the program together into few files, `dist/bundle`, because
 * to find and read 250 of them is a sixth of the processor time of a short `get`
 * (docs/decisions/0018-program-bundled.md). Packages stay where they are, but for one. What commands load at
 * the same time is one file, whatever else is loaded on demand a file of its own, and so is each worker. All
 * lie in one folder, at the depth of the modules that look for their neighbours from `import.meta.url`.
 * Nothing is shortened: stack traces stay readable.
 * `src/main.ts` runs the bundle unless the compiler has written something since.
 */
import { copyFileSync, globSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const source = join(root, 'src')
const target = join(root, 'dist', 'bundle')
/** Until it is whole; a program that is just starting finds the old one or none. */
const unfinished = `${target}.new`
/** All but what every command loads, which takes 11 ms to find and read by itself. */
const PACKAGE = /^(?:node:|(?!commander$)@?[a-z][\w.-]*(?:\/|$))/

const IMPORT = /^import (?:(?:([\w$]+)(?:, )?)?(?:\{(.*)\})? ?from )?"(.+)";$/gm
const BUILTIN = /^import (?:([\w$]+)(?:, )?)?(?:\{(.*)\})? ?from "(node:[\w/]+)";$/gm
const EXPORT = /^export \{(.*)\};$/gm
const LATER = /\bimport\((?="\.\/)/g
const BUILTIN_LATER = /\bimport\("(node:[\w/]+)"\)/g
const NOT_ASCII = /[^\n\x20-\x7e\t\r]/g
const COMMENT_LINE = /^\s*(?:\/\/|\/?\*).*$/gm
/** What only a module understands. */
const MODULE_ONLY = /^(?:import|export)\b.*|\bimport(?:\(|\.meta).*/m

/**
 * What is loaded at the same time is one file: these modules and all that they import, less what is in a
 * group before. Each file costs half a millisecond, whatever is in it.
 */
const TOGETHER: Readonly<Record<string, readonly string[]>> = {
  first: ['cli/version', 'nodejs/v8-flags'],
  // While the rest is read, the thread comes up.
  hashing: ['nodejs/hash-pool'],
  program: ['cli/program', 'cli/settings-resolution', 'cli/config-file', 'cli/command-options'],
  making: ['cli/create', 'cli/verify', 'cli/seed'],
  peer: ['cli/get', 'cli/peer-run', 'nodejs/peer-node'],
}
const groups = Object.entries(TOGETHER).map(([name, modules], index) => {
  const paths = new Set(modules.map((module) => join(source, `${module}.ts`)))
  return { name, priority: 100 - index, test: (id: string) => paths.has(id) }
})

rmSync(unfinished, { recursive: true, force: true })
await bundle('program', join(source, 'cli', 'entry.ts'), 'cjs', asPart)
await bundle('entry', join(source, 'cli', 'bundle-entry.ts'), 'js', withBuiltinsAsked)
for (const worker of globSync(join(source, '*', '*-worker.ts')))
  await bundle(basename(worker, '.ts'), worker, 'js', withBuiltinsAsked)
copyFileSync(join(root, 'node_modules', 'commander', 'LICENSE'), join(unfinished, 'commander.LICENSE'))
rmSync(target, { recursive: true, force: true })
renameSync(unfinished, target)

async function bundle(
  name: string,
  entry: string,
  extension: string,
  render: (code: string) => string,
): Promise<void> {
  const build = await rolldown({
    input: { [name]: entry },
    platform: 'node',
    external: PACKAGE,
    // What is loaded on demand in one place may be needed at once in another.
    checks: { ineffectiveDynamicImport: false },
    tsconfig: false,
    plugins: [{ name: 'render', renderChunk: (code) => ({ code: render(code), map: null }) }],
    onLog: failOnWarning,
  })
  await build.write({
    dir: unfinished,
    format: 'esm',
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `[name]-[hash].${extension}`,
    minify: false,
    sourcemap: true,
    sourcemapExcludeSources: true,
    codeSplitting: { groups },
  })
  await build.close()
}

/**
 * A function that `cli/bundle-entry.ts` calls with what is to have the exports, what gets other parts and
 * packages, the same for later, and where the part lies.
 * ASCII alone, which is read and kept in half the space. Lines stay the same for source maps. What is
 * exported is a constant, so that nobody needs to see it change; no two parts need one another.
 */
function asPart(code: string): string {
  const part = code
    .replace(BUILTIN, asked)
    .replace(IMPORT, (_import, whole, names, id) => fetched(`require("${id}")`, whole, names))
    .replace(EXPORT, (_export, names: string) => {
      const members = names.trim().split(/\s*,\s*/)
      return `Object.assign(exports, { ${members.map(exported).join(', ')} });`
    })
    .replace(BUILTIN_LATER, (_import, id: string) => `Promise.resolve(process.getBuiltinModule("${id}"))`)
    .replace(LATER, 'later(')
    .replaceAll('import.meta.url', 'url')
  const left = MODULE_ONLY.exec(part.replace(COMMENT_LINE, ''))
  if (left !== null) throw new Error(`this cannot be put into a part of the bundle: ${left[0]}`)
  const ascii = part.replace(NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return `(function (exports, require, later, url) { 'use strict'; ${ascii.replace(/(?=\/\/# sourceMappingURL|$)/, '\n})\n')}`
}

function exported(member: string): string {
  const [inside, outside = inside] = member.split(' as ')
  return `${outside}: ${inside}`
}

/**
 * To import a module of Node.js evaluates everything it exports, much of which is made when first asked for:
 * 7 ms of a start. Asked for by name, none of that happens.
 */
function withBuiltinsAsked(code: string): string {
  return code.replace(BUILTIN, asked)
}

function asked(_import: string, whole: string | undefined, names: string | undefined, id: string): string {
  return fetched(`process.getBuiltinModule("${id}")`, whole, names)
}

/** @param module an expression */
function fetched(module: string, whole: string | undefined, names: string | undefined): string {
  const some = names && `{${names.replaceAll(' as ', ': ')}}`
  const targets = [whole, some].filter(Boolean)
  return targets.length === 0
    ? `${module};`
    : `const ${targets.map((target) => `${target} = ${module}`).join(', ')};`
}

function failOnWarning(level: string, { code, message }: { code?: string; message: string }): void {
  if (level === 'warn') throw new Error(`${code}: ${message}`)
}
