/**
 * What must survive a restart of the tracker, as bytes by table and key. The parts that own the data hold it
 * in memory, read it at the start and take in what other processes write (`watch`); large values (pictures,
 * `.torrent` files) stay here and are read when asked for.
 * Invariants: a `get` sees every `put` and `delete` before it; what was given before a `flush` is there
 * after the machine lost its power once the flush resolved. Tables need no making; a key is any text.
 */
export interface Store {
  /** `memory`, or where it is; for people. */
  readonly description: string
  get(table: string, key: string): Promise<Uint8Array | undefined>
  put(table: string, key: string, value: Uint8Array): void
  delete(table: string, key: string): void
  /**
   * Writes `after` where `before` stands, in one step for all processes that share the store; undefined =
   * no value.
   * @returns whether it did. Throws ShoalError `store/away`; then it may be done or not
   */
  swap(
    table: string,
    key: string,
    before: Uint8Array | undefined,
    after: Uint8Array | undefined,
  ): Promise<boolean>
  /** All of a table, by key. */
  rows(table: string): Promise<readonly StoredRow[]>
  /** Tells the whole table, then what others write, until the store is closed. One for each table. */
  watch(table: string, watcher: TableWatcher): Promise<void>
  /** Throws ShoalError `store/…`; what could not be written is tried again. */
  flush(): Promise<void>
  /** Flushes; nothing may be asked afterwards. */
  close(): Promise<void>
}

/**
 * Takes in a table. It may be told what it wrote itself and what it knows, and must not throw: what stands
 * there may come from another version.
 */
export interface TableWatcher {
  /** At the start, and whenever changes may have been missed: what is not among these is gone. */
  all(rows: readonly StoredRow[]): void
  /** @param value undefined = gone */
  changed(key: string, value: Uint8Array | undefined): void
}

export interface StoredRow {
  readonly key: string
  readonly value: Uint8Array
}

export function isSameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
}
