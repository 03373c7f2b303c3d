/**
 * The `.torrent` that a catalog keeps, where a magnet link names its record (`xs`): the way to the metadata
 * when no peer is there to give it. A link is a stranger's word, so only the path of the record of this very
 * torrent is asked, without a query; no redirect is followed; and what comes is read up to
 * `catalogTorrentBytesMax` and believed only as far as its hashes are those of the link.
 * The address must be public, unless it is where announces go anyway: then it may be in the local network
 * or on this machine, as a tracker may (S39).
 */
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import type { AddressScope } from '../wire/address-scope.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import { catalogBase, passkeyOf } from './catalog-client.ts'
import { download } from './http-download.ts'
import { isTorrentOf } from './kept-metadata.ts'
import { nodeCrypto } from './node-crypto.ts'
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
  const { url, scopeMin, passkey } = source
  const { host } = url
  const bytes = await download(url, {
    ...options,
    scopeMin,
    ...(passkey !== undefined && { headers: { Authorization: `Bearer ${passkey}` } }),
    bytesMax: LIMITS.catalogTorrentBytesMax.value,
    redirectsMax: 0,
    fault: badSource,
  })
  const parsed = parseMetainfo(bytes, nodeCrypto)
  if (!parsed.ok) throw badSource(`what ${host} keeps is no .torrent: ${parsed.error.message}`)
  if (!isTorrentOf(parsed.value, hashes)) throw badSource(`${host} keeps another torrent under that name`)
  if (lacksPieceLayers(parsed.value)) throw badSource(`the .torrent of ${host} lacks piece hashes`)
  return parsed.value
}

function names(id: string, { infoHashV1, infoHashV2 }: Hashes): boolean {
  return [infoHashV1, infoHashV2].some((hash) => hash !== null && toHex(hash) === id)
}

function badSource(message: string, cause?: unknown): ShoalError {
  return new ShoalError('magnet/bad-source', message, 'Peers are asked for the metadata as well.', { cause })
}
