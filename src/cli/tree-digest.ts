/**
 * One hash for a whole folder: equal exactly when two folders hold the same files with the
 * same bytes under the same names.
 */
import { createHash, hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** SHA-256 in hex. */
export async function treeDigest(dir: string): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
  const digest = createHash('sha256')
  for (const file of files.sort())
    digest.update(`${hash('sha256', await readFile(file))} ${relative(dir, file)}\0`)
  return digest.digest('hex')
}
