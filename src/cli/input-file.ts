/**
 * Reads a file that the user named, whole, into memory.
 * Invariants: only regular files are read, so no device or pipe can hold the program up or feed it without
 * end; never more than `metainfoBytesMax` bytes are read, whatever size the file claims to have.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { LIMITS } from '../base/limits.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { storageError } from '../nodejs/storage-error.ts'

/** A pipe without a writer must not make `open` wait. Windows knows no such flag. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
const CHUNK_BYTES_MIN = 64 * 1024

/** Throws `input/not-a-file`, `input/too-large` or `storage/…`. */
export function readInputFile(path: string): Buffer {
  let fd: number | undefined
  try {
    fd = openSync(path, OPEN_FLAGS)
    const stat = fstatSync(fd)
    if (!stat.isFile())
      throw new ShoalError(
        'input/not-a-file',
        `${path} is ${stat.isDirectory() ? 'a folder' : 'a device or a pipe'}, not a file`,
        'Name a regular file.',
      )
    return readBounded(fd, path, stat.size)
  } catch (error) {
    throw storageError(error, path)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** @param size what the file claims: a first guess, 0 in some file systems that make content up */
function readBounded(fd: number, path: string, size: number): Buffer {
  const bytesMax = LIMITS.metainfoBytesMax.value
  // One byte more than allowed shows that there is more.
  let buffer = Buffer.allocUnsafe(Math.min(Math.max(size + 1, CHUNK_BYTES_MIN), bytesMax + 1))
  let length = 0
  for (;;) {
    const count = readSync(fd, buffer, length, buffer.length - length, null)
    if (count === 0) return buffer.subarray(0, length)
    length += count
    if (length > bytesMax)
      throw new ShoalError(
        'input/too-large',
        `${path} is too large: more than ${bytesMax} bytes`,
        'Check that it is the right file.',
      )
    if (length < buffer.length) continue
    const larger = Buffer.allocUnsafe(Math.min(2 * buffer.length, bytesMax + 1))
    buffer.copy(larger)
    buffer = larger
  }
}
