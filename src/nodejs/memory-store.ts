/** A store that lasts as long as the program. Bounded by what its owners bound: they count what they put. */
import { isSameValue, type Store, type StoredRow, type TableWatcher } from './store.ts'

export class MemoryStore implements Store {
  readonly description = 'memory'
  readonly #tables = new Map<string, Map<string, Uint8Array>>()

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    return this.#tables.get(table)?.get(key)
  }

  put(table: string, key: string, value: Uint8Array): void {
    const rows = this.#tables.get(table) ?? new Map<string, Uint8Array>()
    this.#tables.set(table, rows.set(key, value))
  }

  delete(table: string, key: string): void {
    this.#tables.get(table)?.delete(key)
  }

  async swap(
    table: string,
    key: string,
    before: Uint8Array | undefined,
    after: Uint8Array | undefined,
  ): Promise<boolean> {
    if (!isSameValue(this.#tables.get(table)?.get(key), before)) return false
    if (after === undefined) this.delete(table, key)
    else this.put(table, key, after)
    return true
  }

  async rows(table: string): Promise<readonly StoredRow[]> {
    const rows = this.#tables.get(table) ?? new Map<string, Uint8Array>()
    return [...rows].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** There are no others. */
  async watch(table: string, watcher: TableWatcher): Promise<void> {
    watcher.all(await this.rows(table))
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
