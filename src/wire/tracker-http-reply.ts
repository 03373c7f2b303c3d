/**
 * The answers of the HTTP tracker protocol: announce replies with peers in compact or dictionary form
 * (BEP 3, 7, 23), our own address as the tracker sees it (BEP 24), failures that say when to come
 * back (BEP 31), scrapes (BEP 48).
 * A tracker writes the compact form without a dictionary; a client reads every form leniently,
 * since old trackers sort nothing.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, toLatin1 } from '../base/text.ts'
import {
  type BDict,
  type BValue,
  decodeBencode,
  encodeBencode,
  getBytes,
  getDict,
  getInteger,
} from './bencode.ts'
import {
  COMPACT_V4_LENGTH,
  COMPACT_V6_LENGTH,
  decodeCompactV4,
  decodeCompactV6,
  type Endpoint,
  formatAddress,
  parseAddress,
} from './endpoint.ts'
import {
  type AnnounceAnswer,
  type AnnouncedPeer,
  type AnnounceReply,
  type ScrapeCounts,
  type TrackerFault,
  trackerFailure,
} from './tracker-announce.ts'

/** What a client assumes of a tracker that does not say. */
const DEFAULT_INTERVAL_SECONDS = 1800
const HASH_LENGTH = 20

/**
 * The key of an announce reply by which a Shoal tracker says that it has an API, and where
 * (docs/tracker-extension.md); other clients pass over it.
 */
const EXTENSION_KEY = 'shoal'
export const API_PATH = '/api/v1'
const EXTENSION = { api: API_PATH, version: 1 }
const EXTENSION_MEMBER = `5:${EXTENSION_KEY}${toLatin1(encodeBencode(EXTENSION))}`
/** What we put behind the host: a path, and no way out of it. */
const API_PATH_PATTERN = /^(?:\/[A-Za-z0-9_-]{1,64}){1,8}$/

/**
 * As text, one character per byte, since that is what Node.js writes fastest.
 * @param address of the asker, 4 or 16 bytes: the reply's `external ip`
 * @param offersApi whether this tracker has the API that Shoal peers use
 * @param textOfBytes does what `toLatin1` does, perhaps faster
 */
export function encodeCompactReply(
  answer: AnnounceAnswer,
  address: Uint8Array,
  offersApi = false,
  textOfBytes: (bytes: Uint8Array) => string = toLatin1,
): string {
  const { peersV4, peersV6 } = answer
  return (
    `d8:completei${answer.seeders}e10:downloadedi${answer.completed}e11:external ip${address.length}:` +
    `${toLatin1(address)}10:incompletei${answer.leechers}e8:intervali${answer.intervalSeconds}e` +
    `12:min intervali${answer.minIntervalSeconds}e5:peers${peersV4.length}:${textOfBytes(peersV4)}` +
    (peersV6.length > 0 ? `6:peers6${peersV6.length}:${textOfBytes(peersV6)}` : '') +
    (offersApi ? `${EXTENSION_MEMBER}e` : 'e')
  )
}

/** The form for clients that ask for `compact=0`; with ids when the answer carries them. */
export function encodeDictionaryReply(
  answer: AnnounceAnswer,
  address: Uint8Array,
  offersApi = false,
): Uint8Array {
  const endpoints = [...(decodeCompactV4(answer.peersV4) ?? []), ...(decodeCompactV6(answer.peersV6) ?? [])]
  const peers = endpoints.map(({ host, port }, index) => ({
    ip: host,
    'peer id': answer.peerIds?.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH),
    port,
  }))
  return encodeBencode({
    complete: answer.seeders,
    downloaded: answer.completed,
    'external ip': address,
    incomplete: answer.leechers,
    interval: answer.intervalSeconds,
    'min interval': answer.minIntervalSeconds,
    peers,
    [EXTENSION_KEY]: offersApi ? EXTENSION : undefined,
  })
}

/** @param retryInMinutes when to ask again; Infinity for never (BEP 31) */
export function encodeFailure(reason: string, retryInMinutes?: number): Uint8Array {
  return encodeBencode({
    'failure reason': reason,
    'retry in': retryInMinutes === Number.POSITIVE_INFINITY ? 'never' : retryInMinutes,
  })
}

/** @param counts by infohash, in the order asked */
export function encodeScrapeReply(counts: Iterable<readonly [Uint8Array, ScrapeCounts]>): Uint8Array {
  const files = new Map<string, BValue>()
  for (const [infoHash, { seeders, leechers, completed }] of counts)
    files.set(toLatin1(infoHash), { complete: seeders, downloaded: completed, incomplete: leechers })
  return encodeBencode({ files })
}

/** Every fault is a `tracker/failure` (the tracker's own words) or a `tracker/bad-reply`. */
export function decodeAnnounceReply(bytes: Uint8Array): Result<AnnounceReply, TrackerFault> {
  const reply = decodeReplyDictionary(bytes)
  if (!reply.ok) return reply
  const dict = reply.value
  const interval = getInteger(dict, 'interval')
  const peers = decodePeers(dict)
  if (peers === undefined) return badReply('its list of peers is damaged')
  if (interval === undefined && !dict.entries.has('peers'))
    return badReply('it has neither interval nor peers')
  const minInterval = getInteger(dict, 'min interval')
  const seeders = getInteger(dict, 'complete')
  const leechers = getInteger(dict, 'incomplete')
  const externalIp = getBytes(dict, 'external ip')
  const warning = textOf(dict, 'warning message')
  const trackerId = getBytes(dict, 'tracker id')
  const api = apiPathOf(dict)
  return ok({
    intervalSeconds: interval ?? DEFAULT_INTERVAL_SECONDS,
    peers,
    ...(minInterval !== undefined && { minIntervalSeconds: minInterval }),
    ...(seeders !== undefined && { seeders }),
    ...(leechers !== undefined && { leechers }),
    ...((externalIp?.length === 4 || externalIp?.length === 16) && { externalIp: formatAddress(externalIp) }),
    ...(warning !== undefined && { warning }),
    ...(trackerId !== undefined && { trackerId: new Uint8Array(trackerId) }),
    ...(api !== undefined && { api }),
  })
}

function apiPathOf(dict: BDict): string | undefined {
  const extension = getDict(dict, EXTENSION_KEY)
  const path = extension === undefined ? undefined : textOf(extension, 'api')
  return path !== undefined && API_PATH_PATTERN.test(path) ? path : undefined
}

/** Counts by infohash in hex-free form: keys are the 20 bytes as Latin-1. */
export function decodeScrapeReply(bytes: Uint8Array): Result<Map<string, ScrapeCounts>, TrackerFault> {
  const reply = decodeReplyDictionary(bytes)
  if (!reply.ok) return reply
  const files = getDict(reply.value, 'files')
  if (files === undefined) return badReply('it has no counts')
  const counts = new Map<string, ScrapeCounts>()
  for (const [infoHash, entry] of files.entries) {
    if (infoHash.length !== HASH_LENGTH || entry.kind !== 'dict') continue
    counts.set(infoHash, {
      seeders: getInteger(entry, 'complete') ?? 0,
      leechers: getInteger(entry, 'incomplete') ?? 0,
      completed: getInteger(entry, 'downloaded') ?? 0,
    })
  }
  return ok(counts)
}

function decodeReplyDictionary(bytes: Uint8Array): Result<BDict, TrackerFault> {
  const decoded = decodeBencode(bytes, { lenient: true, allowTrailing: true })
  if (!decoded.ok || decoded.value.kind !== 'dict') return badReply('it is not a bencoded dictionary')
  const dict = decoded.value
  const reason = textOf(dict, 'failure reason')
  return reason === undefined ? ok(dict) : trackerFailure(reason, retryInSeconds(dict))
}

/** BEP 31: minutes, as a number or its digits, or `never`. */
function retryInSeconds(dict: BDict): number | undefined {
  const text = textOf(dict, 'retry in')
  if (text === 'never') return Number.POSITIVE_INFINITY
  const minutes =
    getInteger(dict, 'retry in') ?? (text !== undefined && /^[0-9]{1,9}$/.test(text) ? Number(text) : -1)
  return minutes >= 0 ? minutes * 60 : undefined
}

/** Both forms and both families; undefined when a list is damaged. Bounded by knownPeersMax. */
function decodePeers(dict: BDict): AnnouncedPeer[] | undefined {
  const v4 = dict.get('peers')
  const v6 = getBytes(dict, 'peers6')
  const peers: AnnouncedPeer[] = []
  if (v4?.kind === 'list') {
    for (const item of v4.items) {
      const peer = item.kind === 'dict' ? decodePeer(item) : undefined
      if (peer !== undefined) peers.push(peer)
    }
  } else if (v4?.kind === 'string' && !appendCompact(peers, v4.bytes, COMPACT_V4_LENGTH)) return undefined
  if (v6 !== undefined && !appendCompact(peers, v6, COMPACT_V6_LENGTH)) return undefined
  return peers.slice(0, LIMITS.knownPeersMax.value)
}

function appendCompact(peers: AnnouncedPeer[], bytes: Uint8Array, entryLength: number): boolean {
  const cut = bytes.subarray(0, entryLength * LIMITS.knownPeersMax.value)
  const decoded: Endpoint[] | undefined =
    entryLength === COMPACT_V4_LENGTH ? decodeCompactV4(cut) : decodeCompactV6(cut)
  if (decoded === undefined) return false
  for (const peer of decoded) if (peer.port !== 0) peers.push(peer)
  return true
}

/** Undefined for entries nobody can dial: names instead of addresses, ports out of range. */
function decodePeer(entry: BDict): AnnouncedPeer | undefined {
  const host = textOf(entry, 'ip')
  const port = getInteger(entry, 'port')
  const address = host === undefined ? undefined : parseAddress(host)
  if (address === undefined || port === undefined || port < 1 || port > 0xffff) return undefined
  const peerId = getBytes(entry, 'peer id')
  const endpoint = { host: formatAddress(address), port }
  return peerId?.length === HASH_LENGTH ? { ...endpoint, peerId: new Uint8Array(peerId) } : endpoint
}

/** UTF-8 where it is, Latin-1 where it is not. */
function textOf(dict: BDict, key: string): string | undefined {
  const bytes = getBytes(dict, key)
  return bytes === undefined ? undefined : (decodeUtf8(bytes) ?? toLatin1(bytes))
}

function badReply(what: string): { readonly ok: false; readonly error: TrackerFault } {
  return fail(
    'tracker/bad-reply',
    `the tracker's reply makes no sense: ${what}`,
    'Check that the address is that of a BitTorrent tracker, usually ending in /announce.',
  )
}
