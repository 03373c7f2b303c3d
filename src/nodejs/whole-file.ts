/**
 * Files that are there whole or not at all: written under another name in the same
 * folder, made durable, then renamed.
 * Invariant: whatever interrupts it, a reader sees the old file or the new one.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { storageError } from './storage-error.ts'

/** Replaces what stands there; a link is replaced itself. Throws ShoalError `storage/...` */
export function writeWhole(file: string, bytes: Uint8Array): void {
  const temporary = path.join(path.dirname(file), `.${randomUUID()}.tmp`)
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
