/**
 * Everything the kit starts is stopped when its test ends, passed or failed, newest first:
 * sockets are closed, child processes are killed by their own pid, folders are removed. Nothing
 * outlives the test process either.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

type Task = () => void | Promise<void>
const testTasks: Task[] = []
const scopeTasks = new AsyncLocalStorage<Task[]>()
const pids = new Set<number>()

/** Runs `task` when the current test, or the scope that calls, has ended. */
export function onCleanUp(task: Task): void {
  ;(scopeTasks.getStore() ?? testTasks).push(task)
}

/** Stops what the current test has started so far. Also for use in the middle of a long test. */
export async function cleanUp(): Promise<void> {
  await runTasks(scopeTasks.getStore() ?? testTasks)
}

/** What `run` starts, and what that starts later, stays until `end`, whichever tests end meanwhile. */
export class CleanUpScope {
  readonly #tasks: Task[] = []

  run<T>(body: () => T): T {
    return scopeTasks.run(this.#tasks, body)
  }

  async end(): Promise<void> {
    await runTasks(this.#tasks)
  }
}

/** The body of a concurrent test: what it starts ends with it, and not with the first test that is done. */
export function alone<T>(body: (given: T) => Promise<void>): (given: T) => Promise<void> {
  return async (given) => {
    const scope = new CleanUpScope()
    try {
      await scope.run(() => body(given))
    } finally {
      await scope.end()
    }
  }
}

async function runTasks(tasks: Task[]): Promise<void> {
  for (let task = tasks.pop(); task; task = tasks.pop()) await task()
}

/** A child process that must not outlive this one. */
export function guardPid(pid: number): void {
  pids.add(pid)
}

export function releasePid(pid: number): void {
  pids.delete(pid)
}

/** A fresh folder that goes away with the test. In memory where the machine offers that. */
export function temporaryFolder(label = 'kit'): string {
  const folder = mkdtempSync(join(tmpdir(), `shoal-${label}-`))
  onCleanUp(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

afterEach(cleanUp)
process.on('exit', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it has ended by itself
    }
  }
})
