/**
 * V8 compiles what runs hot once more, on threads of its own. While content is hashed both cores are busy
 * without it, and what runs hot there waits for SHA-1 anyway: the last and dearest of its compilers takes 5 %
 * of all processor time then and gives nothing back. A peer that serves gains from it.
 */
import { setFlagsFromString } from 'node:v8'

let isRestrained = false

/** While content is hashed and nothing else goes on beside it; once threads are up (`heap-growth.ts`). */
export function restrainOptimizer(): void {
  if (!isRestrained) setFlagsFromString('--no-opt')
  isRestrained = true
}

/** It is over. */
export function freeOptimizer(): void {
  if (isRestrained) setFlagsFromString('--opt')
  isRestrained = false
}
