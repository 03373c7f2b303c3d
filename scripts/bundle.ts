/**
 * Second step of the build: puts the modules of the program together into few files, `dist/bundle`, because
 * to find and read 250 of them is a sixth of the processor time of a short `get`
 * (docs/decisions/0018-program-bundled.md). Packages stay where they are. What commands load at the same time
 * is one file, whatever else is loaded on demand a file of its own, and so is each worker. All lie in one
 * folder, at the depth of the modules that look for their neighbours from `import.meta.url`. Nothing is
 * shortened: stack traces stay readable.
 * `src/main.ts` runs the bundle unless the compiler has written something since.
 */
import { globSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

const source = join(import.meta.dirname, '..', 'src')
const target = join(import.meta.dirname, '..', 'dist', 'bundle')
/** Until it is whole; a program that is just starting finds the old one or none. */
const unfinished = `${target}.new`
const PACKAGE = /^(?:node:|@?[a-z][\w.-]*(?:\/|$))/

const BUILTIN = /^import (?:(\w+)(?:, )?)?(?:\{(.*)\})? ?from "(node:[\w/]+)";$/gm

/**
 * What is loaded at the same time is one file: these modules and all that they import, less what is in a
 * group before. Each file costs half a millisecond, whatever is in it.
 */
const TOGETHER: Readonly<Record<string, readonly string[]>> = {
  first: ['cli/compiled-code', 'cli/version'],
  // While the rest is read, the thread comes up.
  hashing: ['nodejs/hash-pool'],
  program: ['cli/program', 'cli/settings-resolution', 'cli/config-file', 'cli/command-options'],
  making: ['cli/create', 'cli/verify'],
  peer: ['cli/get', 'cli/seed', 'nodejs/peer-node'],
}
const groups = Object.entries(TOGETHER).map(([name, modules], index) => {
  const paths = new Set(modules.map((module) => join(source, `${module}.ts`)))
  return { name, priority: 100 - index, test: (id: string) => paths.has(id) }
})

rmSync(unfinished, { recursive: true, force: true })
await bundle(join(source, 'cli', 'entry.ts'))
for (const worker of globSync(join(source, '*', '*-worker.ts'))) await bundle(worker)
rmSync(target, { recursive: true, force: true })
renameSync(unfinished, target)

async function bundle(entry: string): Promise<void> {
  const build = await rolldown({
    input: { [basename(entry, '.ts')]: entry },
    platform: 'node',
    external: PACKAGE,
    // What is loaded on demand in one place may be needed at once in another.
    checks: { ineffectiveDynamicImport: false },
    tsconfig: false,
    plugins: [
      { name: 'builtins', renderChunk: (code) => ({ code: code.replace(BUILTIN, asked), map: null }) },
    ],
    onLog: failOnWarning,
  })
  await build.write({
    dir: unfinished,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify: false,
    sourcemap: true,
    sourcemapExcludeSources: true,
    codeSplitting: { groups },
  })
  await build.close()
}

/**
 * To import a module of Node.js evaluates everything it exports, much of which is made when first asked for:
 * 7 ms of a start. Asked for by name, none of that happens.
 */
function asked(_import: string, whole: string | undefined, names: string | undefined, id: string): string {
  const module = `process.getBuiltinModule("${id}")`
  const some = names && `{${names.replaceAll(' as ', ': ')}}`
  return `const ${[whole, some]
    .filter(Boolean)
    .map((target) => `${target} = ${module}`)
    .join(', ')};`
}

function failOnWarning(level: string, { code, message }: { code?: string; message: string }): void {
  if (level === 'warn') throw new Error(`${code}: ${message}`)
}
