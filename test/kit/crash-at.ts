/**
 * Loaded before the program (`node --import`): kills the process just before its n-th change to the file
 * system, n being `CRASH_AT`; 0 only counts, and says so on stderr at the end: `file operations: 42`. What
 * SQLite does for the lock is not seen.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

type Call = (...args: unknown[]) => unknown

const CHANGES = [
  'writeFileSync',
  'writeSync',
  'renameSync',
  'rmSync',
  'rmdirSync',
  'unlinkSync',
  'mkdirSync',
  'ftruncateSync',
  'fsyncSync',
  'write',
]
const PROMISED = ['open', 'rename']
const at = Number(process.env.CRASH_AT)
let count = 0

function changing(): void {
  if (++count === at) process.kill(process.pid, 'SIGKILL')
}

function watch(holder: Record<string, Call>, name: string, isChange: (args: unknown[]) => boolean): void {
  const original = holder[name]!
  holder[name] = (...args) => {
    if (isChange(args)) changing()
    return original.apply(holder, args)
  }
}

/** Its own output is no file. */
const isFile = ([target]: unknown[]) => target !== 1 && target !== 2

if (isMainThread) {
  const sync = fs as unknown as Record<string, Call>
  for (const name of CHANGES) watch(sync, name, isFile)
  watch(sync, 'openSync', ([, flags]) => flags !== 'r' && (Number(flags) & fs.constants.O_CREAT) !== 0)
  const promised = fs.promises as unknown as Record<string, Call>
  for (const name of PROMISED) watch(promised, name, () => true)
  const open = promised.open!
  promised.open = async (...args) => {
    const handle = (await open(...args)) as Record<string, Call>
    watch(handle, 'writeFile', () => true)
    return handle
  }
  syncBuiltinESMExports()
  if (at === 0) process.on('exit', () => process.stderr.write(`file operations: ${count}\n`))
}
