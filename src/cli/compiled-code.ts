/**
 * What V8 has compiled of the program is kept between runs, in `$XDG_CACHE_HOME/shoal/compiled`, else in
 * `~/.cache`: without it a fifth of a short `get` goes into compiling the same again
 * (docs/decisions/0020-compiled-code-kept.md). Node.js reads and writes it, and compiles what does not fit.
 * It is code that will run, so it is taken only from a folder that nobody else can write to.
 */
import { lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { keepNewestFiles } from '../nodejs/newest-files.ts'

/** Of each version of Node.js: a tracker with all its packages has 1,100. Each build leaves some behind. */
const FILES_MAX = 5000
const OTHERS_CAN_WRITE = 0o022

/** Before anything large is loaded. */
export function keepCompiledCode(environment: NodeJS.ProcessEnv): void {
  // Who set this has a place for it.
  if (environment.NODE_COMPILE_CACHE !== undefined) return
  try {
    const home = environment.XDG_CACHE_HOME || join(homedir(), '.cache')
    if (!isAbsolute(home)) return
    const ours = join(home, 'shoal')
    const folder = join(ours, 'compiled')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Who can write to the upper one can put another in place of the lower.
    if (!isOursAlone(ours) || !isOursAlone(folder)) return
    const { enableCompileCache } = process.getBuiltinModule('node:module')
    enableCompileCache(folder)
    for (const version of readdirSync(folder)) keepNewestFiles(join(folder, version), FILES_MAX)
  } catch {
    // Without a home, or on a full disk, the program starts a little later.
  }
}

/** A real folder of this user, which nobody else can write to. */
function isOursAlone(folder: string): boolean {
  const stat = lstatSync(folder)
  const isOurs = stat.isDirectory() && stat.uid === process.geteuid?.()
  return isOurs && (stat.mode & OTHERS_CAN_WRITE) === 0
}
