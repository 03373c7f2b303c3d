/**
 * Hears what changed in the tables of Redis: asks for it several times a second. Asking, unlike being told
 * (publish and subscribe), misses nothing when a connection was lost, a message was dropped or a Redis came
 * back empty, since each answer goes on from the version that was reached.
 * Invariants: work is bounded for each question (CHANGES_AT_ONCE rows), but for the whole table, which is
 * read when the log does not reach back far enough; a key this process is writing is told later, so that
 * nobody is told of a value older than one they gave.
 */
import { type RedisConnection, redisScript } from './redis-connection.ts'
import { CHANGES, tableKeys } from './redis-table-scripts.ts'
import type { StoredRow, TableWatcher } from './store.ts'

/** What others wrote is known here after this time. */
const ASK_MS = 250
const CHANGES_AT_ONCE = 100
const NOTHING_SEEN = '-1'

const changes = redisScript(CHANGES)

export class RedisWatch {
  readonly #redis: RedisConnection
  readonly #table: string
  readonly #watcher: TableWatcher
  /** What this process gave and Redis has not taken yet. */
  readonly #waiting: () => ReadonlyMap<string, Uint8Array | undefined>
  #seen = NOTHING_SEEN
  /** Keys that this process is writing, and how often. Bounded by what the owners write at once. */
  readonly #writing = new Map<string, number>()
  /** Keys written since the last question was sent: its answer may be older. */
  readonly #written = new Set<string>()
  /** Not told although they changed. */
  #later = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(
    redis: RedisConnection,
    table: string,
    watcher: TableWatcher,
    waiting: () => ReadonlyMap<string, Uint8Array | undefined>,
  ) {
    this.#redis = redis
    this.#table = table
    this.#watcher = watcher
    this.#waiting = waiting
  }

  /** Resolves when the whole table was told. Throws ShoalError `store/away`. */
  async start(): Promise<void> {
    await this.#ask()
    this.#askLater()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** A write of this process begins. */
  begins(key: string): void {
    this.#writing.set(key, (this.#writing.get(key) ?? 0) + 1)
  }

  /** It is over, well or not. */
  ended(key: string): void {
    const count = (this.#writing.get(key) ?? 1) - 1
    if (count > 0) this.#writing.set(key, count)
    else this.#writing.delete(key)
    this.#written.add(key)
  }

  #askLater(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(async () => {
      try {
        while (!this.#isClosed && (await this.#ask())) {}
      } catch {
        // It is told by the connection, and by every write that fails; the next question makes up for it.
      }
      this.#askLater()
    }, ASK_MS)
  }

  /** @returns whether there is more */
  async #ask(): Promise<boolean> {
    this.#written.clear()
    const again = [...this.#later].slice(0, CHANGES_AT_ONCE)
    const asked = [this.#seen, String(CHANGES_AT_ONCE), ...again]
    const reply = await this.#redis.run(changes, tableKeys(this.#table), asked)
    const [reached, isAll, ...flat] = reply as [Buffer, number, ...(Buffer | null)[]]
    if (isAll === 1) {
      await this.#askAll()
      this.#seen = String(reached)
      return false
    }
    for (const key of again) this.#later.delete(key)
    for (let i = 0; i < flat.length; i += 2) {
      const key = String(flat[i])
      if (this.#isOurs(key)) this.#later.add(key)
      else this.#watcher.changed(key, flat[i + 1] ?? undefined)
    }
    this.#seen = String(reached)
    return flat.length / 2 - again.length >= CHANGES_AT_ONCE
  }

  async #askAll(): Promise<void> {
    const [hash] = tableKeys(this.#table)
    const flat = (await this.#redis.call(hash!, ['HGETALL', hash!])) as Buffer[]
    const found = new Map<string, Uint8Array>()
    for (let i = 0; i < flat.length; i += 2) found.set(String(flat[i]), flat[i + 1]!)
    for (const [key, value] of this.#waiting())
      if (value === undefined) found.delete(key)
      else found.set(key, value)
    const rows: StoredRow[] = [...found].map(([key, value]) => ({ key, value }))
    this.#watcher.all(rows.sort((a, b) => (a.key < b.key ? -1 : 1)))
    // What was being written meanwhile is told as it stands, by the next question.
    this.#later = new Set([...this.#writing.keys(), ...this.#written])
  }

  #isOurs(key: string): boolean {
    return this.#writing.has(key) || this.#written.has(key)
  }
}
