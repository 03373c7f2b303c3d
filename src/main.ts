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
 * Where compiled modules are kept from one start to the next. On Windows and macOS the temporary folder
 * is the user's own; elsewhere everybody could leave code for us there.
 */
function cacheFolder(): string | undefined {
  const { TMPDIR, TEMP, XDG_CACHE_HOME, HOME } = process.env
  if (process.platform === 'win32') return TEMP && `${TEMP}\\shoal-compiled`
  if (process.platform === 'darwin') return TMPDIR && `${TMPDIR}/shoal-compiled`
  if (XDG_CACHE_HOME?.startsWith('/')) return `${XDG_CACHE_HOME}/shoal/compiled`
  return HOME?.startsWith('/') ? `${HOME}/.cache/shoal/compiled` : undefined
}

if (isTooOld()) {
  const needed = OLDEST_NODE.join('.')
  console.error(
    `error: Shoal needs Node.js ${needed} or newer; this is ${process.versions.node}. Install it from nodejs.org.`,
  )
  process.exitCode = 2
} else {
  const argv = process.argv.slice(2)
  import('node:module').then(({ enableCompileCache }) => {
    const folder = cacheFolder()
    // Where nothing can be kept this says nothing, and everything is compiled each time.
    if (folder !== undefined) enableCompileCache(folder)
    return import('./cli/entry.ts').then((entry) => entry.start(argv))
  })
}
