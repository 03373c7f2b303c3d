/**
 * The questions of the HTTP tracker protocol as query strings, written by clients and read by trackers
 * (BEP 3, 7, 23; scrape BEP 48). Values are bytes: infohash and peer id go through percent encoding one byte
 * at a time and are never treated as UTF-8. The answers are in tracker-http-reply.ts.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { percentDecode, percentEncode, toLatin1 } from '../base/text.ts'
import type { AnnounceEvent, AnnounceRequest } from './tracker-announce.ts'

const HASH_LENGTH = 20
/** Those of 2^64 - 1. */
const COUNT_DIGITS_MAX = 20

/** What trackers are told about encrypted connections; not a BEP, but what most clients say. */
const CRYPTO_QUERY = { off: '', prefer: '&supportcrypto=1', require: '&requirecrypto=1' }

/**
 * The URL to fetch for one announce; parameters that the tracker's own URL has are kept.
 * @param encryption whether connections to peers may, or must, be encrypted
 */
export function announceUrl(
  trackerUrl: string,
  request: AnnounceRequest,
  encryption: keyof typeof CRYPTO_QUERY = 'off',
): string {
  return withQuery(trackerUrl, encodeAnnounceQuery(request) + CRYPTO_QUERY[encryption])
}

/** The URL to fetch for a scrape, or undefined when the tracker's URL has no scrape convention (BEP 48). */
export function scrapeUrl(trackerUrl: string, infoHashes: readonly Uint8Array[]): string | undefined {
  const [, beforeName, rest] =
    /^([a-z]+:\/\/[^/?#]+\/(?:[^?#]*\/)?)announce([^/?#]*(?:[?#].*)?)$/i.exec(trackerUrl) ?? []
  if (beforeName === undefined) return undefined
  const query = infoHashes.map((infoHash) => `info_hash=${percentEncode(infoHash)}`).join('&')
  return withQuery(`${beforeName}scrape${rest}`, query)
}

export function encodeAnnounceQuery(request: AnnounceRequest): string {
  let query =
    `info_hash=${percentEncode(request.infoHash)}&peer_id=${percentEncode(request.peerId)}` +
    `&port=${request.port}&uploaded=${request.uploaded}&downloaded=${request.downloaded}&left=${request.left}` +
    `&key=${request.key.toString(16).toUpperCase().padStart(8, '0')}`
  if (request.event !== undefined) query += `&event=${request.event}`
  if (request.numwant !== undefined) query += `&numwant=${request.numwant}`
  if (request.compact !== undefined) query += `&compact=${request.compact ? 1 : 0}`
  if (request.noPeerId !== undefined) query += `&no_peer_id=${request.noPeerId ? 1 : 0}`
  if (request.trackerId !== undefined) query += `&trackerid=${percentEncode(request.trackerId)}`
  if (request.ip !== undefined) query += `&ip=${encodeURIComponent(request.ip)}`
  return query
}

/** @param query what follows the question mark, one character per byte, still percent-encoded */
export function decodeAnnounceQuery(query: string): Result<AnnounceRequest> {
  const fields = new AnnounceFields()
  const isReadable = eachParameter(query, (name, value) => fields.take(name, value))
  if (!isReadable) return fail('tracker/bad-request', 'a percent escape is broken')
  return fields.request()
}

/** The infohashes asked about; empty when the query names none. */
export function decodeScrapeQuery(query: string): Result<Uint8Array[]> {
  const infoHashes: Uint8Array[] = []
  let areHashesWhole = true
  const isReadable = eachParameter(query, (name, value) => {
    if (name !== 'info_hash') return true
    const infoHash = percentDecode(value)
    if (infoHash === undefined) return false
    if (infoHash.length !== HASH_LENGTH) areHashesWhole = false
    infoHashes.push(infoHash)
    return true
  })
  if (!isReadable) return fail('tracker/bad-request', 'a percent escape is broken')
  if (!areHashesWhole) return fail('tracker/bad-request', 'info_hash is not 20 bytes')
  return ok(infoHashes)
}

/** The parameters of an announce as they arrive in any order; of repeated ones the first counts. */
class AnnounceFields {
  #infoHash: Uint8Array | undefined
  #peerId: Uint8Array | undefined
  #trackerId: Uint8Array | undefined
  #port: string | undefined
  #uploaded: string | undefined
  #downloaded: string | undefined
  #left: string | undefined
  #numwant: string | undefined
  #compact: string | undefined
  #noPeerId: string | undefined
  #event: string | undefined
  #key: string | undefined
  #ip: string | undefined

  /** False when an escape is broken. */
  take(name: string, value: string): boolean {
    switch (name) {
      case 'info_hash':
        return (this.#infoHash ??= percentDecode(value)) !== undefined
      case 'peer_id':
        return (this.#peerId ??= percentDecode(value)) !== undefined
      case 'trackerid':
        return (this.#trackerId ??= percentDecode(value)) !== undefined
      case 'port':
        this.#port ??= value
        break
      case 'uploaded':
        this.#uploaded ??= value
        break
      case 'downloaded':
        this.#downloaded ??= value
        break
      case 'left':
        this.#left ??= value
        break
      case 'numwant':
        this.#numwant ??= value
        break
      case 'compact':
        this.#compact ??= value
        break
      case 'no_peer_id':
        this.#noPeerId ??= value
        break
      case 'event':
        this.#event ??= value
        break
      case 'key':
        this.#key ??= value
        break
      case 'ip':
        this.#ip ??= value
    }
    return true
  }

  request(): Result<AnnounceRequest> {
    const port = count(this.#port)
    if (this.#infoHash?.length !== HASH_LENGTH)
      return fail('tracker/bad-request', 'info_hash is not 20 bytes')
    if (this.#peerId?.length !== HASH_LENGTH) return fail('tracker/bad-request', 'peer_id is not 20 bytes')
    if (port === undefined || port < 1 || port > 0xffff)
      return fail('tracker/bad-request', 'port is not 1 to 65535')
    return ok({
      infoHash: this.#infoHash,
      peerId: this.#peerId,
      port,
      uploaded: count(this.#uploaded) ?? 0,
      downloaded: count(this.#downloaded) ?? 0,
      // Who does not say is taken for a leecher: nobody is sent to it in vain.
      left: count(this.#left) ?? Number.MAX_SAFE_INTEGER,
      event: eventOf(this.#event),
      // A negative number means "as many as you like", as it does over UDP.
      numwant: count(this.#numwant),
      key: keyOf(this.#key),
      trackerId: this.#trackerId,
      ip: ipOf(this.#ip),
      compact: flag(this.#compact),
      noPeerId: flag(this.#noPeerId),
    })
  }
}

/** Calls `visit` with each raw name and value until it says false; false when it did. */
function eachParameter(query: string, visit: (name: string, value: string) => boolean): boolean {
  for (let at = 0; at < query.length; ) {
    const end = query.indexOf('&', at)
    const stop = end < 0 ? query.length : end
    const equals = query.indexOf('=', at)
    if (equals >= at && equals < stop && !visit(query.slice(at, equals), query.slice(equals + 1, stop)))
      return false
    at = stop + 1
  }
  return true
}

/** A whole number of at least 0 that a double holds; larger ones are held at that bound. */
function count(text: string | undefined): number | undefined {
  if (text === undefined || text.length === 0 || text.length > COUNT_DIGITS_MAX) return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

function flag(text: string | undefined): boolean | undefined {
  return text === '1' ? true : text === '0' ? false : undefined
}

function eventOf(text: string | undefined): AnnounceEvent | undefined {
  return text === 'started' || text === 'completed' || text === 'stopped' ? text : undefined
}

function keyOf(text: string | undefined): number {
  return text !== undefined && /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : 0
}

function ipOf(text: string | undefined): string | undefined {
  const bytes = text === undefined ? undefined : percentDecode(text)
  return bytes === undefined ? undefined : toLatin1(bytes)
}

/** `url` with more parameters and without its fragment. */
function withQuery(url: string, query: string): string {
  const whole = url.replace(/#.*$/s, '')
  const separator = !whole.includes('?') ? '?' : /[?&]$/.test(whole) ? '' : '&'
  return whole + separator + query
}
