/**
 * V8 compiles what runs hot on threads of its own, with Maglev, and what goes on to run hot once more with
 * TurboFan, which takes many times as long. While content is hashed both cores are busy without that, and
 * what runs hot there waits for SHA-1 anyway: 2-5 % of all processor time would go to it
 * and nothing come back.
 */
import { changeFlag, isChanged, resetFlag } from './v8-flags.ts'

/**
 * For a program that is a peer, once threads are up (`v8-flags.ts`): Maglev is enough. A transfer
 * waits for the system, for SHA-1 and for other peers, runs much code, and none of it often
 * enough that compiling it twice pays.
 */
export function leaveOutTurboFan(): void {
  changeFlag('lastOptimizer', '--no-turbofan')
}

/** While pieces are hashed and nothing else goes on beside it; once threads are up (`v8-flags.ts`). */
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
