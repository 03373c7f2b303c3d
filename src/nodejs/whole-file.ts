/**
 * Files that are there whole or not at all: written under another name in the same
 * folder, made durable, then renamed.
 * Invariants: whatever interrupts it, a reader sees the old file or the new one; what a
 * killed process left under the other name goes away the next time that file is written.
 */
import { hash, randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { storageError } from './storage-error.ts'

/** Replaces what stands there; a link is replaced itself. Throws ShoalError `storage/...` */
export function writeWhole(file: string, bytes: Uint8Array): void {
  removeLeftovers(file)
  const temporary = path.join(
    path.dirname(file),
    `${prefixOf(file)}${process.pid}-${randomUUID().slice(0, 8)}.tmp`,
  )
  try {
    const fd = openSync(temporary, 'wx')
    try {
      writeFileSync(fd, bytes)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw storageError(error, file, true)
  }
}

/** Removes what processes that do not run any more left beside this file when they were killed writing it. */
export function removeLeftovers(file: string): void {
  const folder = path.dirname(file)
  const prefix = prefixOf(file)
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue
      const pid = Number.parseInt(name.slice(prefix.length), 10)
      if (!isRunning(pid)) rmSync(path.join(folder, name), { force: true })
    }
  } catch {
    // A folder that cannot be read: whoever writes there is told what is wrong with it.
  }
}

/** The same for the same file; short, because names have a greatest length. */
function prefixOf(file: string): string {
  return `.shoal-${hash('sha256', path.basename(file)).slice(0, 12)}-`
}

function isRunning(pid: number): boolean {
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
