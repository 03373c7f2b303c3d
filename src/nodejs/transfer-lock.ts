/**
 * Keeps a second process from downloading the same torrent into the same folder. The lock is a SQLite
 * transaction on a file of its own, so the kernel lets go of it however the process ends.
 * Invariant: at most one process holds the lock of a path.
 */
import { type BigIntStats, closeSync, openSync, rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { ShoalError } from './shoal-error.ts'

const SQLITE_BUSY = 5
/** Held by this process. Opening and closing such a file again would drop the kernel's lock on it. */
const HELD = new Set<string>()
/** A holder that leaves deletes the file; whoever opened it just before has locked a file without a name. */
const ATTEMPTS_MAX = 5

export class TransferLock {
  readonly #path: string
  readonly #database: DatabaseSync

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path
    this.#database = database
  }

  /** Throws ShoalError `transfer/locked` while another process holds it. */
  static take(path: string): TransferLock {
    if (HELD.has(path)) throw lockError(path, undefined)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      closeSync(openSync(path, 'a', 0o666))
      const before = identity(path)
      const database = new DatabaseSync(path)
      try {
        database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
      } catch (cause) {
        database.close()
        throw lockError(path, cause)
      }
      if (before !== undefined && before === identity(path)) {
        HELD.add(path)
        return new TransferLock(path, database)
      }
      database.close()
    }
    throw lockError(path, undefined)
  }

  release(): void {
    rmSync(this.#path, { force: true })
    this.#database.close()
    HELD.delete(this.#path)
  }
}

function identity(path: string): string | undefined {
  const stat: BigIntStats | undefined = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat && `${stat.ino} ${stat.birthtimeNs}`
}

function lockError(path: string, cause: unknown): ShoalError {
  const isBusy = (cause as { errcode?: number } | undefined)?.errcode === SQLITE_BUSY || cause === undefined
  return isBusy
    ? new ShoalError(
        'transfer/locked',
        'another process is downloading this torrent into the same folder',
        'stop that process, or choose another folder with --dir',
        { cause },
      )
    : new ShoalError(
        'transfer/lock-failed',
        `cannot lock ${path}`,
        'check that the file system supports locks',
        { cause },
      )
}
