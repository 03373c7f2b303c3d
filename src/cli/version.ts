/**
 * Which Shoal this is: version and commit from the stamp the build leaves in `dist/build.json`, or from
 * `package.json` when it runs from its sources. Loads nothing else, so `--version` answers at once.
 */
import { readFileSync } from 'node:fs'

export interface Version {
  readonly version: string
  /** Short hash; null when it was built outside a repository, or was not built. */
  readonly commit: string | null
  /** Of Node.js. */
  readonly node: string
}

export function readVersion(): Version {
  const stamp = readJson('../build.json') ?? readJson('../../package.json') ?? {}
  return {
    version: typeof stamp.version === 'string' ? stamp.version : 'unknown',
    commit: typeof stamp.commit === 'string' ? stamp.commit : null,
    node: process.version,
  }
}

export function formatVersion({ version, commit, node }: Version): string {
  return `shoal ${version} (${commit === null ? 'no commit' : `commit ${commit}`}) Node.js ${node}`
}

function readJson(path: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
  } catch {
    return undefined
  }
}
