/**
 * The libraries a tracker knows: taken in, numbered, found by number or infohash, displaced when there is no
 * room. Search is `catalog-search.ts`. See README.md for the invariants.
 */
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import {
  type CatalogRecord,
  decodeCatalogRecord,
  SIGNATURE_LENGTH,
  signedBytes,
} from '../wire/catalog-record.ts'

/** A record as it was signed. */
export interface SignedRecord {
  readonly bytes: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** What one publisher says of a library. */
export interface CatalogSource {
  readonly signed: SignedRecord
  readonly record: CatalogRecord
  /** Its key in hex. */
  readonly publisher: string
}

export interface CatalogEntry {
  /** Of this tracker, from 1. */
  readonly number: number
  readonly id: string
  /** Milliseconds since 1970. */
  readonly publishedAt: number
  /** When a publisher last spoke of it. */
  refreshedAt: number
  /** The first is who published it first. Bounded by catalogSourcesMax. */
  readonly sources: CatalogSource[]
}

export interface CatalogOptions {
  /** Ed25519. */
  readonly verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
  /** Publishers, as hex, that have no quota and are never displaced. */
  readonly follows: ReadonlySet<string>
  /** Whether anybody has all of it. */
  readonly isAlive: (record: CatalogRecord) => boolean
  readonly entriesMax?: number | undefined
}

export interface Published {
  readonly entry: CatalogEntry
  readonly record: CatalogRecord
  readonly isNew: boolean
  /** What had to make room. */
  readonly displaced: readonly CatalogEntry[]
}

/** So many at once, because finding them takes a look at every entry. */
const DISPLACED_AT_ONCE_SHARE = 0.01

export class Catalog {
  readonly #options: CatalogOptions
  readonly #entriesMax: number
  readonly #byNumber = new Map<number, CatalogEntry>()
  readonly #byId = new Map<string, CatalogEntry>()
  /** By each infohash, as hex; two entries may share one of theirs. */
  readonly #byHash = new Map<string, CatalogEntry[]>()
  /** How many entries a publisher is a source of. */
  readonly #perPublisher = new Map<string, number>()
  #lastNumber = 0

  constructor(options: CatalogOptions) {
    this.#options = options
    this.#entriesMax = options.entriesMax ?? LIMITS.catalogEntriesMax.value
  }

  get size(): number {
    return this.#byNumber.size
  }

  /** A new library has others make room for it. */
  get isFull(): boolean {
    return this.size >= this.#entriesMax
  }

  get lastNumber(): number {
    return this.#lastNumber
  }

  entries(): IterableIterator<CatalogEntry> {
    return this.#byNumber.values()
  }

  /** @param name a number, or one of the infohashes in hex */
  find(name: string): CatalogEntry | undefined {
    if (/^\d{1,15}$/.test(name)) return this.#byNumber.get(Number(name))
    return this.#byHash.get(name.toLowerCase())?.[0]
  }

  /** @param id as `idOf` gives it */
  byId(id: string): CatalogEntry | undefined {
    return this.#byId.get(id)
  }

  /** The record that is shown: that of a followed publisher, else the first. */
  recordOf(entry: CatalogEntry, follows: ReadonlySet<string> = this.#options.follows): CatalogSource {
    return entry.sources.find(({ publisher }) => follows.has(publisher)) ?? entry.sources[0]!
  }

  /** The id of what this would publish. Fails as `publish`, but for `catalog/outdated` and `catalog/full`. */
  check(signed: SignedRecord): Result<string> {
    const read = this.#read(signed)
    if (!read.ok) return read
    const { record, publisher } = read.value
    const id = idOf(record)
    return !this.#byId.has(id) && this.#isOverQuota(publisher) ? overQuota() : ok(id)
  }

  /**
   * Fails with `catalog/bad-record`, `catalog/bad-signature`, `catalog/outdated`,
   * `catalog/quota`, `catalog/full`.
   * @param number of an entry that is new; none given before by any process that shares this catalog
   */
  publish(nowMs: number, signed: SignedRecord, number = this.#lastNumber + 1): Result<Published> {
    const read = this.#read(signed)
    if (!read.ok) return read
    const source = read.value
    const { record, publisher } = source
    const known = this.#byId.get(idOf(record))
    if (known === undefined) return this.#add(nowMs, source, number)
    const index = known.sources.findIndex((other) => other.publisher === publisher)
    if (index >= 0 && known.sources[index]!.record.sequence > record.sequence)
      return fail('catalog/outdated', 'a newer record of this library is here already')
    if (index >= 0) known.sources[index] = source
    else if (known.sources.length < LIMITS.catalogSourcesMax.value) {
      if (this.#isOverQuota(publisher)) return overQuota()
      known.sources.push(source)
      this.#count(publisher, 1)
    }
    known.refreshedAt = nowMs
    return ok({ entry: known, record, isNew: false, displaced: [] })
  }

  /**
   * An entry as it was kept, with another number where two trackers gave the same. What
   * no longer reads is left out.
   */
  restore(
    entry: Omit<CatalogEntry, 'sources' | 'id'>,
    signed: readonly SignedRecord[],
  ): CatalogEntry | undefined {
    const sources = signed.flatMap((one) => {
      const read = this.#read(one)
      return read.ok ? [read.value] : []
    })
    const [first] = sources
    if (first === undefined || this.#byId.has(idOf(first.record))) return undefined
    const number = this.#byNumber.has(entry.number) ? this.#lastNumber + 1 : entry.number
    return this.#insert({ ...entry, number, id: idOf(first.record), sources })
  }

  /** It is no longer there. */
  drop(entry: CatalogEntry): void {
    if (this.#byId.get(entry.id) === entry) this.#remove(entry)
  }

  /** Numbers up to this one were given before. */
  skipNumbers(last: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, last)
  }

  /** The publisher no longer offers it. @returns whether it did */
  withdraw(entry: CatalogEntry, publisher: string): boolean {
    const index = entry.sources.findIndex((source) => source.publisher === publisher)
    if (index < 0 || this.#byNumber.get(entry.number) !== entry) return false
    if (entry.sources.length === 1) this.#remove(entry)
    else {
      entry.sources.splice(index, 1)
      this.#count(publisher, -1)
    }
    return true
  }

  #read(signed: SignedRecord): Result<CatalogSource> {
    const decoded = decodeCatalogRecord(signed.bytes)
    if (!decoded.ok) return decoded
    const record = decoded.value
    const { signature } = signed
    const isSigned =
      signature.length === SIGNATURE_LENGTH &&
      this.#options.verify(record.publisher, signedBytes(signed.bytes), signature)
    if (!isSigned) return fail('catalog/bad-signature', 'the record is not signed by its publisher')
    return ok({ signed, record, publisher: toHex(record.publisher) })
  }

  #add(nowMs: number, source: CatalogSource, number: number): Result<Published> {
    if (this.#isOverQuota(source.publisher)) return overQuota()
    const displaced = this.isFull ? this.#makeRoom() : []
    if (this.isFull) return fail('catalog/full', 'the catalog is full of libraries that are alive')
    const entry = this.#insert({
      number,
      id: idOf(source.record),
      publishedAt: nowMs,
      refreshedAt: nowMs,
      sources: [source],
    })
    return ok({ entry, record: source.record, isNew: true, displaced })
  }

  #insert(entry: CatalogEntry): CatalogEntry {
    this.skipNumbers(entry.number)
    this.#byNumber.set(entry.number, entry)
    this.#byId.set(entry.id, entry)
    for (const hash of hashesOf(entry)) this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), entry])
    for (const { publisher } of entry.sources) this.#count(publisher, 1)
    return entry
  }

  #remove(entry: CatalogEntry): void {
    this.#byNumber.delete(entry.number)
    this.#byId.delete(entry.id)
    for (const hash of hashesOf(entry)) {
      const others = (this.#byHash.get(hash) ?? []).filter((other) => other !== entry)
      if (others.length > 0) this.#byHash.set(hash, others)
      else this.#byHash.delete(hash)
    }
    for (const { publisher } of entry.sources) this.#count(publisher, -1)
  }

  /** The longest silent of those that nobody has and nobody here follows. */
  #makeRoom(): readonly CatalogEntry[] {
    const { follows, isAlive } = this.#options
    const silent = [...this.#byNumber.values()]
      .filter(({ sources }) => !sources.some(({ publisher }) => follows.has(publisher)))
      .filter((entry) => !isAlive(entry.sources[0]!.record))
      .sort((a, b) => a.refreshedAt - b.refreshedAt || a.number - b.number)
      .slice(0, Math.max(1, Math.floor(this.#entriesMax * DISPLACED_AT_ONCE_SHARE)))
    for (const entry of silent) this.#remove(entry)
    return silent
  }

  #isOverQuota(publisher: string): boolean {
    if (this.#options.follows.has(publisher)) return false
    return (this.#perPublisher.get(publisher) ?? 0) >= LIMITS.catalogPerPublisherMax.value
  }

  #count(publisher: string, change: 1 | -1): void {
    const count = (this.#perPublisher.get(publisher) ?? 0) + change
    if (count > 0) this.#perPublisher.set(publisher, count)
    else this.#perPublisher.delete(publisher)
  }
}

/** Both hashes, so that nobody takes over a library by naming one of its hashes beside one of their own. */
export function idOf({ infoHashV1, infoHashV2 }: CatalogRecord): string {
  return [infoHashV1, infoHashV2].map((hash) => (hash === null ? '' : toHex(hash))).join('-')
}

/** Under which a swarm of it may be: v1, and v2 cut to 20 bytes (BEP 52). */
export function swarmHashes({ infoHashV1, infoHashV2 }: CatalogRecord): readonly Uint8Array[] {
  return [infoHashV1, infoHashV2?.subarray(0, 20)].filter((hash) => hash != null)
}

function hashesOf({ sources }: CatalogEntry): readonly string[] {
  const { infoHashV1, infoHashV2 } = sources[0]!.record
  const hashes = [infoHashV1, infoHashV2, infoHashV2?.subarray(0, 20)].filter((hash) => hash != null)
  return [...new Set(hashes.map(toHex))]
}

function overQuota(): ReturnType<typeof fail> {
  return fail(
    'catalog/quota',
    `a publisher may have ${LIMITS.catalogPerPublisherMax.value} libraries in this catalog`,
  )
}
