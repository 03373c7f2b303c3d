#!/usr/bin/env node
/**
 * Where the program begins. Loads nothing before it knows that this Node.js can run it, so that an old one
 * gives one clear line; the rest is imported only then. Syntax here stays what Node.js 14 understands.
 */
export {}

const OLDEST_NODE = [24, 11]

function isTooOld() {
  const version = process.versions.node.split('.').map(Number)
  const major = version[0]!
  return major < OLDEST_NODE[0]! || (major === OLDEST_NODE[0]! && version[1]! < OLDEST_NODE[1]!)
}

/**
 * The same program in few files, which load sooner (`scripts/bundle.ts`). Undefined where it is not
 * there, as beside the sources, and where it is older than the modules: the compiler does not make it anew,
 * but notes in this file, which is not published, whenever it has written anything.
 */
function findBundle(): string | undefined {
  const { statSync } = process.getBuiltinModule('node:fs')
  const bundle = new URL('./bundle/entry.js', import.meta.url)
  const made = statSync(bundle, { throwIfNoEntry: false })
  const compiled = statSync(new URL('./.tsbuildinfo', import.meta.url), { throwIfNoEntry: false })
  const isCurrent = made !== undefined && (compiled === undefined || compiled.mtimeMs <= made.mtimeMs)
  return isCurrent ? bundle.href : undefined
}

if (isTooOld()) {
  const needed = OLDEST_NODE.join('.')
  console.error(
    `error: Shoal needs Node.js ${needed} or newer; this is ${process.versions.node}. Install it from nodejs.org.`,
  )
  process.exitCode = 2
} else {
  const argv = process.argv.slice(2)
  const bundle = findBundle()
  const loading = bundle === undefined ? import('./cli/entry.ts') : import(bundle)
  loading.then((entry) => entry.start(argv))
}
