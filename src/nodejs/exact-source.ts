/**
 * The `.torrent` that a catalog keeps, where a magnet link names its record (`xs`): the way to the metadata
 * when no peer is there to give it. A link is a stranger's word, so only the path of the record of this very
 * torrent is asked, without a query; no redirect is followed; and what comes is read up to
 * `catalogTorrentBytesMax` and believed only as far as its hashes are those of the link.
 * The address must be public, unless it is where announces go anyway: then it may be in the local network
 * or on this machine, as a tracker may (S39).
 */
import type http from 'node:http'
import { isIP } from 'node:net'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import { type AddressScope, addressScope, reachesAsFar } from '../wire/address-scope.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import { catalogBase, passkeyOf } from './catalog-client.ts'
import { isTorrentOf } from './kept-metadata.ts'
import { BlockedAddress, lookupWithin } from './lookup-within.ts'
import { nodeCrypto } from './node-crypto.ts'
import { nodeHttp, nodeHttps } from './node-http.ts'
import { ShoalError } from './shoal-error.ts'

/** What a link says of a torrent. */
type Hashes = Pick<Metainfo, 'infoHashV1' | 'infoHashV2'>

export interface ExactSource {
  /** Of the `.torrent`. */
  readonly url: URL
  /** How far the address must reach. */
  readonly scopeMin: AddressScope
  /** Of a member of that tracker, where the user named it so. */
  readonly passkey: string | undefined
}

export interface ExactSourceOptions {
  readonly signal: AbortSignal
  /** Where to connect from. */
  readonly localAddress?: string | undefined
  /** For tests. */
  readonly scopeOf?: (address: Uint8Array) => AddressScope
}

/** A `.torrent` of 32 MiB at 2 Mbit/s. */
const WHOLE_MS = 120_000
/** Without a byte. */
const IDLE_MS = 15_000
const RECORD_PATH = /^\/api\/v1\/libraries\/([0-9a-f]{40}|[0-9a-f]{64})$/i

/**
 * Those of a link that can be asked, each once and at most `exactSourcesMax`.
 * @param trackers announce addresses that are in use
 */
export function exactSourcesOf(
  exactSources: readonly string[],
  hashes: Hashes,
  trackers: readonly string[],
): ExactSource[] {
  const bases = new Map(trackers.map((tracker) => [catalogBase(tracker), tracker]))
  const sources = new Map<string, ExactSource>()
  for (const text of exactSources) {
    if (!URL.canParse(text)) continue
    const url = new URL(text)
    const isPlain = url.search === '' && url.hash === '' && url.username === '' && url.password === ''
    const id = RECORD_PATH.exec(url.pathname)?.[1]?.toLowerCase()
    if (!/^https?:$/.test(url.protocol) || !isPlain || id === undefined || !names(id, hashes)) continue
    const tracker = bases.get(url.origin)
    url.pathname += '/torrent'
    const scopeMin = tracker === undefined ? 'global' : 'machine'
    const passkey = tracker === undefined ? undefined : passkeyOf(tracker)
    if (sources.size < LIMITS.exactSourcesMax.value) sources.set(url.href, { url, scopeMin, passkey })
  }
  return [...sources.values()]
}

/** Throws ShoalError `magnet/bad-source`. */
export async function fetchExactSource(
  source: ExactSource,
  hashes: Hashes,
  options: ExactSourceOptions,
): Promise<Metainfo> {
  const { host } = source.url
  const bytes = await get(source, options)
  const parsed = parseMetainfo(bytes, nodeCrypto)
  if (!parsed.ok) throw badSource(`what ${host} keeps is no .torrent: ${parsed.error.message}`)
  if (!isTorrentOf(parsed.value, hashes)) throw badSource(`${host} keeps another torrent under that name`)
  if (lacksPieceLayers(parsed.value)) throw badSource(`the .torrent of ${host} lacks piece hashes`)
  return parsed.value
}

function get(
  { url, scopeMin, passkey }: ExactSource,
  { signal, localAddress, scopeOf = addressScope }: ExactSourceOptions,
): Promise<Uint8Array> {
  const { host } = url
  const isAllowed = (address: Uint8Array) => reachesAsFar(scopeOf(address), scopeMin)
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1')
  // The lookup is not asked about addresses.
  if (isIP(name) !== 0 && !isAllowed(parseAddress(name) ?? new Uint8Array(4)))
    return Promise.reject(blocked(host))
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? nodeHttps() : nodeHttp()).get(url, {
      agent: false,
      headers: {
        'User-Agent': 'Shoal',
        'Accept-Encoding': 'identity',
        ...(passkey !== undefined && { Authorization: `Bearer ${passkey}` }),
      },
      lookup: lookupWithin(isAllowed),
      rejectUnauthorized: true,
      signal: AbortSignal.any([signal, AbortSignal.timeout(WHOLE_MS)]),
      timeout: IDLE_MS,
      ...(localAddress !== undefined && { localAddress, family: isIP(localAddress) }),
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof BlockedAddress) reject(blocked(host))
      else reject(badSource(`${host} cannot be reached: ${error.code ?? error.message}`, error))
    })
    request.once('response', (response) => {
      read(response, host).then(resolve, reject)
    })
  })
}

async function read(response: http.IncomingMessage, host: string): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    if (response.statusCode !== 200)
      throw badSource(`${host} answers with HTTP status ${response.statusCode}`)
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > LIMITS.catalogTorrentBytesMax.value) throw badSource(`the answer of ${host} is too long`)
    }
  } catch (error) {
    response.destroy()
    throw error instanceof ShoalError ? error : badSource(`the answer of ${host} breaks off`, error)
  }
  return Buffer.concat(chunks)
}

function names(id: string, { infoHashV1, infoHashV2 }: Hashes): boolean {
  return [infoHashV1, infoHashV2].some((hash) => hash !== null && toHex(hash) === id)
}

function blocked(host: string): ShoalError {
  return badSource(`${host} is an address in a private network that the link has no business to name`)
}

function badSource(message: string, cause?: unknown): ShoalError {
  return new ShoalError('magnet/bad-source', message, 'Peers are asked for the metadata as well.', { cause })
}
