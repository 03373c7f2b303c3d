/**
 * Which file needs which, read from import and export statements, dynamic imports and `new URL('./x.ts',
 * import.meta.url)`.
 */
import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ROOT, readText } from './project-files.ts'
import { withoutComments } from './source-text.ts'

const STATEMENT = /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g
const FILE_URL = /new URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url/g

/** Project paths of the files that `file` needs; packages and `node:` modules left out. */
export function importsOf(file: string): string[] {
  const source = withoutComments(readText(file))
  const specifiers = [...source.matchAll(STATEMENT), ...source.matchAll(FILE_URL)].map(
    (found) => found[1] ?? found[2]!,
  )
  return specifiers
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(file), specifier))
}

/** Everything the entry points lead to, themselves included. */
export function reachable(entryPoints: readonly string[]): Set<string> {
  const found = new Set(entryPoints)
  for (const file of found)
    if (/\.(ts|mjs)$/.test(file) && existsSync(join(ROOT, file)))
      for (const next of importsOf(file)) found.add(next)
  return found
}
