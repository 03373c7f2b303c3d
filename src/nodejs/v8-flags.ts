/**
 * Flags of V8's that are changed while the program runs. Code that V8 compiled fits the flags it was compiled
 * with, its own for Node.js too: what comes after a change is compiled anew, 35 ms for each module or thread.
 * So flags change once everything is there, if that can be, and what is kept for the next start is kept as of
 * the flags that it begins with.
 */
import { setFlagsFromString } from 'node:v8'

/** As they are when the program starts. */
const FIRST = {
  optimizer: '--opt',
  lastOptimizer: '--turbofan',
  youngSpaceGrowth: '--semi-space-growth-factor=2',
  heapGrowth: '--heap-growing-percent=0',
} as const

type Flag = keyof typeof FIRST

const changed = new Map<Flag, string>()

export function changeFlag(flag: Flag, text: string): void {
  if (changed.get(flag) === text) return
  changed.set(flag, text)
  setFlagsFromString(text)
}

export function resetFlag(flag: Flag): void {
  if (changed.delete(flag)) setFlagsFromString(FIRST[flag])
}

export function isChanged(flag: Flag): boolean {
  return changed.has(flag)
}

export function withFirstFlags(use: () => void): void {
  for (const flag of changed.keys()) setFlagsFromString(FIRST[flag])
  try {
    use()
  } finally {
    for (const text of changed.values()) setFlagsFromString(text)
  }
}
