/**
 * Everything the kit starts is stopped when its test ends, passed or failed, newest first:
 * sockets are closed, child processes are killed by their own pid, folders are removed. Nothing
 * outlives the test process either.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

type Task = () => void | Promise<void>
const tasks: Task[] = []
const pids = new Set<number>()

/** Runs `task` when the current test has ended. */
export function onCleanUp(task: Task): void {
  tasks.push(task)
}

/** Stops what the current test has started so far. Also for use in the middle of a long test. */
export async function cleanUp(): Promise<void> {
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
