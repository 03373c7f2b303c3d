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

if (isTooOld()) {
  const needed = OLDEST_NODE.join('.')
  console.error(
    `error: Shoal needs Node.js ${needed} or newer; this is ${process.versions.node}. Install it from nodejs.org.`,
  )
  process.exitCode = 2
} else {
  const argv = process.argv.slice(2)
  import('./cli/entry.ts').then((entry) => entry.start(argv))
}
