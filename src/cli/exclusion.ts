/**
 * What `--exclude` did: a pattern that leaves nothing is an error that names it, one that matches nothing a
 * warning, because it is likely misspelt.
 */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { compileGlobs } from '../nodejs/file-glob.ts'
import type { FoundContent } from '../nodejs/folder-walk.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Output } from './output.ts'

/** Throws `create/no-content` when nothing is left. */
export function tellExclusion(
  globs: readonly string[] | undefined,
  paths: readonly string[],
  content: FoundContent,
  output: Output,
): void {
  if (globs === undefined) return
  if (content.files.length === 0 && content.skipped.length === 0)
    throw new ShoalError(
      'create/no-content',
      `--exclude ${globs.join(' --exclude ')} leaves nothing to share`,
      'Leave it out, or choose a pattern that matches less.',
    )
  for (const glob of unmatchedGlobs(globs, paths))
    output.warning({
      code: 'create/unused-exclude',
      message: `--exclude ${glob} matches nothing`,
      hint: 'A pattern without / is tried on every name, one with / from the top of the content.',
    })
}

/** Walks until every pattern has matched. */
function unmatchedGlobs(globs: readonly string[], paths: readonly string[]): readonly string[] {
  let open = globs.map((glob) => ({ glob, matches: compileGlobs([glob]) }))
  const isPrefixed = paths.length > 1
  const folders = paths.map((given) => {
    const absolute = path.resolve(given)
    return { on: absolute, below: isPrefixed ? [path.basename(absolute)] : [] }
  })
  for (let folder = folders.pop(); folder !== undefined && open.length > 0; folder = folders.pop()) {
    for (const entry of entriesOf(folder.on)) {
      const below: string[] = [...folder.below, entry.name]
      open = open.filter(({ matches }) => !matches(below))
      if (entry.isDirectory()) folders.push({ on: path.join(folder.on, entry.name), below })
    }
  }
  return open.map(({ glob }) => glob)
}

/** None of a file, or of a folder that cannot be read. */
function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
