/**
 * The files of the project as a stranger would get them: everything but what tools download, build or
 * measure.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')

const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', 'test-results', '.git', '.shoal'])
const NOT_OURS_PATHS = new Set(['test/vectors', 'bench/data', 'bench/results'])

/** Paths from the root of the project, with `/`, sorted. `folder` of '' is the whole project. */
export function projectFiles(folder: string, ending = ''): string[] {
  const files: string[] = []
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (NOT_OURS.has(entry.name) || NOT_OURS_PATHS.has(path)) continue
    if (entry.isDirectory()) files.push(...projectFiles(path, ending))
    else if (entry.isFile() && entry.name.endsWith(ending)) files.push(path)
  }
  return files.sort()
}

/** TypeScript that ships: no tests. */
export function sourceFiles(): string[] {
  return projectFiles('src', '.ts').filter((file) => !file.endsWith('.test.ts'))
}

/** The folders of `src/` that hold code. */
export function sourceFolders(): string[] {
  const inFolders = sourceFiles().filter((file) => file.split('/').length > 2)
  return [...new Set(inFolders.map((file) => file.split('/')[1]!))]
}

export function readText(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

/** `file:line: what` for every line in which `pattern` is found. */
export function findLines(file: string, text: string, pattern: RegExp, what: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${what}`] : []))
}
