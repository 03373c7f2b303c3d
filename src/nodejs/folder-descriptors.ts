/**
 * Open folders of this thread, kept for a moment so that 20,000 files in a few folders do
 * not walk the tree 20,000 times.
 * Invariant: an entry is used for at most one second after its folder was opened, so a folder that was
 * renamed or replaced is noticed; every descriptor that leaves the cache is closed.
 */
import { closeSync } from 'node:fs'
import { foldersWithin } from './descriptor-limit.ts'

const FRESH_MS = 1000

interface Entry {
  readonly key: string
  readonly fd: number
  readonly openedAtMs: number
}

/** Of `foldersOpenMax`, as many as the system allows. */
let countMax: number | undefined
/** Oldest use first. Bounded by LIMITS.foldersOpenMax. */
const entries = new Map<string, Entry>()
/** Used last: mostly the next file is in the same folder. */
let newest: Entry | undefined

/** The descriptor of a folder opened within the last second. */
export function recall(key: string): number | undefined {
  const entry = newest?.key === key ? newest : entries.get(key)
  if (entry === undefined) return undefined
  if (performance.now() - entry.openedAtMs > FRESH_MS) {
    forget(key)
    return undefined
  }
  if (entry !== newest) {
    entries.delete(key)
    entries.set(key, entry)
    newest = entry
  }
  return entry.fd
}

/** The folder used last, if its descriptor is this one and was opened within the last second. */
export function isNewest(key: string, fd: number): boolean {
  return newest?.fd === fd && newest.key === key && performance.now() - newest.openedAtMs <= FRESH_MS
}

/** Takes over `fd`; it is closed when its turn comes. */
export function remember(key: string, fd: number): void {
  forget(key)
  countMax ??= foldersWithin()
  for (const [oldest] of entries) {
    if (entries.size < countMax) break
    forget(oldest)
  }
  newest = { key, fd, openedAtMs: performance.now() }
  entries.set(key, newest)
}

function forget(key: string): void {
  const entry = entries.get(key)
  if (entry === undefined) return
  entries.delete(key)
  if (entry === newest) newest = undefined
  closeSync(entry.fd)
}

/** Forgets a folder and all below it. */
export function forgetTree(root: string): void {
  for (const key of [...entries.keys()]) if (key === root || key.startsWith(`${root}\0`)) forget(key)
}

export function forgetAll(): void {
  for (const key of [...entries.keys()]) forget(key)
}
