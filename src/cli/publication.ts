/**
 * Publishing what is shared in the catalogs of the trackers it is announced to: all of it in one request for
 * each tracker, again when that failed, and from time to time, since a tracker may have lost its memory. A
 * tracker without a catalog is told of once and left alone; sharing goes on in any case.
 */
import { LIMITS } from '../base/limits.ts'
import { CatalogClient, catalogBase, type LibraryToPublish, passkeyOf } from '../nodejs/catalog-client.ts'
import { PictureShrinker } from '../nodejs/picture-shrinker.ts'
import { makePreviews } from '../nodejs/previews.ts'
import { loadPublisherKey, type PublisherKey } from '../nodejs/publisher-key.ts'
import { type CatalogRecord, encodeCatalogRecord, signedBytes } from '../wire/catalog-record.ts'
import { safeLine } from '../wire/file-names.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { readInputFile } from './input-file.ts'
import { asShoalError, type Output } from './output.ts'
import { batchesOf } from './publication-batches.ts'

export interface SharedLibrary {
  readonly metainfo: Metainfo
  readonly dir: string
  /** The `.torrent`, null where it could not be kept. */
  readonly file: string | null
}

export interface PublicationOptions {
  readonly libraries: readonly SharedLibrary[]
  readonly description: string
  readonly tags: readonly string[]
  /** Announce addresses. */
  readonly trackers: readonly string[]
  readonly timeoutMs: number
  readonly output: Output
  readonly signal: AbortSignal
}

/** A tracker that has restarted without its memory learns of us again by then. */
const REPEAT_MS = 15 * 60_000
const RETRY_MS_MIN = 5000
const RETRY_MS_MAX = 300_000

export class Publication {
  readonly #options: PublicationOptions
  readonly #bases: readonly string[]
  /** Bounded by trackersMax: one for each catalog. */
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #published = new Set<string>()

  constructor(options: PublicationOptions) {
    this.#options = options
    this.#bases = [...new Set(options.trackers.map(catalogBase).filter((base) => base !== undefined))]
    options.signal.addEventListener('abort', () => this.#stop(), { once: true })
  }

  /** Catalogs that have it by now. */
  get published(): readonly string[] {
    return [...this.#published]
  }

  /** Resolves when every catalog was asked once; what fails is told, and tried again later. */
  async start(): Promise<void> {
    if (this.#bases.length === 0) return
    const shrinker = new PictureShrinker()
    const stop = () => shrinker.close()
    this.#options.signal.addEventListener('abort', stop, { once: true })
    try {
      const key = loadPublisherKey()
      const prepared: LibraryToPublish[] = []
      for (const library of this.#options.libraries) {
        if (this.#options.signal.aborted) return
        prepared.push(await this.#prepare(library, key, shrinker))
      }
      shrinker.close()
      await Promise.all(this.#bases.map((base) => this.#publish(base, prepared, RETRY_MS_MIN)))
    } catch (error) {
      this.#warn(asShoalError(error))
    } finally {
      shrinker.close()
      this.#options.signal.removeEventListener('abort', stop)
    }
  }

  async #prepare(
    { metainfo, dir }: SharedLibrary,
    key: PublisherKey,
    shrinker: PictureShrinker,
  ): Promise<LibraryToPublish> {
    const { pictures, placeholder } = await makePreviews(metainfo, dir, shrinker)
    const { nodeCrypto } = await import('../nodejs/node-crypto.ts')
    const files = metainfo.files.filter(({ isPad, symlink }) => !isPad && symlink === undefined)
    const { description, tags } = this.#options
    const record: CatalogRecord = {
      publisher: key.publicKey,
      sequence: Date.now(),
      name: metainfo.name.slice(0, LIMITS.catalogNameMax.value),
      description,
      tags,
      infoHashV1: metainfo.infoHashV1,
      infoHashV2: metainfo.infoHashV2,
      pieceLength: metainfo.pieceLength,
      pieceCount: metainfo.pieceCount,
      size: metainfo.contentLength,
      fileCount: files.length,
      sample: sampleOf(files),
      previews: pictures.map((picture) => nodeCrypto.sha256(picture)),
      placeholder,
      isPrivate: metainfo.private,
    }
    const bytes = encodeCatalogRecord(record)
    return { record: bytes, signature: key.sign(signedBytes(bytes)), previews: pictures }
  }

  async #publish(base: string, prepared: readonly LibraryToPublish[], retryMs: number): Promise<void> {
    const { signal, timeoutMs, output, libraries, trackers } = this.#options
    const url = trackers.find((named) => catalogBase(named) === base)
    const client = new CatalogClient(base, timeoutMs, url && passkeyOf(url))
    try {
      let registered = 0
      for (const { at, batch } of batchesOf(prepared)) {
        const results = await client.publish(batch)
        for (const [index, result] of results.entries()) {
          const { name } = libraries[at + index]!.metainfo
          const { ok, number = null, code, message } = result
          if (signal.aborted) return
          output.event({ event: 'published', tracker: base, name, ok, number, ...(!ok && { code, message }) })
          if (!ok || number === null) continue
          registered++
          if (result.wantsTorrent) await sendTorrent(client, number, libraries[at + index]!)
        }
      }
      if (!this.#published.has(base))
        output.event({ event: 'listed', tracker: base, count: registered, of: prepared.length })
      this.#published.add(base)
      this.#later(base, prepared, REPEAT_MS, RETRY_MS_MIN)
    } catch (error) {
      const known = asShoalError(error)
      if (retryMs === RETRY_MS_MIN) this.#warn(known)
      if (known.code !== 'catalog/no-catalog')
        this.#later(base, prepared, retryMs, Math.min(retryMs * 2, RETRY_MS_MAX))
    }
  }

  #later(base: string, prepared: readonly LibraryToPublish[], delayMs: number, retryMs: number): void {
    if (this.#options.signal.aborted) return
    clearTimeout(this.#timers.get(base))
    const timer = setTimeout(() => void this.#publish(base, prepared, retryMs), delayMs)
    this.#timers.set(base, timer.unref())
  }

  #warn({ code, message, hint }: { code: string; message: string; hint: string | undefined }): void {
    if (this.#options.signal.aborted) return
    this.#options.output.warning({ code, message: `not in the catalog: ${message}`, hint })
  }

  #stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}

/** What is too large is fetched from peers instead. */
async function sendTorrent(client: CatalogClient, number: number, { file }: SharedLibrary): Promise<void> {
  if (file === null) return
  const bytes = readInputFile(file)
  if (bytes.length <= LIMITS.catalogTorrentBytesMax.value) await client.putTorrent(number, bytes)
}

/** The first files, as many as fit; long paths lose their end. */
function sampleOf(
  files: readonly { readonly path: readonly string[]; readonly length: number }[],
): CatalogRecord['sample'] {
  return files.slice(0, LIMITS.catalogSampleMax.value).map(({ path, length }) => ({
    path: safeLine(path.join('/')).slice(0, SAMPLE_PATH_MAX),
    length,
  }))
}

/** So that twenty of them fit a record beside the rest, whatever their letters. */
const SAMPLE_PATH_MAX = 60
