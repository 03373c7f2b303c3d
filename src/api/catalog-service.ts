/**
 * The catalog of a running tracker: what `src/catalog` decides, kept in the store, with live counts from the
 * swarms, the small pictures and the `.torrent` files.
 * Invariants: a picture is kept while an entry names its hash, and only when its bytes have that hash and
 * begin like a picture (S45); a `.torrent` is kept only when its info dictionary has the entry's infohashes.
 */
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { Catalog, type CatalogEntry, type SignedRecord, swarmHashes } from '../catalog/catalog.ts'
import { type CatalogQuery, type Found, type LiveCounts, searchCatalog } from '../catalog/catalog-search.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { verifyPublisher } from '../nodejs/publisher-key.ts'
import type { Store, TableWatcher } from '../nodejs/store.ts'
import { isSameValue } from '../nodejs/store.ts'
import type { TrackerServer } from '../nodejs/tracker-server.ts'
import { type BValue, decodeBencode, encodeBencode, getDict, getInteger, getList } from '../wire/bencode.ts'
import { type CatalogRecord, encodeWithdrawal } from '../wire/catalog-record.ts'
import { imageTypeOf } from '../wire/image-type.ts'

export interface CatalogServiceOptions {
  readonly store: Store
  readonly tracker: Pick<TrackerServer, 'counts'>
  readonly now: () => number
  /** Publishers, as hex, whom this tracker's owner trusts. */
  readonly follows: ReadonlySet<string>
  readonly entriesMax?: number | undefined
}

export interface PublishedLibrary {
  readonly entry: CatalogEntry
  readonly isNew: boolean
  readonly wantsTorrent: boolean
}

const LIBRARIES = 'libraries'
const PREVIEWS = 'previews'
const TORRENTS = 'torrents'
const FACTS = 'catalog'
const LAST_NUMBER = 'last-number'
/** Of what a store in a file may take, for one in memory. */
const MEMORY_SHARE = 1 / 16
/** Counts of shared swarms may be this old. */
const REFRESH_MS = 2000

export class CatalogService {
  readonly catalog: Catalog
  readonly #options: CatalogServiceOptions
  /**
   * How many entries name a picture, by its hash in hex. Bounded by catalogEntriesMax and catalogPreviewsMax.
   */
  readonly #previewUses = new Map<string, number>()
  /** What each entry was last counted with. */
  readonly #counted = new WeakMap<CatalogEntry, readonly string[]>()
  /** By infohash, heard last. Bounded by twice catalogEntriesMax, and those of one moment. */
  readonly #lastCounts = new Map<string, LiveCounts>()
  /** Questions about counts that are on their way. */
  readonly #asked: Promise<void>[] = []
  #refreshedAt = Number.NEGATIVE_INFINITY
  /** Bytes of each `.torrent` that is kept, by id. */
  readonly #torrents = new Map<string, number>()
  #torrentBytes = 0
  /** Settles when the change that was asked for last is done. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(options: CatalogServiceOptions) {
    this.#options = options
    this.catalog = new Catalog({
      verify: verifyPublisher,
      follows: options.follows,
      entriesMax: options.entriesMax,
      isAlive: (record) => this.counts(record).seeders > 0,
    })
  }

  static async open(options: CatalogServiceOptions): Promise<CatalogService> {
    const service = new CatalogService(options)
    const facts = await options.store.get(FACTS, LAST_NUMBER)
    if (facts) service.catalog.skipNumbers(Number(Buffer.from(facts).toString()))
    await options.store.watch(LIBRARIES, service.#libraryWatcher())
    await options.store.watch(`${TORRENTS} sizes`, service.#torrentWatcher())
    return service
  }

  #libraryWatcher(): TableWatcher {
    return {
      all: (rows) => {
        const kept = new Set(rows.map(({ key }) => key))
        for (const { id } of this.catalog.entries()) if (!kept.has(id)) this.#take(id, undefined)
        for (const { key, value } of rows) this.#take(key, value)
      },
      changed: (id, value) => this.#take(id, value),
    }
  }

  #torrentWatcher(): TableWatcher {
    const changed = (id: string, value: Uint8Array | undefined) =>
      this.#noteTorrent(id, value && Number(Buffer.from(value).toString()))
    return {
      all: (rows) => {
        const kept = new Set(rows.map(({ key }) => key))
        for (const id of this.#torrents.keys()) if (!kept.has(id)) changed(id, undefined)
        for (const { key, value } of rows) changed(key, value)
      },
      changed,
    }
  }

  /** The entry as it stands in the store; undefined = gone. One that does not read is left out. */
  #take(id: string, value: Uint8Array | undefined): void {
    const known = this.catalog.byId(id)
    if (isSameValue(known && encodeEntry(known), value)) return
    if (known !== undefined) {
      this.catalog.drop(known)
      this.#countPreviews(known, [], false)
    }
    const entry = value && restore(this.catalog, value)
    if (entry) this.#countPreviews(entry, previewsOf(entry), false)
  }

  /** Memory is dearer than disk. */
  get #share(): number {
    return this.#options.store.description === 'memory' ? MEMORY_SHARE : 1
  }

  get follows(): ReadonlySet<string> {
    return this.#options.follows
  }

  /** Of the swarm it names, or the larger of two. */
  counts(record: CatalogRecord): LiveCounts {
    let seeders = 0
    let leechers = 0
    for (const hash of swarmHashes(record)) {
      const counts = this.#countsOf(hash)
      seeders = Math.max(seeders, counts.seeders)
      leechers = Math.max(leechers, counts.leechers)
    }
    return { seeders, leechers }
  }

  /**
   * Counts of swarms that other processes share come later; until then those heard last are told. Bounded by
   * catalogEntriesMax.
   */
  #countsOf(hash: Uint8Array): LiveCounts {
    const counts = this.#options.tracker.counts(hash)
    if (!(counts instanceof Promise)) return counts
    const key = toHex(hash)
    if (this.#asked.length > LIMITS.catalogEntriesMax.value * 2) this.#asked.length = 0
    this.#asked.push(
      counts.then(
        (known) => void this.#lastCounts.set(key, known),
        () => {},
      ),
    )
    return this.#lastCounts.get(key) ?? { seeders: 0, leechers: 0 }
  }

  /** Where swarms are shared, asks for the counts of all first, unless that was done just now. */
  async #refreshCounts(): Promise<void> {
    const now = this.#options.now()
    if (now - this.#refreshedAt < REFRESH_MS) return
    this.#asked.length = 0
    for (const { sources } of this.catalog.entries()) {
      this.counts(sources[0]!.record)
      if (this.#asked.length === 0) return
    }
    this.#refreshedAt = now
    if (this.#lastCounts.size > LIMITS.catalogEntriesMax.value * 2) this.#lastCounts.clear()
    await Promise.all(this.#asked.splice(0))
  }

  async search(query: CatalogQuery): Promise<Found> {
    await this.#refreshCounts()
    return searchCatalog(this.catalog, query, ({ record }) => this.counts(record))
  }

  /** Fails as `Catalog.publish`, and with `catalog/bad-preview`. Throws ShoalError `store/away`. */
  publish(signed: SignedRecord, previews: readonly Uint8Array[]): Promise<Result<PublishedLibrary>> {
    return this.#inTurn(() => this.#publish(signed, previews))
  }

  async #publish(signed: SignedRecord, previews: readonly Uint8Array[]): Promise<Result<PublishedLibrary>> {
    const pictures = new Map<string, Uint8Array>()
    for (const bytes of previews) {
      if (bytes.length > LIMITS.catalogPreviewBytesMax.value || imageTypeOf(bytes) === undefined)
        return fail('catalog/bad-preview', 'a picture is too large, or no JPEG, PNG, WebP or AVIF')
      pictures.set(toHex(nodeCrypto.sha256(bytes)), bytes)
    }
    const checked = this.catalog.check(signed)
    if (!checked.ok) return checked
    const id = checked.value
    // Who has to make room goes by the counts.
    if (this.catalog.isFull && this.catalog.byId(id) === undefined) await this.#refreshCounts()
    const displaced: CatalogEntry[] = []
    let number: number | undefined
    const changed = await this.#change(id, async () => {
      if (this.catalog.byId(id) === undefined) number ??= await this.#claimNumber()
      const published = this.catalog.publish(this.#options.now(), signed, number)
      if (published.ok) displaced.push(...published.value.displaced)
      return published
    }).finally(() => this.#displace(displaced))
    if (!changed.ok) return changed
    const { entry, isNew } = changed.value
    this.#countPreviews(entry, previewsOf(entry))
    const hasRoom = this.#previewUses.size <= LIMITS.catalogPreviewsKeptMax.value * this.#share
    for (const hash of previewsOf(entry)) {
      const bytes = pictures.get(hash)
      if (bytes && hasRoom) this.#options.store.put(PREVIEWS, hash, bytes)
    }
    return ok({ entry, isNew, wantsTorrent: !this.#torrents.has(entry.id) })
  }

  /** A number that no process gave before. One that is not used in the end stays unused. */
  async #claimNumber(): Promise<number> {
    const { store } = this.#options
    for (;;) {
      const before = await store.get(FACTS, LAST_NUMBER)
      // A store that lost it, and this process did not, must not begin anew.
      if (before) this.catalog.skipNumbers(Number(Buffer.from(before).toString()) || 0)
      const number = this.catalog.lastNumber + 1
      if (await store.swap(FACTS, LAST_NUMBER, before, Buffer.from(String(number)))) return number
    }
  }

  /**
   * Changes an entry here and in the store, from what stands there: where another process was first, from
   * what that left.
   */
  async #change<T>(id: string, change: () => Promise<Result<T>>): Promise<Result<T>> {
    const { store } = this.#options
    for (;;) {
      const before = await store.get(LIBRARIES, id)
      this.#take(id, before)
      const changed = await change()
      if (!changed.ok) return changed
      const entry = this.catalog.byId(id)
      try {
        if (await store.swap(LIBRARIES, id, before, entry && encodeEntry(entry))) return changed
      } catch (error) {
        this.#take(id, before)
        throw error
      }
    }
  }

  /** They made room; one that another process changed meanwhile stays. */
  async #displace(entries: readonly CatalogEntry[]): Promise<void> {
    const { store } = this.#options
    for (const entry of entries) {
      const { id } = entry
      const before = encodeEntry(entry)
      try {
        if (await store.swap(LIBRARIES, id, before, undefined)) this.#forget(entry)
        else this.#take(id, await store.get(LIBRARIES, id))
      } catch {
        this.#take(id, before)
      }
    }
  }

  /** One after the other: each begins with what the one before it left. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** @returns whether this publisher was one of its sources. Throws ShoalError `store/away` */
  withdraw({ id }: CatalogEntry, publisher: string, signature: Uint8Array): Promise<Result<boolean>> {
    return this.#inTurn(async () => {
      let before: CatalogEntry | undefined
      const removed = await this.#change(id, async () => {
        before = this.catalog.byId(id)
        const source = before?.sources.find((one) => one.publisher === publisher)
        if (before === undefined || source === undefined) return ok(false)
        if (!verifyPublisher(source.record.publisher, encodeWithdrawal(source.signed.bytes), signature))
          return fail('catalog/bad-signature', 'the withdrawal is not signed by the publisher')
        return ok(this.catalog.withdraw(before, publisher))
      })
      if (!removed.ok || !removed.value || before === undefined) return removed
      if (this.catalog.byId(id) === undefined) this.#forget(before)
      else this.#countPreviews(before, previewsOf(before))
      return removed
    })
  }

  async preview(hash: string): Promise<Uint8Array | undefined> {
    return this.#previewUses.has(hash) ? this.#options.store.get(PREVIEWS, hash) : undefined
  }

  hasTorrent(entry: CatalogEntry): boolean {
    return this.#torrents.has(entry.id)
  }

  async torrent(entry: CatalogEntry): Promise<Uint8Array | undefined> {
    return this.hasTorrent(entry) ? this.#options.store.get(TORRENTS, entry.id) : undefined
  }

  /** Fails with `catalog/wrong-torrent`, `catalog/full`. */
  keepTorrent(entry: CatalogEntry, bytes: Uint8Array): Result<void> {
    const { infoHashV1, infoHashV2 } = entry.sources[0]!.record
    const decoded = decodeBencode(bytes, { lenient: true })
    const info = decoded.ok && decoded.value.kind === 'dict' ? getDict(decoded.value, 'info') : undefined
    const infoBytes = info && bytes.subarray(info.start, info.end)
    const isIt =
      infoBytes !== undefined &&
      (infoHashV1 === null || toHex(nodeCrypto.sha1(infoBytes)) === toHex(infoHashV1)) &&
      (infoHashV2 === null || toHex(nodeCrypto.sha256(infoBytes)) === toHex(infoHashV2))
    if (!isIt) return fail('catalog/wrong-torrent', 'this is not the .torrent of that library')
    if (this.#torrents.has(entry.id)) return ok(undefined)
    if (this.#torrentBytes + bytes.length > LIMITS.catalogTorrentsBytesMax.value * this.#share)
      return fail('catalog/full', 'there is no room for more .torrent files; peers give the metadata')
    this.#options.store.put(TORRENTS, entry.id, bytes)
    this.#options.store.put(`${TORRENTS} sizes`, entry.id, Buffer.from(String(bytes.length)))
    this.#noteTorrent(entry.id, bytes.length)
    return ok(undefined)
  }

  /** @param length undefined = it is gone */
  #noteTorrent(id: string, length: number | undefined): void {
    this.#torrentBytes -= this.#torrents.get(id) ?? 0
    this.#torrents.delete(id)
    if (length === undefined || !Number.isSafeInteger(length)) return
    this.#torrents.set(id, length)
    this.#torrentBytes += length
  }

  /** What was kept of an entry that is gone. */
  #forget(entry: CatalogEntry): void {
    const { store } = this.#options
    this.#countPreviews(entry, [])
    if (!this.#torrents.has(entry.id)) return
    this.#noteTorrent(entry.id, undefined)
    store.delete(TORRENTS, entry.id)
    store.delete(`${TORRENTS} sizes`, entry.id)
  }

  /**
   * The entry names these pictures now; one that no entry names any more goes.
   * @param isOurs false for what another process did, which also sees to the pictures
   */
  #countPreviews(entry: CatalogEntry, hashes: readonly string[], isOurs = true): void {
    const before = this.#counted.get(entry) ?? []
    for (const hash of hashes) this.#previewUses.set(hash, (this.#previewUses.get(hash) ?? 0) + 1)
    for (const hash of before) {
      const uses = (this.#previewUses.get(hash) ?? 0) - 1
      if (uses > 0) this.#previewUses.set(hash, uses)
      else {
        this.#previewUses.delete(hash)
        if (isOurs) this.#options.store.delete(PREVIEWS, hash)
      }
    }
    this.#counted.set(entry, hashes)
  }
}

function previewsOf(entry: CatalogEntry): readonly string[] {
  return [...new Set(entry.sources.flatMap(({ record }) => record.previews.map(toHex)))]
}

function encodeEntry({ number, publishedAt, refreshedAt, sources }: CatalogEntry): Uint8Array {
  const signed: BValue = sources.map(({ signed: { bytes, signature } }) => [bytes, signature])
  return encodeBencode({ n: number, p: publishedAt, r: refreshedAt, s: signed })
}

function restore(catalog: Catalog, value: Uint8Array): CatalogEntry | undefined {
  const decoded = decodeBencode(value)
  if (!decoded.ok || decoded.value.kind !== 'dict') return undefined
  const dict = decoded.value
  const number = getInteger(dict, 'n')
  const publishedAt = getInteger(dict, 'p')
  const refreshedAt = getInteger(dict, 'r')
  if (number === undefined || publishedAt === undefined || refreshedAt === undefined) return undefined
  const signed = (getList(dict, 's')?.items ?? []).flatMap((item): SignedRecord[] => {
    const [bytes, signature] = item.kind === 'list' ? item.items : []
    return bytes?.kind === 'string' && signature?.kind === 'string'
      ? [{ bytes: bytes.bytes, signature: signature.bytes }]
      : []
  })
  return catalog.restore({ number, publishedAt, refreshedAt }, signed)
}
