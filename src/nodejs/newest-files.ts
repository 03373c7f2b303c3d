/** Folders of small files that would otherwise grow for ever. */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Removes all but the newest. */
export function keepNewestFiles(folder: string, countMax: number): void {
  try {
    const files = readdirSync(folder).map((name) => join(folder, name))
    if (files.length <= countMax) return
    const byAge = files.map((path) => ({ path, at: statSync(path).mtimeMs })).sort((a, b) => a.at - b.at)
    for (const { path } of byAge.slice(0, byAge.length - countMax)) rmSync(path, { force: true })
  } catch {
    // Not there yet, most likely.
  }
}
