/**
 * A store in Redis, shared by several processes: what one writes the others are told (`redis-watch.ts`). What
 * could not be written because Redis was away is kept, the last value of each key, and written when it is
 * back; nothing else is, so a Redis that comes back empty is empty (docs/operating.md).
 * Invariant: a `get` sees what this process put before, also while that waits to be written.
 */
import { type RedisConnection, redisScript } from './redis-connection.ts'
import { SWAP, tableKeys, WRITE } from './redis-table-scripts.ts'
import { RedisWatch } from './redis-watch.ts'
import type { Store, StoredRow, TableWatcher } from './store.ts'

/** How long to wait before what could not be written is tried again. */
const RETRY_MS = 500
/** A stop does not wait longer for a Redis that is away. */
const CLOSE_MS = 2000

const write = redisScript(WRITE)
const swap = redisScript(SWAP)

interface Change {
  readonly table: string
  readonly key: string
  /** Undefined: is to go. */
  readonly value: Uint8Array | undefined
}

export class RedisStore implements Store {
  readonly description = 'Redis'
  readonly #redis: RedisConnection
  /** By table and key. Bounded by the keys that there are. */
  readonly #waiting = new Map<string, Change>()
  readonly #watches = new Map<string, RedisWatch>()
  #writing: Promise<void> | undefined
  /** The attempt to write that was begun last; fails as that does. */
  #attempt: Promise<unknown> = Promise.resolve()
  #isClosing = false

  constructor(redis: RedisConnection) {
    this.#redis = redis
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    const waiting = this.#waiting.get(nameOf(table, key))
    if (waiting !== undefined) return waiting.value
    const [hash] = tableKeys(table)
    const value = (await this.#redis.call(hash!, ['HGET', hash!, key])) as Buffer | null
    return value ?? undefined
  }

  put(table: string, key: string, value: Uint8Array): void {
    this.#write({ table, key, value })
  }

  delete(table: string, key: string): void {
    this.#write({ table, key, value: undefined })
  }

  async swap(
    table: string,
    key: string,
    before: Uint8Array | undefined,
    after: Uint8Array | undefined,
  ): Promise<boolean> {
    if (this.#waiting.has(nameOf(table, key))) await this.flush()
    const watch = this.#watches.get(table)
    watch?.begins(key)
    try {
      const given = [...optional(before), ...optional(after)]
      return (await this.#redis.run(swap, tableKeys(table), [key, ...given])) === 1
    } finally {
      watch?.ended(key)
    }
  }

  async rows(table: string): Promise<readonly StoredRow[]> {
    await this.flush()
    const [hash] = tableKeys(table)
    // Key, value, key, value ...
    const flat = (await this.#redis.call(hash!, ['HGETALL', hash!])) as Buffer[]
    const rows: StoredRow[] = []
    for (let i = 0; i < flat.length; i += 2) rows.push({ key: String(flat[i]), value: flat[i + 1]! })
    return rows.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async watch(table: string, watcher: TableWatcher): Promise<void> {
    const watch = new RedisWatch(this.#redis, table, watcher, () => this.#waitingOf(table))
    this.#watches.set(table, watch)
    await watch.start()
  }

  /** Fails at once while Redis is away, as every call does. */
  async flush(): Promise<void> {
    while (this.#waiting.size > 0) await this.#attempt
  }

  /** What Redis does not take until then is lost, as it would be with this machine. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const watch of this.#watches.values()) watch.close()
    let timer: NodeJS.Timeout | undefined
    const isLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([this.#writing, isLate])
    clearTimeout(timer)
  }

  #waitingOf(table: string): ReadonlyMap<string, Uint8Array | undefined> {
    const own = [...this.#waiting.values()].filter((change) => change.table === table)
    return new Map(own.map(({ key, value }) => [key, value]))
  }

  #write(change: Change): void {
    const name = nameOf(change.table, change.key)
    if (!this.#waiting.has(name)) this.#watches.get(change.table)?.begins(change.key)
    this.#waiting.set(name, change)
    this.#writing ??= this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting]
      try {
        this.#attempt = Promise.all(batch.map(([, change]) => this.#send(change)))
        await this.#attempt
        for (const [name, written] of batch) {
          if (this.#waiting.get(name) !== written) continue
          this.#waiting.delete(name)
          this.#watches.get(written.table)?.ended(written.key)
        }
      } catch {
        if (this.#isClosing) break
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    this.#writing = undefined
  }

  #send({ table, key, value }: Change): Promise<unknown> {
    return this.#redis.run(write, tableKeys(table), value === undefined ? [key] : [key, Buffer.from(value)])
  }
}

/** As `SWAP` takes it. */
function optional(value: Uint8Array | undefined): readonly (string | Buffer)[] {
  return value === undefined ? ['0', ''] : ['1', Buffer.from(value)]
}

/** A table's name has no line break. */
function nameOf(table: string, key: string): string {
  return `${table}\n${key}`
}
