/**
 * Whatever happens to a benchmark, nothing of it stays behind: at its end, on an error and on Ctrl+C its
 * child processes are killed, each by its own pid, and its folder of data is removed.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

const pids = new Set<number>()
let folder: string | undefined

export function guardPid(pid: number): void {
  pids.add(pid)
}

export function releasePid(pid: number): void {
  pids.delete(pid)
}

/** The folder for everything this benchmark writes: in memory where the machine offers that. */
export function dataFolder(): string {
  folder ??= mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'shoal-bench-'))
  return folder
}

/** A fresh folder in it. */
export function freshFolder(label: string): string {
  return mkdtempSync(path.join(dataFolder(), `${label}-`))
}

export function removeFolder(unwanted: string): void {
  rmSync(unwanted, { recursive: true, force: true, maxRetries: 5 })
}

for (const [signal, status] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(status))
process.on('exit', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  if (folder !== undefined) removeFolder(folder)
})
