/**
 * A store in one SQLite file, written ahead (WAL), so that a crash loses nothing that was flushed and damages
 * nothing. What is put waits in memory for a moment and is written in one transaction, since a transaction
 * costs the same for one row as for thousands.
 * The file carries a version in `user_version`; an older one is brought up to date step by step, a newer
 * one is refused. Two programs must not have one file: the second is refused.
 * Invariant: rows that wait are visible to `get` and `rows`. Bounded by storeBatchBytesMax: beyond, they are
 * written at once.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LIMITS } from '../base/limits.ts'
import { ShoalError } from './shoal-error.ts'
import { isSameValue, type Store, type StoredRow, type TableWatcher } from './store.ts'

/** `shoal`, so that other files are not taken for ours. */
const APPLICATION_ID = 0x73686f61
/** How often what waits is written; a crash of this program loses no more than this. */
const FLUSH_MS = 200
const RETRY_MS = 10_000

/** Step n makes version n + 1 of version n. Never changed once published. */
const MIGRATIONS: readonly string[] = [
  'CREATE TABLE rows (name TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID',
]

interface Change {
  readonly table: string
  readonly key: string
  /** Undefined: is to go. */
  readonly value: Uint8Array | undefined
}

export class SqliteStore implements Store {
  readonly description: string
  readonly #database: DatabaseSync
  readonly #onFailure: (error: unknown) => void
  readonly #select: StatementSync
  readonly #selectAll: StatementSync
  readonly #upsert: StatementSync
  readonly #remove: StatementSync
  /** By table and key, the newest. */
  readonly #waiting = new Map<string, Change>()
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(database: DatabaseSync, file: string, onFailure: (error: unknown) => void) {
    this.description = file
    this.#onFailure = onFailure
    this.#database = database
    this.#select = database.prepare('SELECT value FROM rows WHERE name = ? AND key = ?')
    this.#selectAll = database.prepare('SELECT key, value FROM rows WHERE name = ? ORDER BY key')
    this.#upsert = database.prepare('INSERT OR REPLACE INTO rows (name, key, value) VALUES (?, ?, ?)')
    this.#remove = database.prepare('DELETE FROM rows WHERE name = ? AND key = ?')
  }

  /** Throws ShoalError `store/…`. @param onFailure told when what waits could not be written */
  static async open(file: string, onFailure: (error: unknown) => void = () => {}): Promise<SqliteStore> {
    const { DatabaseSync } = await import('node:sqlite')
    let database: DatabaseSync | undefined
    try {
      mkdirSync(dirname(file), { recursive: true })
      database = new DatabaseSync(file)
      // One program at a time: the lock is taken by the first write below and kept.
      database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      migrate(database, file)
      return new SqliteStore(database, file, onFailure)
    } catch (cause) {
      database?.close()
      throw cause instanceof ShoalError ? cause : openingFailed(file, cause)
    }
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    return this.#read(table, key)
  }

  #read(table: string, key: string): Uint8Array | undefined {
    const change = this.#waiting.get(waitingKey(table, key))
    if (change) return change.value
    return this.#select.get(table, key)?.value as Uint8Array | undefined
  }

  put(table: string, key: string, value: Uint8Array): void {
    this.#change({ table, key, value })
  }

  delete(table: string, key: string): void {
    this.#change({ table, key, value: undefined })
  }

  async swap(
    table: string,
    key: string,
    before: Uint8Array | undefined,
    after: Uint8Array | undefined,
  ): Promise<boolean> {
    if (!isSameValue(this.#read(table, key), before)) return false
    this.#change({ table, key, value: after })
    return true
  }

  async rows(table: string): Promise<readonly StoredRow[]> {
    this.#write()
    return this.#selectAll.all(table).map(({ key, value }) => ({
      key: key as string,
      value: value as Uint8Array,
    }))
  }

  /** The file is locked: there are no others. */
  async watch(table: string, watcher: TableWatcher): Promise<void> {
    watcher.all(await this.rows(table))
  }

  async flush(): Promise<void> {
    this.#write()
  }

  async close(): Promise<void> {
    this.#write()
    this.#database.close()
  }

  #change(change: Change): void {
    this.#waiting.set(waitingKey(change.table, change.key), change)
    this.#waitingBytes += change.key.length + (change.value?.length ?? 0)
    if (this.#waitingBytes > LIMITS.storeBatchBytesMax.value) this.#write()
    else this.#timer ??= setTimeout(() => this.#writeLater(), FLUSH_MS)
  }

  /** A full disk must not end the tracker: what waits stays, and is written when there is room. */
  #writeLater(): void {
    try {
      this.#write()
    } catch (error) {
      this.#onFailure(error)
      this.#timer = setTimeout(() => this.#writeLater(), RETRY_MS)
    }
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.size === 0) return
    this.#database.exec('BEGIN')
    try {
      for (const { table, key, value } of this.#waiting.values())
        if (value === undefined) this.#remove.run(table, key)
        else this.#upsert.run(table, key, value)
      this.#database.exec('COMMIT')
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw new ShoalError(
        'store/cannot-write',
        `the catalog cannot be written to ${this.description}: ${cause instanceof Error ? cause.message : cause}`,
        'Make room on the disk; it is tried again.',
        { cause },
      )
    }
    this.#waiting.clear()
    this.#waitingBytes = 0
  }
}

function migrate(database: DatabaseSync, file: string): void {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  const { application_id: application } = database.prepare('PRAGMA application_id').get() as {
    application_id: number
  }
  const isForeign = application !== APPLICATION_ID && (application !== 0 || !isEmpty(database))
  if (isForeign)
    throw new ShoalError('store/not-ours', `${file} is a database of another program`, 'Name another file.')
  if (version > MIGRATIONS.length)
    throw new ShoalError(
      'store/too-new',
      `${file} was written by a newer version of Shoal`,
      'Update Shoal, or name another file.',
    )
  database.exec('BEGIN IMMEDIATE')
  for (const step of MIGRATIONS.slice(version)) database.exec(step)
  database.exec(
    `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`,
  )
}

function isEmpty(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
}

function waitingKey(table: string, key: string): string {
  return `${table}\0${key}`
}

function openingFailed(file: string, cause: unknown): ShoalError {
  const message = cause instanceof Error ? cause.message : String(cause)
  const isLocked = message.includes('locked')
  return isLocked
    ? new ShoalError(
        'store/in-use',
        `another program has ${file}`,
        'Stop it, or name another file with --store.',
        {
          cause,
        },
      )
    : new ShoalError(
        'store/cannot-open',
        `cannot keep the catalog in ${file}: ${message}`,
        'Name another file with --store sqlite:FILE, or use --store memory.',
        { cause },
      )
}
