/**
 * What the limit of open files leaves for what: Node.js and its threads first, of the rest five eighths for
 * connections, a quarter for content files (open or being closed), an eighth for folders; at most
 * what is of use of each. Node.js raises the soft limit to the hard one when it starts; what it is
 * then the system tells (Linux).
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { LIMITS } from '../base/limits.ts'
import { ShoalError } from './shoal-error.ts'

/** Content files and folders that are open at once, threads, pipes, trackers, web seeds, name lookups. */
const OTHERS = 512
/** Far below the usual limit of 1,024 descriptors, far above the files a few peers work on at once. */
const CONTENT_FILES_MAX = 256
const CONTENT_FILES_MIN = 4
const FOLDERS_MIN = 2
/** Of a peer that has no connection yet: streams, loops, the listener, the lock. Measured. */
const OWN = 24
/** A thread's loop and pipes (measured), and `FOLDERS_MIN`. */
const PER_THREAD = 8
/** Smallest useful remainder: some connections, some files, a tracker. */
const SPARE_MIN = 32

/** Hashing, verifying, and the main one. */
function threadCount(): number {
  return Math.min(availableParallelism(), LIMITS.hashWorkersMax.value) + 2
}

/** Undefined where it cannot be told. */
function openFilesMax(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
    return match === null ? undefined : Number(match[1])
  } catch {
    return undefined
  }
}

/** What is left when Node.js and its threads have theirs. */
function spare(limit: number, threads: number): number {
  return limit - OWN - PER_THREAD * threads
}

/** Throws ShoalError `listen/too-few-descriptors` where a peer would only ever wait for some. */
export function refuseTooFewDescriptors(limit = openFilesMax(), threads = threadCount()): void {
  if (limit === undefined || spare(limit, threads) >= SPARE_MIN) return
  const least = limit - spare(limit, threads) + SPARE_MIN
  throw new ShoalError(
    'listen/too-few-descriptors',
    `this system allows ${limit} open files, and a peer needs at least ${least} here`,
    'Raise the limit of open files (ulimit -n).',
  )
}

/** Of those wished for, as many as the system has descriptors for. */
export function connectionsWithin(wanted: number, limit = openFilesMax(), threads = threadCount()): number {
  if (limit === undefined) return wanted
  const beside = limit - Math.min(OTHERS, Math.floor(limit / 2))
  return Math.min(wanted, Math.max(1, Math.min(beside, Math.floor((spare(limit, threads) * 5) / 8))))
}

/** Content files of all torrents open at once. */
export function contentFilesWithin(limit = openFilesMax(), threads = threadCount()): number {
  if (limit === undefined) return CONTENT_FILES_MAX
  const share = Math.floor(spare(limit, threads) / 6)
  return Math.min(CONTENT_FILES_MAX, Math.max(CONTENT_FILES_MIN, share))
}

/** Folders of content that one thread keeps open. */
export function foldersWithin(limit = openFilesMax(), threads = threadCount()): number {
  const most = LIMITS.foldersOpenMax.value
  if (limit === undefined) return most
  const share = Math.floor(spare(limit, threads) / 8 / threads)
  return Math.min(most, FOLDERS_MIN + Math.max(0, share))
}
