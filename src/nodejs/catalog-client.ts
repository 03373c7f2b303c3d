/**
 * A tracker's catalog, asked over HTTP. What comes back is judged like anything from outside:
 * bounded in size and time, no redirect followed (S39), each field checked, and of a single
 * library the publisher's signature.
 * Throws ShoalError `catalog/…`.
 */
import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type CatalogRecord, decodeCatalogRecord, signedBytes } from '../wire/catalog-record.ts'
import { verifyPublisher } from './publisher-key.ts'
import { ShoalError } from './shoal-error.ts'

export interface LibraryRow {
  readonly number: number
  readonly name: string
  readonly infoHash: string | null
  readonly infoHashV2: string | null
  readonly size: number
  readonly files: number
  readonly pieces: number
  readonly seeders: number
  readonly leechers: number
  readonly publisher: string
  readonly publishers: number
  readonly isFollowed: boolean
  readonly tags: readonly string[]
  readonly description: string
}

export interface LibraryPage {
  readonly total: number
  readonly page: number
  readonly pages: number
  readonly rows: readonly LibraryRow[]
}

export interface FoundLibrary {
  readonly number: number
  /** As its publisher signed it. */
  readonly record: CatalogRecord
  readonly hasTorrent: boolean
}

export interface LibraryToPublish {
  /** Encoded record. */
  readonly record: Uint8Array
  readonly signature: Uint8Array
  readonly previews: readonly Uint8Array[]
}

export interface PublishedResult {
  readonly ok: boolean
  readonly number: number | undefined
  readonly isNew: boolean
  readonly wantsTorrent: boolean
  readonly code: string
  readonly message: string
}

type Fields = Readonly<Record<string, unknown>>

/** A `.torrent` of 32 MiB at 2 Mbit/s. */
const TORRENT_MS = 120_000
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const HEX_64 = /^[0-9a-f]{64}$/

export class CatalogClient {
  /** `http://host:port`. */
  readonly base: string
  readonly #timeoutMs: number
  readonly #passkey: string | undefined

  /** @param passkey of a member, where the tracker has members (`passkeyOf`) */
  constructor(base: string, timeoutMs: number, passkey?: string) {
    this.base = base
    this.#timeoutMs = timeoutMs
    this.#passkey = passkey
  }

  async list(query: Readonly<Record<string, string | number | boolean | undefined>>): Promise<LibraryPage> {
    const parameters = Object.entries(query).flatMap(([key, value]): [string, string][] =>
      value === undefined || value === '' ? [] : [[key, String(value)]],
    )
    const answer = await this.#json(`/api/v1/libraries?${new URLSearchParams(parameters)}`)
    const rows = Array.isArray(answer.libraries) ? answer.libraries.map(readRow) : []
    if (rows.includes(undefined)) throw unreadable(this.base)
    return {
      total: number(answer.total),
      page: number(answer.page),
      pages: number(answer.pages),
      rows: rows as readonly LibraryRow[],
    }
  }

  /** Undefined when there is none. @param id a number or an infohash in hex */
  async find(id: string): Promise<FoundLibrary | undefined> {
    const answer = await this.#json(`/api/v1/libraries/${id}`, { missing: true })
    if (answer.status === 404) return undefined
    const bytes = new Uint8Array(Buffer.from(text(answer.record), 'base64'))
    const signature = new Uint8Array(Buffer.from(text(answer.signature), 'base64'))
    const decoded = decodeCatalogRecord(bytes)
    if (!decoded.ok) throw ShoalError.from(decoded.error)
    const record = decoded.value
    if (!verifyPublisher(record.publisher, signedBytes(bytes), signature))
      throw new ShoalError(
        'catalog/bad-signature',
        `${this.base} gave a library that its publisher did not sign`,
        'Do not trust this tracker; get the .torrent from the publisher.',
      )
    return { number: number(answer.number), record, hasTorrent: answer.hasTorrent === true }
  }

  /** The `.torrent`, not looked at. Undefined when it is not kept there. */
  async torrent(id: number): Promise<Uint8Array | undefined> {
    const path = `/api/v1/libraries/${id}/torrent`
    const response = await this.#fetch(path)
    const bytes = await bounded(response, LIMITS.catalogTorrentBytesMax.value, this.base)
    return response.status === 200 ? bytes : undefined
  }

  async publish(libraries: readonly LibraryToPublish[]): Promise<readonly PublishedResult[]> {
    const body = {
      count: libraries.length,
      libraries: libraries.map(({ record, signature, previews }) => ({
        record: base64(record),
        signature: base64(signature),
        previews: previews.map(base64),
      })),
    }
    const answer = await this.#json('/api/v1/libraries', jsonRequest('POST', body))
    const results = Array.isArray(answer.results) ? answer.results : []
    if (results.length !== libraries.length) throw unreadable(this.base)
    return results.map((result: unknown) => {
      const fields = asFields(result)
      return {
        ok: fields.ok === true,
        number: typeof fields.number === 'number' ? fields.number : undefined,
        isNew: fields.isNew === true,
        wantsTorrent: fields.wantsTorrent === true,
        code: text(fields.code) || 'catalog/refused',
        message: text(fields.message),
      }
    })
  }

  async putTorrent(id: number, bytes: Uint8Array): Promise<void> {
    await this.#json(`/api/v1/libraries/${id}/torrent`, {
      method: 'PUT',
      headers: { 'content-type': 'application/x-bittorrent' },
      body: new Uint8Array(bytes),
    })
  }

  /** An answer other than 2xx is thrown as its problem says; with `missing`, 404 is given back. */
  async #json(path: string, init: RequestInit & { missing?: boolean } = {}): Promise<Fields> {
    const response = await this.#fetch(path, init)
    const bytes = await bounded(response, ANSWER_BYTES_MAX, this.base)
    const type = response.headers.get('content-type') ?? ''
    if (!/^application\/(problem\+)?json/.test(type)) throw noCatalog(this.base)
    const fields = parse(bytes, this.base)
    if (response.ok || (init.missing && fields.code === 'api/no-such-library')) return fields
    const detail = text(fields.detail) || `status ${response.status}`
    throw new ShoalError(
      'catalog/refused',
      `${this.base} refuses: ${detail}`,
      text(fields.hint) || 'Ask who runs this tracker.',
    )
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    try {
      return await fetch(`${this.base}${path}`, {
        ...init,
        headers: {
          ...(init.headers as Record<string, string> | undefined),
          ...(this.#passkey !== undefined && { authorization: `Bearer ${this.#passkey}` }),
        },
        redirect: 'error',
        signal: AbortSignal.timeout(path.endsWith('/torrent') ? TORRENT_MS : this.#timeoutMs),
      })
    } catch (cause) {
      throw new ShoalError(
        'catalog/unreachable',
        `the tracker at ${this.base} does not answer`,
        'Check that it runs, or name another with --tracker URL.',
        { cause },
      )
    }
  }
}

/** Of the tracker that announces go to; undefined for one that has no HTTP. */
export function catalogBase(trackerUrl: string): string | undefined {
  if (!/^https?:/i.test(trackerUrl) || !URL.canParse(trackerUrl)) return undefined
  return new URL(trackerUrl).origin
}

/** The credential of a member, from the address they announce to: `http://host:6969/PASSKEY/announce`. */
export function passkeyOf(trackerUrl: string): string | undefined {
  return URL.canParse(trackerUrl)
    ? /^\/([\w-]{16,})\/announce$/.exec(new URL(trackerUrl).pathname)?.[1]
    : undefined
}

/** The same tracker without it, for what is handed to others: they have passkeys of their own. */
export function withoutPasskey(trackerUrl: string): string {
  const passkey = passkeyOf(trackerUrl)
  return passkey === undefined ? trackerUrl : trackerUrl.replace(`/${passkey}/`, '/')
}

/** Whether the record speaks of exactly this torrent. */
export function isRecordOf(
  record: CatalogRecord,
  torrent: { readonly infoHashV1: Uint8Array | null; readonly infoHashV2: Uint8Array | null },
): boolean {
  return sameHash(record.infoHashV1, torrent.infoHashV1) && sameHash(record.infoHashV2, torrent.infoHashV2)
}

function sameHash(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}

function jsonRequest(method: string, body: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

async function bounded(response: Response, bytesMax: number, base: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > bytesMax) throw new Error('too long')
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new ShoalError('catalog/unreadable', `the answer of ${base} breaks off or has no end`, undefined, {
      cause,
    })
  }
  return Buffer.concat(chunks)
}

function parse(bytes: Uint8Array, base: string): Fields {
  try {
    return asFields(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch {
    throw unreadable(base)
  }
}

function readRow(value: unknown): LibraryRow | undefined {
  const fields = asFields(value)
  const { name, publisher, infoHash, infoHashV2 } = fields
  if (typeof name !== 'string' || typeof publisher !== 'string' || !HEX_64.test(publisher)) return undefined
  if (typeof infoHash !== 'string' && typeof infoHashV2 !== 'string') return undefined
  return {
    number: number(fields.number),
    name,
    infoHash: typeof infoHash === 'string' ? infoHash : null,
    infoHashV2: typeof infoHashV2 === 'string' ? infoHashV2 : null,
    size: number(fields.size),
    files: number(fields.files),
    pieces: number(fields.pieces),
    seeders: number(fields.seeders),
    leechers: number(fields.leechers),
    publisher,
    publishers: number(fields.publishers),
    isFollowed: fields.isFollowed === true,
    tags: Array.isArray(fields.tags) ? fields.tags.filter((tag) => typeof tag === 'string') : [],
    description: text(fields.description),
  }
}

function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

/** A whole number that is not negative; 0 for anything else. */
function number(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : 0
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function noCatalog(base: string): ShoalError {
  return new ShoalError(
    'catalog/no-catalog',
    `the tracker at ${base} has no catalog`,
    'Use a tracker started with `shoal tracker`.',
  )
}

function unreadable(base: string): ShoalError {
  return new ShoalError('catalog/unreadable', `the answer of ${base} is not that of a catalog`)
}
