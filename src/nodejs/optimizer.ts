/**
 * V8 compiles what runs hot once more, on threads of its own. While content is hashed both cores are busy
 * without it, and what runs hot there waits for SHA-1 anyway: the last and dearest of its compilers takes 5 %
 * of all processor time then and gives nothing back. A peer that serves gains from it.
 */
import { changeFlag, isChanged, resetFlag } from './v8-flags.ts'

/** While content is hashed and nothing else goes on beside it; once threads are up (`v8-flags.ts`). */
export function restrainOptimizer(): void {
  changeFlag('optimizer', '--no-opt')
}

/** It is over. */
export function freeOptimizer(): void {
  resetFlag('optimizer')
}

/** For what is over before code that runs hot in it is compiled once more. */
export function withoutOptimizer<T>(use: () => T): T {
  if (isChanged('optimizer')) return use()
  restrainOptimizer()
  try {
    return use()
  } finally {
    freeOptimizer()
  }
}
