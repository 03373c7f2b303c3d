/**
 * A program with a file system of its own to run full, take away or write-protect: it is started in a mount
 * namespace, where the test mounts what it likes, and nothing of it is left when the program has ended.
 * Linux as root only; `MOUNTS` says why not, elsewhere.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Shoal } from './shoal.ts'

/** Undefined where mounts work; otherwise the reason, for the report. */
export const NO_MOUNTS = ((): string | undefined => {
  const tried = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `no mount namespaces here: ${tried.stderr?.trim() || tried.error}`
})()

/** For `through`: runs this shell line first, in which `$DIR` is the folder. */
export function mounting(dir: string, line: string): string[] {
  return ['unshare', '-m', '--', 'sh', '-ec', `DIR="$0"; ${line}; exec "$@"`, dir]
}

/** Runs a shell line among the mounts of a program that runs. */
export function amongMounts({ pid }: Shoal, line: string): string {
  return execFileSync('nsenter', ['-t', String(pid), '-m', '--', 'sh', '-ec', line], { encoding: 'utf8' })
}

/** A folder as that program sees it. */
export function seenBy({ pid }: Shoal, dir: string): string {
  return join('/proc', String(pid), 'root', dir)
}
