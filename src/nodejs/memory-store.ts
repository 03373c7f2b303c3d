/** A store that lasts as long as the program. Bounded by what its owners bound: they count what they put. */
import type { Store, StoredRow } from './store.ts'

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

  async rows(table: string): Promise<readonly StoredRow[]> {
    const rows = this.#tables.get(table) ?? new Map<string, Uint8Array>()
    return [...rows].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
