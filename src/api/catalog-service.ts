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
import type { Store } from '../nodejs/store.ts'
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
  readonly #lastCounts = new Map<string, LiveCounts>()
  /** Questions about counts that are on their way. */
  readonly #asked: Promise<void>[] = []
  #refreshedAt = Number.NEGATIVE_INFINITY
  /** Bytes of each `.torrent` that is kept, by id. */
  readonly #torrents = new Map<string, number>()
  #torrentBytes = 0

  private constructor(options: CatalogServiceOptions) {
    this.#options = options
    this.catalog = new Catalog({
      verify: verifyPublisher,
      follows: options.follows,
      isAlive: (record) => this.counts(record).seeders > 0,
    })
  }

  static async open(options: CatalogServiceOptions): Promise<CatalogService> {
    const service = new CatalogService(options)
    const facts = await options.store.get(FACTS, 'last-number')
    if (facts) service.catalog.skipNumbers(Number(Buffer.from(facts).toString()))
    for (const { value } of await options.store.rows(LIBRARIES)) {
      const entry = restore(service.catalog, value)
      if (entry) service.#countPreviews(entry, previewsOf(entry))
    }
    for (const { key, value } of await options.store.rows(`${TORRENTS} sizes`))
      service.#noteTorrent(key, Number(Buffer.from(value).toString()))
    return service
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
    await Promise.all(this.#asked.splice(0))
  }

  async search(query: CatalogQuery): Promise<Found> {
    await this.#refreshCounts()
    return searchCatalog(this.catalog, query, ({ record }) => this.counts(record))
  }

  /** Fails as `Catalog.publish`, and with `catalog/bad-preview`. */
  publish(signed: SignedRecord, previews: readonly Uint8Array[]): Result<PublishedLibrary> {
    const pictures = new Map<string, Uint8Array>()
    for (const bytes of previews) {
      if (bytes.length > LIMITS.catalogPreviewBytesMax.value || imageTypeOf(bytes) === undefined)
        return fail('catalog/bad-preview', 'a picture is too large, or no JPEG, PNG, WebP or AVIF')
      pictures.set(toHex(nodeCrypto.sha256(bytes)), bytes)
    }
    const published = this.catalog.publish(this.#options.now(), signed)
    if (!published.ok) return published
    const { entry, isNew, displaced } = published.value
    for (const other of displaced) this.#forget(other)
    this.#keep(entry)
    const hasRoom = this.#previewUses.size <= LIMITS.catalogPreviewsKeptMax.value * this.#share
    for (const hash of previewsOf(entry)) {
      const bytes = pictures.get(hash)
      if (bytes && hasRoom) this.#options.store.put(PREVIEWS, hash, bytes)
    }
    return ok({ entry, isNew, wantsTorrent: !this.#torrents.has(entry.id) })
  }

  /** @returns whether this publisher was one of its sources */
  withdraw(entry: CatalogEntry, publisher: string, signature: Uint8Array): Result<boolean> {
    const source = entry.sources.find((one) => one.publisher === publisher)
    if (source === undefined) return ok(false)
    if (!verifyPublisher(source.record.publisher, encodeWithdrawal(source.signed.bytes), signature))
      return fail('catalog/bad-signature', 'the withdrawal is not signed by the publisher')
    const wasLast = entry.sources.length === 1
    const removed = this.catalog.withdraw(entry, publisher)
    if (!removed) return ok(false)
    if (wasLast) this.#forget(entry)
    else this.#keep(entry)
    return ok(true)
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

  #noteTorrent(id: string, length: number): void {
    this.#torrents.set(id, length)
    this.#torrentBytes += length
  }

  #keep(entry: CatalogEntry): void {
    this.#countPreviews(entry, previewsOf(entry))
    this.#options.store.put(LIBRARIES, entry.id, encodeEntry(entry))
    this.#options.store.put(FACTS, 'last-number', Buffer.from(String(this.catalog.lastNumber)))
  }

  #forget(entry: CatalogEntry): void {
    const { store } = this.#options
    this.#countPreviews(entry, [])
    store.delete(LIBRARIES, entry.id)
    const length = this.#torrents.get(entry.id)
    if (length === undefined) return
    this.#torrents.delete(entry.id)
    this.#torrentBytes -= length
    store.delete(TORRENTS, entry.id)
    store.delete(`${TORRENTS} sizes`, entry.id)
  }

  /** The entry names these pictures now; one that no entry names any more goes. */
  #countPreviews(entry: CatalogEntry, hashes: readonly string[]): void {
    const before = this.#counted.get(entry) ?? []
    for (const hash of hashes) this.#previewUses.set(hash, (this.#previewUses.get(hash) ?? 0) + 1)
    for (const hash of before) {
      const uses = (this.#previewUses.get(hash) ?? 0) - 1
      if (uses > 0) this.#previewUses.set(hash, uses)
      else {
        this.#previewUses.delete(hash)
        this.#options.store.delete(PREVIEWS, hash)
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
