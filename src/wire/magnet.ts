/**
 * Magnet links: `xt` with a v1 `btih` or v2 `btmh` hash (BEP 9), `dn`, `tr`, `ws`, `xs`, `x.pe`, and
 * `so`, the files wanted (BEP 53). Everything but the hashes is a hint: what cannot be read is left out,
 * unknown parameters are ignored.
 * Invariant: a link that parses has a hash; lists are bounded by trackersMax and
 * webSeedsMax, the text by magnetBytesMax.
 */
import { fromHex, toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, encodeUtf8, percentDecode, percentEncode } from '../base/text.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from './endpoint.ts'
import { safeLine } from './file-names.ts'

/** File indexes, both ends included. */
export interface IndexRange {
  readonly first: number
  readonly last: number
}

export interface Magnet {
  /** 20 bytes. */
  readonly infoHashV1: Uint8Array | null
  /** 32 bytes. */
  readonly infoHashV2: Uint8Array | null
  readonly name?: string
  readonly trackers: readonly string[]
  /** `ws`: HTTP addresses of the same content. */
  readonly webSeeds: readonly string[]
  /** `xs`: addresses of the `.torrent` file or of a catalog record. */
  readonly exactSources: readonly string[]
  /** `x.pe` with numeric addresses; names are left out. */
  readonly peers: readonly Endpoint[]
  /** `so`: the files wanted, ascending and apart; empty means all. */
  readonly selectOnly: readonly IndexRange[]
}

const SCHEME = /^magnet:\?/i
const V1_HEX = /^urn:btih:([0-9a-f]{40})$/i
const V1_BASE32 = /^urn:btih:([a-z2-7]{32})$/i
/** A multihash: 0x12 stands for SHA-256, 0x20 for its 32 bytes. */
const V2_MULTIHASH = /^urn:btmh:1220([0-9a-f]{64})$/i
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** Fails with `magnet/too-long`, `magnet/not-a-magnet`, `magnet/bad-hash`, `magnet/missing-hash`. */
export function parseMagnet(text: string): Result<Magnet> {
  if (text.length > LIMITS.magnetBytesMax.value)
    return fail('magnet/too-long', `a magnet link has at most ${LIMITS.magnetBytesMax.value} characters`)
  if (!SCHEME.test(text))
    return fail('magnet/not-a-magnet', 'this is not a magnet link', 'It begins with "magnet:?".')
  const parameters = readParameters(text.replace(SCHEME, ''))
  const hashes = readHashes(valuesOf(parameters, 'xt'))
  if (!hashes.ok) return hashes
  const name = valuesOf(parameters, 'dn')
    .map(safeLine)
    .find((line) => line !== '')
  return ok({
    ...hashes.value,
    ...(name !== undefined && { name }),
    trackers: addresses(valuesOf(parameters, 'tr'), LIMITS.trackersMax.value),
    webSeeds: addresses(valuesOf(parameters, 'ws'), LIMITS.webSeedsMax.value),
    exactSources: addresses(valuesOf(parameters, 'xs'), LIMITS.webSeedsMax.value),
    peers: readPeers(valuesOf(parameters, 'x.pe')),
    selectOnly: mergeRanges(valuesOf(parameters, 'so').flatMap(readRanges)),
  })
}

/** The link in one fixed order, so that equal magnets are equal text. At least one hash is there. */
export function formatMagnet(magnet: Magnet): string {
  const parts: string[] = []
  if (magnet.infoHashV1 !== null) parts.push(`xt=urn:btih:${toHex(magnet.infoHashV1)}`)
  if (magnet.infoHashV2 !== null) parts.push(`xt=urn:btmh:1220${toHex(magnet.infoHashV2)}`)
  const add = (key: string, value: string) => parts.push(`${key}=${percentEncode(encodeUtf8(value))}`)
  if (magnet.name !== undefined) add('dn', magnet.name)
  for (const url of magnet.trackers) add('tr', url)
  for (const url of magnet.webSeeds) add('ws', url)
  for (const url of magnet.exactSources) add('xs', url)
  // Brackets and colons stay readable here; nothing else can stand in a numeric endpoint.
  for (const peer of magnet.peers) parts.push(`x.pe=${formatEndpoint(peer)}`)
  if (magnet.selectOnly.length > 0) parts.push(`so=${magnet.selectOnly.map(formatRange).join(',')}`)
  return `magnet:?${parts.join('&')}`
}

/** Key and decoded value in order. Keys may carry a number (`tr.1`), as in old links; it says nothing. */
function readParameters(query: string): [string, string][] {
  const parameters: [string, string][] = []
  for (const part of query.split('#')[0]!.split('&')) {
    const equals = part.indexOf('=')
    if (equals < 0) continue
    const key = part
      .slice(0, equals)
      .toLowerCase()
      .replace(/\.[0-9]+$/, '')
    const value = percentDecode(utf8AsEscapes(part.slice(equals + 1)))
    const decoded = value === undefined ? undefined : decodeUtf8(value)
    if (decoded !== undefined) parameters.push([key, decoded])
  }
  return parameters
}

/** Links are pasted with unescaped letters of every language. */
function utf8AsEscapes(text: string): string {
  return text.replace(/[^\p{ASCII}]+/gu, (letters) => percentEncode(encodeUtf8(letters)))
}

function valuesOf(parameters: readonly [string, string][], key: string): string[] {
  return parameters.filter(([name]) => name === key).map(([, value]) => value)
}

/**
 * The first hash of each kind; a hash of a known kind that cannot be read makes the link
 * wrong, other kinds do not.
 */
function readHashes(topics: readonly string[]): Result<Pick<Magnet, 'infoHashV1' | 'infoHashV2'>> {
  let infoHashV1: Uint8Array | null = null
  let infoHashV2: Uint8Array | null = null
  for (const topic of topics) {
    const v2 = V2_MULTIHASH.exec(topic)?.[1]
    if (v2 !== undefined) infoHashV2 ??= fromHex(v2)!
    const v1 = V1_HEX.exec(topic)?.[1]
    const base32 = V1_BASE32.exec(topic)?.[1]
    if (v1 !== undefined) infoHashV1 ??= fromHex(v1)!
    else if (base32 !== undefined) infoHashV1 ??= fromBase32(base32)
    else if (v2 === undefined && /^urn:bt[im]h:/i.test(topic))
      return fail('magnet/bad-hash', 'the hash in the magnet link is damaged', 'Copy the whole link again.')
  }
  if (infoHashV1 === null && infoHashV2 === null)
    return fail(
      'magnet/missing-hash',
      'the magnet link names no torrent',
      'It needs "xt=urn:btih:" or "xt=urn:btmh:".',
    )
  return ok({ infoHashV1, infoHashV2 })
}

/** RFC 4648 without padding; the expression has checked the characters. */
function fromBase32(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length * 5) / 8)
  let bits = 0
  let bitCount = 0
  let at = 0
  for (const character of text.toLowerCase()) {
    bits = ((bits << 5) | BASE32.indexOf(character)) & 0xfff
    bitCount += 5
    if (bitCount < 8) continue
    bitCount -= 8
    bytes[at++] = bits >> bitCount
  }
  return bytes
}

function addresses(values: readonly string[], countMax: number): string[] {
  const usable = values
    .map((value) => value.trim())
    .filter((value) => value !== '' && !/[\p{Control}\s]/u.test(value))
  return [...new Set(usable)].slice(0, countMax)
}

/** Bounded by trackersMax: as many peers as trackers is more than any link carries. */
function readPeers(values: readonly string[]): Endpoint[] {
  const peers = new Map<string, Endpoint>()
  for (const value of values) {
    const peer = parseEndpoint(value)
    if (peer !== undefined && peer.port !== 0 && peers.size < LIMITS.trackersMax.value)
      peers.set(formatEndpoint(peer), peer)
  }
  return [...peers.values()]
}

/** `0,2,4-8`; parts that are no index or range below filesMax are left out. */
function readRanges(value: string): IndexRange[] {
  const ranges: IndexRange[] = []
  for (const part of value.split(',')) {
    const match = /^([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(part.trim())
    if (match === null) continue
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    if (first <= last && last < LIMITS.filesMax.value) ranges.push({ first, last })
  }
  return ranges
}

function mergeRanges(ranges: readonly IndexRange[]): IndexRange[] {
  const merged: IndexRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1)
    if (before !== undefined && range.first <= before.last + 1)
      merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) }
    else merged.push(range)
  }
  return merged
}

function formatRange(range: IndexRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`
}
