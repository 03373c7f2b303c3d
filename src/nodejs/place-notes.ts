/**
 * Names of what a user's programs remember of a torrent in one place: what a seed has checked
 * (`resume-file.ts`), and what a magnet link stands for (`kept-metadata.ts`). Such notes stand apart from the
 * content, which may be read-only or somebody else's: nothing of ours is left in it.
 */
import { hash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** Of each kind. What is forgotten is found out again, by a check or from peers. */
export const PLACE_NOTES_MAX = 2000

/**
 * @param infoHash in hex
 * @param dir where the content stands; the same torrent may be in two places
 */
export function placeNotePath(folder: string, infoHash: string, dir: string, ending: string): string {
  return join(folder, `${infoHash}-${hash('sha256', realPath(dir)).slice(0, 16)}.${ending}`)
}

/** The same before it is made and after. */
function realPath(dir: string): string {
  const path = resolve(dir)
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(realPath(parent), basename(path))
  }
}
