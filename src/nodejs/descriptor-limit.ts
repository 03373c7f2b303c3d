/**
 * How many connections fit under the limit of open files. Node.js raises the soft limit to the hard one when
 * it starts; what it is then the system tells (Linux).
 */
import { readFileSync } from 'node:fs'

/** Content files and folders that are open at once, threads, pipes, trackers, web seeds, name lookups. */
const OTHERS = 512
/** Where even that is not there. */
const CONNECTIONS_MIN = 16

/** Undefined where it cannot be told. */
function openFilesMax(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
    return match === null ? undefined : Number(match[1])
  } catch {
    return undefined
  }
}

/** Of those wished for, as many as the system has descriptors for. */
export function connectionsWithin(wanted: number, limit = openFilesMax()): number {
  if (limit === undefined) return wanted
  const others = Math.min(OTHERS, Math.floor(limit / 2))
  return Math.min(wanted, Math.max(CONNECTIONS_MIN, limit - others))
}
