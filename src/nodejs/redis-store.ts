/**
 * A store in Redis: a hash for each table. What could not be written because Redis was away is kept, the last
 * value of each key, and written when it is back.
 * Invariant: a `get` sees what this process put before, also while that waits to be written.
 */
import type { RedisConnection } from './redis-connection.ts'
import type { Store, StoredRow } from './store.ts'

/** How long to wait before what could not be written is tried again. */
const RETRY_MS = 500
/** A stop does not wait longer for a Redis that is away. */
const CLOSE_MS = 2000

export class RedisStore implements Store {
  readonly description = 'Redis'
  readonly #redis: RedisConnection
  /** By table and key; null = to be deleted. Bounded by the keys that there are. */
  #waiting = new Map<string, { table: string; key: string; value: Uint8Array | null }>()
  #writing: Promise<void> | undefined
  #isClosing = false

  constructor(redis: RedisConnection) {
    this.#redis = redis
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    const waiting = this.#waiting.get(nameOf(table, key))
    if (waiting !== undefined) return waiting.value ?? undefined
    const hash = hashOf(table)
    const value = (await this.#redis.call(hash, ['HGET', hash, key])) as Buffer | null
    return value ?? undefined
  }

  put(table: string, key: string, value: Uint8Array): void {
    this.#write(table, key, value)
  }

  delete(table: string, key: string): void {
    this.#write(table, key, null)
  }

  async rows(table: string): Promise<readonly StoredRow[]> {
    await this.flush()
    const hash = hashOf(table)
    // Key, value, key, value ...
    const flat = (await this.#redis.call(hash, ['HGETALL', hash])) as Buffer[]
    const rows: StoredRow[] = []
    for (let i = 0; i < flat.length; i += 2) rows.push({ key: String(flat[i]), value: flat[i + 1]! })
    return rows.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** What Redis does not take until then is lost, as it would be with this machine. */
  async close(): Promise<void> {
    this.#isClosing = true
    let timer: NodeJS.Timeout | undefined
    const isLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([this.flush(), isLate])
    clearTimeout(timer)
  }

  #write(table: string, key: string, value: Uint8Array | null): void {
    this.#waiting.set(nameOf(table, key), { table, key, value })
    this.#writing ??= this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting]
      try {
        await Promise.all(batch.map(([, { table, key, value }]) => this.#send(table, key, value)))
        for (const [name, written] of batch)
          if (this.#waiting.get(name) === written) this.#waiting.delete(name)
      } catch {
        if (this.#isClosing) break
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    this.#writing = undefined
  }

  #send(table: string, key: string, value: Uint8Array | null): Promise<unknown> {
    const hash = hashOf(table)
    const command = value === null ? ['HDEL', hash, key] : ['HSET', hash, key, Buffer.from(value)]
    return this.#redis.call(hash, command)
  }
}

function hashOf(table: string): string {
  return `shoal:table:${table}`
}

/** A table's name has no line break. */
function nameOf(table: string, key: string): string {
  return `${table}\n${key}`
}
