/**
 * Folder trees as a test sees them: relative path to content hash. Paths are compared byte for byte (latin1
 * of the raw name), and Shoal's own `.shoal` folder does not count as content.
 */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const SLASH = Buffer.from('/')

/** Every regular file below `folder`, by raw relative path, with the SHA-256 of its content. */
export function treeHashes(folder: string): Map<string, string> {
  const found = new Map<string, string>()
  const walk = (raw: Buffer, relative: string) => {
    for (const name of readdirSync(raw, { encoding: 'buffer' })) {
      if (relative === '' && name.toString() === '.shoal') continue
      const path = Buffer.concat([raw, SLASH, name])
      const key = relative + name.toString('latin1')
      const stat = lstatSync(path)
      if (stat.isDirectory()) walk(path, `${key}/`)
      else if (stat.isFile()) found.set(key, createHash('sha256').update(readFileSync(path)).digest('hex'))
    }
  }
  walk(Buffer.from(folder), '')
  return new Map([...found].sort((a, b) => (a[0] < b[0] ? -1 : 1)))
}

/** What differs between two trees, in words; empty when they are equal. */
export function treeDifferences(expected: string, actual: string): string[] {
  const [a, b] = [treeHashes(expected), treeHashes(actual)]
  const lines: string[] = []
  for (const [path, hash] of a)
    if (b.get(path) !== hash) lines.push(`${b.has(path) ? 'differs' : 'missing'}: ${path}`)
  for (const path of b.keys()) if (!a.has(path)) lines.push(`unexpected: ${path}`)
  return lines
}

/** Writes `files` (relative path to content) below `folder`. */
export function writeTree(folder: string, files: Iterable<readonly [string, Uint8Array]>): void {
  mkdirSync(folder, { recursive: true })
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}
