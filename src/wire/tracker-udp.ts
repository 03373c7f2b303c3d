/**
 * Packets of the UDP tracker protocol (BEP 15), both directions, over IPv4 and IPv6, with
 * the URL option of BEP 41.
 * Invariant: a connection id is 8 opaque bytes; a client only echoes it. Numbers are big-endian. Infohashes
 * of other lengths than 20 bytes do not occur here.
 */
import { concatBytes, readUint16, readUint32, writeUint16, writeUint32 } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, encodeUtf8, toLatin1 } from '../base/text.ts'
import { COMPACT_V4_LENGTH, COMPACT_V6_LENGTH, decodeCompactV4, decodeCompactV6 } from './endpoint.ts'
import {
  type AnnounceAnswer,
  type AnnounceEvent,
  type AnnounceReply,
  type AnnounceRequest,
  type ScrapeCounts,
  type TrackerFault,
  trackerFailure,
} from './tracker-announce.ts'

/** The magic number that stands where a connection id is not known yet. BEP 15. */
const PROTOCOL_ID = Uint8Array.of(0, 0, 0x04, 0x17, 0x27, 0x10, 0x19, 0x80)
const CONNECTION_ID_LENGTH = 8

const ACTION = { connect: 0, announce: 1, scrape: 2, error: 3 } as const
const EVENTS: readonly (AnnounceEvent | undefined)[] = [undefined, 'completed', 'started', 'stopped']
const HASH_LENGTH = 20
const REQUEST_HEADER_LENGTH = 16
/** No packet shorter than this is a request. */
export const UDP_REQUEST_LENGTH_MIN = REQUEST_HEADER_LENGTH
const ANNOUNCE_LENGTH = 98
const REPLY_HEADER_LENGTH = 8
const ANNOUNCE_REPLY_LENGTH = 20
const SCRAPE_ENTRY_LENGTH = 12
const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_URL_DATA = 2
const OPTION_BYTES_MAX = 255

export type UdpFamily = 'v4' | 'v6'

export type UdpRequest =
  | { readonly kind: 'connect'; readonly transactionId: number }
  | {
      readonly kind: 'announce'
      readonly transactionId: number
      readonly connectionId: Uint8Array
      readonly request: AnnounceRequest
      /** Path and query of the client's tracker URL (BEP 41). */
      readonly urlData: string
    }
  | {
      readonly kind: 'scrape'
      readonly transactionId: number
      readonly connectionId: Uint8Array
      readonly infoHashes: readonly Uint8Array[]
    }

export type UdpReply =
  | { readonly kind: 'connect'; readonly transactionId: number; readonly connectionId: Uint8Array }
  | { readonly kind: 'announce'; readonly transactionId: number; readonly reply: AnnounceReply }
  | { readonly kind: 'scrape'; readonly transactionId: number; readonly counts: readonly ScrapeCounts[] }
  | { readonly kind: 'error'; readonly transactionId: number; readonly fault: TrackerFault }

export function encodeUdpConnect(transactionId: number): Uint8Array {
  return requestHeader(PROTOCOL_ID, ACTION.connect, transactionId, REQUEST_HEADER_LENGTH)
}

/** @param urlData path and query of the tracker's URL, sent as options when it is not empty (BEP 41) */
export function encodeUdpAnnounce(
  connectionId: Uint8Array,
  transactionId: number,
  request: AnnounceRequest,
  urlData = '',
): Uint8Array {
  const packet = requestHeader(connectionId, ACTION.announce, transactionId, ANNOUNCE_LENGTH)
  packet.set(request.infoHash, 16)
  packet.set(request.peerId, 36)
  writeUint64(packet, 56, request.downloaded)
  writeUint64(packet, 64, request.left)
  writeUint64(packet, 72, request.uploaded)
  writeUint32(packet, 80, EVENTS.indexOf(request.event))
  // 84: our address, left 0 so that the tracker takes the packet's own.
  writeUint32(packet, 88, request.key)
  writeUint32(packet, 92, request.numwant ?? 0xffff_ffff)
  writeUint16(packet, 96, request.port)
  return urlData === '' ? packet : concatBytes([packet, ...urlOptions(encodeUtf8(urlData))])
}

export function encodeUdpScrape(
  connectionId: Uint8Array,
  transactionId: number,
  infoHashes: readonly Uint8Array[],
): Uint8Array {
  return concatBytes([
    requestHeader(connectionId, ACTION.scrape, transactionId, REQUEST_HEADER_LENGTH),
    ...infoHashes,
  ])
}

/** Whether it asks for a connection id, as anybody may. */
export function isUdpConnect(packet: Uint8Array): boolean {
  if (packet.length < REQUEST_HEADER_LENGTH || readUint32(packet, 8) !== ACTION.connect) return false
  for (let i = 0; i < PROTOCOL_ID.length; i++) if (packet[i] !== PROTOCOL_ID[i]) return false
  return true
}

export function decodeUdpRequest(packet: Uint8Array): Result<UdpRequest> {
  if (packet.length < REQUEST_HEADER_LENGTH) return badRequest()
  const action = readUint32(packet, 8)
  const transactionId = readUint32(packet, 12)
  if (isUdpConnect(packet)) return ok({ kind: 'connect', transactionId })
  const connectionId = copyOf(packet, 0, CONNECTION_ID_LENGTH)
  if (action === ACTION.announce) {
    const request = decodeAnnounce(packet)
    const urlData = decodeUrlData(packet)
    if (request === undefined || urlData === undefined) return badRequest()
    return ok({ kind: 'announce', transactionId, connectionId, request, urlData })
  }
  if (action === ACTION.scrape) {
    const count = (packet.length - REQUEST_HEADER_LENGTH) / HASH_LENGTH
    if (!Number.isInteger(count) || count < 1 || count > LIMITS.scrapeHashesMax.value) return badRequest()
    const infoHashes = Array.from({ length: count }, (_, index) =>
      hashAt(packet, REQUEST_HEADER_LENGTH + index * HASH_LENGTH),
    )
    return ok({ kind: 'scrape', transactionId, connectionId, infoHashes })
  }
  return badRequest()
}

export function encodeUdpConnected(transactionId: number, connectionId: Uint8Array): Uint8Array {
  const packet = replyHeader(ACTION.connect, transactionId, REPLY_HEADER_LENGTH + connectionId.length)
  packet.set(connectionId, REPLY_HEADER_LENGTH)
  return packet
}

/**
 * Only the peers of `family`, the one the request came in, fit a reply (BEP 15, "IPv6"), and no more of
 * them than udpAnswerBytesMax: they stand in random order, so what is left out is too.
 * @param allocate zeros for the packet
 */
export function encodeUdpAnswer(
  transactionId: number,
  answer: AnnounceAnswer,
  family: UdpFamily,
  allocate = zeros,
): Uint8Array {
  const peers = family === 'v4' ? answer.peersV4 : answer.peersV6
  const entryLength = family === 'v4' ? COMPACT_V4_LENGTH : COMPACT_V6_LENGTH
  const room = LIMITS.udpAnswerBytesMax.value - ANNOUNCE_REPLY_LENGTH
  const length = Math.min(peers.length, room - (room % entryLength))
  const packet = allocate(ANNOUNCE_REPLY_LENGTH + length)
  writeUint32(packet, 0, ACTION.announce)
  writeUint32(packet, 4, transactionId)
  writeUint32(packet, 8, answer.intervalSeconds)
  writeUint32(packet, 12, answer.leechers)
  writeUint32(packet, 16, answer.seeders)
  packet.set(length === peers.length ? peers : peers.subarray(0, length), ANNOUNCE_REPLY_LENGTH)
  return packet
}

/** @param counts one for each infohash asked about, in the same order */
export function encodeUdpScraped(transactionId: number, counts: readonly ScrapeCounts[]): Uint8Array {
  const length = REPLY_HEADER_LENGTH + counts.length * SCRAPE_ENTRY_LENGTH
  const packet = replyHeader(ACTION.scrape, transactionId, length)
  for (const [index, { seeders, completed, leechers }] of counts.entries()) {
    const at = REPLY_HEADER_LENGTH + index * SCRAPE_ENTRY_LENGTH
    writeUint32(packet, at, seeders)
    writeUint32(packet, at + 4, completed)
    writeUint32(packet, at + 8, leechers)
  }
  return packet
}

export function encodeUdpError(transactionId: number, reason: string): Uint8Array {
  return concatBytes([replyHeader(ACTION.error, transactionId, REPLY_HEADER_LENGTH), encodeUtf8(reason)])
}

/** @param family of the socket the packet came in on: it fixes the length of a peer */
export function decodeUdpReply(packet: Uint8Array, family: UdpFamily): Result<UdpReply> {
  if (packet.length < REPLY_HEADER_LENGTH) return badReply()
  const transactionId = readUint32(packet, 4)
  switch (readUint32(packet, 0)) {
    case ACTION.connect: {
      if (packet.length < REPLY_HEADER_LENGTH + CONNECTION_ID_LENGTH) return badReply()
      return ok({ kind: 'connect', transactionId, connectionId: copyOf(packet, 8, CONNECTION_ID_LENGTH) })
    }
    case ACTION.announce: {
      const reply = decodeUdpAnnounceReply(packet, family)
      return reply === undefined ? badReply() : ok({ kind: 'announce', transactionId, reply })
    }
    case ACTION.scrape:
      return ok({ kind: 'scrape', transactionId, counts: decodeCounts(packet) })
    case ACTION.error: {
      const text = packet.subarray(REPLY_HEADER_LENGTH)
      const { error } = trackerFailure(decodeUtf8(text) ?? toLatin1(text))
      return ok({ kind: 'error', transactionId, fault: error })
    }
    default:
      return badReply()
  }
}

/** Splits at 255 bytes a piece; the reader joins them again. */
function urlOptions(urlData: Uint8Array): Uint8Array[] {
  const options: Uint8Array[] = []
  for (let at = 0; at < urlData.length; at += OPTION_BYTES_MAX) {
    const part = urlData.subarray(at, at + OPTION_BYTES_MAX)
    options.push(Uint8Array.of(OPTION_URL_DATA, part.length), part)
  }
  return options
}

/** Undefined when an option is cut short; unknown options are passed over, as BEP 41 asks. */
function decodeUrlData(packet: Uint8Array): string | undefined {
  if (packet.length <= ANNOUNCE_LENGTH) return ''
  const parts: Uint8Array[] = []
  for (let at = ANNOUNCE_LENGTH; at < packet.length; ) {
    const option = packet[at]!
    if (option === OPTION_END) break
    if (option === OPTION_NOP) {
      at++
      continue
    }
    const length = packet[at + 1]
    if (length === undefined || at + 2 + length > packet.length) return undefined
    if (option === OPTION_URL_DATA) parts.push(packet.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  const urlData = concatBytes(parts)
  return decodeUtf8(urlData) ?? toLatin1(urlData)
}

function decodeAnnounce(packet: Uint8Array): AnnounceRequest | undefined {
  const port = packet.length < ANNOUNCE_LENGTH ? 0 : readUint16(packet, 96)
  if (port === 0) return undefined
  const numwant = readUint32(packet, 92)
  return {
    infoHash: hashAt(packet, 16),
    peerId: hashAt(packet, 36),
    port,
    downloaded: readUint64(packet, 56),
    left: readUint64(packet, 64),
    uploaded: readUint64(packet, 72),
    event: EVENTS[readUint32(packet, 80)],
    // 0 where the tracker is to take the packet's own address, as it does anyway.
    ip: readUint32(packet, 84) === 0 ? undefined : packet.subarray(84, 88).join('.'),
    key: readUint32(packet, 88),
    // Signed on the wire: any negative number leaves the count to the tracker.
    numwant: numwant > 0x7fff_ffff ? undefined : numwant,
  }
}

function decodeUdpAnnounceReply(packet: Uint8Array, family: UdpFamily): AnnounceReply | undefined {
  if (packet.length < ANNOUNCE_REPLY_LENGTH) return undefined
  const entryLength = family === 'v4' ? COMPACT_V4_LENGTH : COMPACT_V6_LENGTH
  const peersLength = packet.length - ANNOUNCE_REPLY_LENGTH
  const bytes = packet.subarray(ANNOUNCE_REPLY_LENGTH, packet.length - (peersLength % entryLength))
  const peers = (family === 'v4' ? decodeCompactV4(bytes) : decodeCompactV6(bytes)) ?? []
  return {
    intervalSeconds: readUint32(packet, 8),
    leechers: readUint32(packet, 12),
    seeders: readUint32(packet, 16),
    peers: peers.filter((peer) => peer.port !== 0),
  }
}

function decodeCounts(packet: Uint8Array): ScrapeCounts[] {
  const counts: ScrapeCounts[] = []
  for (let at = REPLY_HEADER_LENGTH; at + SCRAPE_ENTRY_LENGTH <= packet.length; at += SCRAPE_ENTRY_LENGTH)
    counts.push({
      seeders: readUint32(packet, at),
      completed: readUint32(packet, at + 4),
      leechers: readUint32(packet, at + 8),
    })
  return counts
}

function requestHeader(
  connectionId: Uint8Array,
  action: number,
  transactionId: number,
  length: number,
): Uint8Array {
  const packet = new Uint8Array(length)
  packet.set(connectionId)
  writeUint32(packet, 8, action)
  writeUint32(packet, 12, transactionId)
  return packet
}

function zeros(length: number): Uint8Array {
  return new Uint8Array(length)
}

function replyHeader(action: number, transactionId: number, length: number): Uint8Array {
  const packet = new Uint8Array(length)
  writeUint32(packet, 0, action)
  writeUint32(packet, 4, transactionId)
  return packet
}

function hashAt(packet: Uint8Array, at: number): Uint8Array {
  return copyOf(packet, at, HASH_LENGTH)
}

/** Plain bytes of their own; `slice` of a platform's byte class might be a view of the packet. */
function copyOf(packet: Uint8Array, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = packet[at + i]!
  return bytes
}

/** Numbers beyond 2^53 - 1 do not occur in a transfer and are held there. */
function readUint64(packet: Uint8Array, at: number): number {
  return Math.min(
    readUint32(packet, at) * 0x1_0000_0000 + readUint32(packet, at + 4),
    Number.MAX_SAFE_INTEGER,
  )
}

function writeUint64(packet: Uint8Array, at: number, value: number): void {
  writeUint32(packet, at, Math.floor(value / 0x1_0000_0000))
  writeUint32(packet, at + 4, value % 0x1_0000_0000)
}

function badRequest(): { readonly ok: false; readonly error: TrackerFault } {
  return fail('tracker/bad-request', 'the packet is no request of the UDP tracker protocol')
}

function badReply(): { readonly ok: false; readonly error: TrackerFault } {
  return fail('tracker/bad-reply', 'the packet is no reply of the UDP tracker protocol')
}
