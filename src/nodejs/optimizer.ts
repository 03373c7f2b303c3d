/**
 * When V8 compiles what runs hot once more, which it does twice, on threads of its own (Maglev, then
 * TurboFan).
 */
import { changeFlag, isChanged, resetFlag } from './v8-flags.ts'

/** Calls of a function before each of the two is asked. V8 itself says 400 and 3000. */
const CALLS_BEFORE_MAGLEV = 4000
const CALLS_BEFORE_TURBOFAN = 30_000

/**
 * What a peer does with a piece runs through much code seldom: a download of a gigabyte calls most of it a
 * few thousand times, and spends more on compiling it than it saves. To be called when modules and threads
 * are up (`v8-flags.ts`).
 */
export function optimizeLate(): void {
  changeFlag('maglev', `--invocation-count-for-maglev=${CALLS_BEFORE_MAGLEV}`)
  changeFlag('turbofan', `--invocation-count-for-turbofan=${CALLS_BEFORE_TURBOFAN}`)
}

/**
 * While content is hashed and nothing else goes on beside it; once threads are up (`v8-flags.ts`). Both cores
 * are busy then, and what runs hot waits for SHA-1 anyway: the last and dearest of the compilers takes 5 % of
 * all processor time and gives nothing back.
 */
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
