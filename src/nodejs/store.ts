/**
 * What must survive a restart of the tracker, as bytes by table and key. The parts that own the data hold it
 * in memory and read it back at the start; large values (pictures, `.torrent` files) stay here and are read
 * when asked for.
 * Invariants: a `get` sees every `put` and `delete` before it; what was given before a `flush` is there
 * after the machine lost its power once the flush resolved. Tables need no making; a key is any text.
 */
export interface Store {
  /** `memory`, or where it is; for people. */
  readonly description: string
  get(table: string, key: string): Promise<Uint8Array | undefined>
  put(table: string, key: string, value: Uint8Array): void
  delete(table: string, key: string): void
  /** All of a table, by key. */
  rows(table: string): Promise<readonly StoredRow[]>
  flush(): Promise<void>
  /** Flushes; nothing may be asked afterwards. */
  close(): Promise<void>
}

export interface StoredRow {
  readonly key: string
  readonly value: Uint8Array
}
