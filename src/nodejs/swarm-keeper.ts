/**
 * Writes the swarms of a tracker to its store, from time to time and when it stops, and reads them when it
 * starts (`tracker/swarm-snapshot.ts`). What was written longer ago than a peer lives is not read.
 * Invariants: announces are answered in between; after `close` no timer is left and the store has the newest.
 */
import { fromHex, toHex } from '../base/bytes.ts'
import type { KeptSwarm } from '../tracker/swarm-snapshot.ts'
import type { Store } from './store.ts'

/** What has swarms to keep. */
export interface SwarmHolder {
  keptSwarms(): Generator<KeptSwarm>
  restoreSwarms(swarms: readonly KeptSwarm[]): void
}

export interface SwarmKeeperOptions {
  /** What is older is not read. */
  readonly lifetimeSeconds: number
  readonly everyMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const SWARMS = 'swarms'
const FACTS = 'swarms facts'
const WRITTEN_AT = 'written-at'
const EVERY_MS = 5 * 60_000
/** Swarms written before others are served. */
const SWARMS_AT_ONCE = 50

export class SwarmKeeper {
  readonly #holder: SwarmHolder
  readonly #store: Store
  readonly #now: () => number
  /** By infohash in hex, as written last. Bounded by trackerKeptPeersMax. */
  #written: ReadonlySet<string>
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor(
    holder: SwarmHolder,
    store: Store,
    written: ReadonlySet<string>,
    { everyMs = EVERY_MS, now = Date.now }: SwarmKeeperOptions,
  ) {
    this.#holder = holder
    this.#store = store
    this.#written = written
    this.#now = now
    // A store that cannot be written tells so itself, and the next time is as good.
    this.#timer = setInterval(() => void this.#write(false).catch(() => {}), everyMs).unref()
  }

  static async open(holder: SwarmHolder, store: Store, options: SwarmKeeperOptions): Promise<SwarmKeeper> {
    const { lifetimeSeconds, now = Date.now } = options
    const rows = await store.rows(SWARMS)
    const writtenAt = Number(Buffer.from((await store.get(FACTS, WRITTEN_AT)) ?? []).toString())
    const keeper = new SwarmKeeper(holder, store, new Set(rows.map(({ key }) => key)), options)
    // A clock that was set back makes nothing older.
    if (now() - writtenAt < lifetimeSeconds * 1000)
      holder.restoreSwarms(
        rows.flatMap(({ key, value }) => {
          const infoHash = fromHex(key)
          return infoHash?.length === 20 ? [{ infoHash, bytes: value }] : []
        }),
      )
    return keeper
  }

  /** Throws what the store throws. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#isClosed = true
    await this.#write(true)
  }

  async #write(isLast: boolean): Promise<void> {
    const written = new Set<string>()
    for (const { infoHash, bytes } of this.#holder.keptSwarms()) {
      if (this.#isClosed !== isLast) return
      const key = toHex(infoHash)
      this.#store.put(SWARMS, key, bytes)
      written.add(key)
      if (!isLast && written.size % SWARMS_AT_ONCE === 0)
        await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.#isClosed !== isLast) return
    for (const key of this.#written) if (!written.has(key)) this.#store.delete(SWARMS, key)
    this.#written = written
    this.#store.put(FACTS, WRITTEN_AT, Buffer.from(String(this.#now())))
  }
}
