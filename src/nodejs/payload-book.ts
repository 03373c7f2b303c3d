/**
 * The payload strings a tracker knows: for each its id, its size and its root hash in memory, and the string
 * itself, or of one put with `--no-store` the hashes of its chunks, in the store.
 * Invariants: one entry for each string, however often it is put; at most `payloadsStoredMax` entries and
 * `payloadBytesStoredMax` bytes; what a reply says of a string was computed here, never believed.
 */
import { LIMITS } from '../base/limits.ts'
import { digestChunks, type PayloadTorrent, payloadTorrent, rootHash } from '../catalog/payload.ts'
import { countChunks } from '../wire/payload-chunks.ts'
import { nodeCrypto } from './node-crypto.ts'
import { ShoalError } from './shoal-error.ts'
import type { Store } from './store.ts'

export interface PayloadRecord {
  readonly id: string
  /** 40 hex digits. */
  readonly infoHash: string
  readonly name: string
  /** Of the string in UTF-8. */
  readonly bytes: number
  readonly chunkCount: number
  readonly rootHash: string
  /** The string itself is here, not only its hashes. */
  readonly isStored: boolean
  /** Milliseconds since 1970. */
  readonly putAt: number
}

export interface PutPayload {
  readonly record: PayloadRecord
  /** It was not there before. */
  readonly isNew: boolean
}

const RECORDS = 'payloads'
const TEXTS = 'payload-texts'
const DIGESTS = 'payload-digests'
/** Digests of the payloads that were asked for last, since they take long to compute: 8 MiB each at most. */
const DIGESTS_KEPT = 4

export class PayloadBook {
  readonly #store: Store
  /** By id. Bounded by `payloadsStoredMax`. */
  readonly #records = new Map<string, PayloadRecord>()
  /** By v1 infohash. */
  readonly #ids = new Map<string, string>()
  /** By id, the newest last. Bounded by DIGESTS_KEPT. */
  readonly #digests = new Map<string, Uint8Array>()
  #bytes = 0
  /** Settles when the work that was given last is done. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(store: Store) {
    this.#store = store
  }

  static async open(store: Store): Promise<PayloadBook> {
    const book = new PayloadBook(store)
    await store.watch(RECORDS, {
      all: (rows) => {
        const kept = new Set(rows.map(({ key }) => key))
        for (const id of book.#records.keys()) if (!kept.has(id)) book.#take(id, undefined)
        for (const { key, value } of rows) book.#take(key, value)
      },
      changed: (key, value) => book.#take(key, value),
    })
    return book
  }

  get count(): number {
    return this.#records.size
  }

  /**
   * The entry, and whether it was there before. Throws ShoalError `payload/full`.
   * @param utf8 of a string that was checked; @param isStored false keeps hashes only
   */
  put(utf8: Uint8Array, isStored: boolean, now: number): Promise<PutPayload> {
    return this.#inTurn(() => this.#put(utf8, isStored, now))
  }

  async #put(utf8: Uint8Array, isStored: boolean, now: number): Promise<PutPayload> {
    const torrent = payloadTorrent(utf8, nodeCrypto)
    const known = this.#records.get(torrent.id)
    if (known !== undefined && (known.isStored || !isStored)) return { record: known, isNew: false }
    const digests = await this.#computed(torrent.id, utf8)
    if (isStored) {
      this.#refuseOverflow(known, utf8.length)
      // First what the entry promises. Another process may have put it: the same bytes, by its id.
      await this.#store.swap(TEXTS, torrent.id, undefined, utf8)
    }
    for (;;) {
      const before = await this.#store.get(RECORDS, torrent.id)
      this.#take(torrent.id, before)
      const there = this.#records.get(torrent.id)
      if (there !== undefined && (there.isStored || !isStored)) return { record: there, isNew: false }
      const record = there ? { ...there, isStored } : recordOf(torrent, utf8, digests, isStored, now)
      this.#refuseOverflow(there, costOf(record))
      const after = Buffer.from(JSON.stringify(record))
      if (!(await this.#store.swap(RECORDS, torrent.id, before, after))) continue
      this.#take(torrent.id, after)
      if (!isStored) this.#store.put(DIGESTS, torrent.id, digests)
      else if (there !== undefined) this.#store.delete(DIGESTS, torrent.id)
      return { record, isNew: there === undefined }
    }
  }

  /** Each process counts what it knows, so several that fill the last room at one moment may exceed it. */
  #refuseOverflow(known: PayloadRecord | undefined, cost: number): void {
    const isFull = known === undefined && this.#records.size >= LIMITS.payloadsStoredMax.value
    if (isFull || this.#bytes + cost > LIMITS.payloadBytesStoredMax.value)
      throw new ShoalError(
        'payload/full',
        'this tracker keeps no more payload strings',
        'Put it elsewhere; peers can fetch it from you without a tracker.',
      )
  }

  /** @param id the id, or the v1 infohash */
  get(id: string): PayloadRecord | undefined {
    return this.#records.get(this.#ids.get(id) ?? id)
  }

  /** UTF-8 of the string; undefined when only its hashes are here. */
  async text({ id, isStored }: PayloadRecord): Promise<Uint8Array | undefined> {
    return isStored ? this.#store.get(TEXTS, id) : undefined
  }

  /** 32 bytes for each chunk, in order. */
  async digests(record: PayloadRecord): Promise<Uint8Array> {
    const kept = this.#digests.get(record.id) ?? (await this.#store.get(DIGESTS, record.id))
    if (kept !== undefined) return kept
    const text = await this.text(record)
    if (text === undefined) return new Uint8Array(0)
    return this.#inTurn(() => this.#computed(record.id, text))
  }

  /** One after the other, so that many large ones take neither all memory nor all time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** Announces are answered in between. */
  async #computed(id: string, utf8: Uint8Array): Promise<Uint8Array> {
    const digests = this.#digests.get(id) ?? (await inSteps(digestChunks(utf8, nodeCrypto)))
    this.#digests.delete(id)
    this.#digests.set(id, digests)
    for (const oldest of this.#digests.keys())
      if (this.#digests.size > DIGESTS_KEPT) this.#digests.delete(oldest)
    return digests
  }

  /** As it stands in the store; undefined = gone. */
  #take(id: string, value: Uint8Array | undefined): void {
    const record = value && parseRecord(id, value)
    if (value !== undefined && record === undefined) return
    const known = this.#records.get(id)
    if (known !== undefined) {
      this.#records.delete(id)
      this.#ids.delete(known.infoHash)
      this.#bytes -= costOf(known)
    }
    if (record === undefined) return
    this.#records.set(id, record)
    this.#ids.set(record.infoHash, id)
    this.#bytes += costOf(record)
  }
}

/** Undefined for what this version does not read. */
function parseRecord(id: string, value: Uint8Array): PayloadRecord | undefined {
  try {
    const record = JSON.parse(Buffer.from(value).toString()) as PayloadRecord
    return record.id === id ? record : undefined
  } catch {
    return undefined
  }
}

async function inSteps<T>(work: Generator<undefined, T>): Promise<T> {
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return step.value
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Bytes it takes: of the string, or of the hashes of its chunks. */
function costOf({ isStored, bytes, chunkCount }: PayloadRecord): number {
  return isStored ? bytes : chunkCount * 32
}

function recordOf(
  { id, infoHash, name }: PayloadTorrent,
  utf8: Uint8Array,
  digests: Uint8Array,
  isStored: boolean,
  putAt: number,
): PayloadRecord {
  const root = rootHash(digests, nodeCrypto)
  return {
    id,
    infoHash,
    name,
    bytes: utf8.length,
    chunkCount: countChunks(utf8),
    rootHash: root,
    isStored,
    putAt,
  }
}
