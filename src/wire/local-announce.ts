/**
 * Local service discovery (BEP 14): the datagram by which a peer tells its network, over multicast, where it
 * listens and for which torrents. It has the form of an HTTP request; unknown headers are ignored.
 * Invariant: what is written has at most `localPacketBytesMax` bytes; what is read, no
 * more infohashes than fit.
 */
import { fromHex, toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { fromLatin1, toLatin1 } from '../base/text.ts'

export type LocalGroup = 'v4' | 'v6'

/** Where announces go. */
export const LOCAL_GROUPS = { v4: '239.192.152.143', v6: 'ff15::efc0:988f' } as const
export const LOCAL_PORT = 6771

export interface LocalAnnounce {
  /** TCP port of the sender. */
  readonly port: number
  /** 20 bytes each; at most `LOCAL_HASHES_MAX`. */
  readonly infoHashes: readonly Uint8Array[]
  /** By which the sender knows its own announces again. */
  readonly cookie: string | undefined
}

const COOKIE_LENGTH_MAX = 64
const HASH_LINE_LENGTH = 'Infohash: \r\n'.length + 40
const OTHER_LINES_LENGTH_MAX = 200
/** Infohashes that fit one announce. */
export const LOCAL_HASHES_MAX = Math.floor(
  (LIMITS.localPacketBytesMax.value - OTHER_LINES_LENGTH_MAX) / HASH_LINE_LENGTH,
)

export function encodeLocalAnnounce(group: LocalGroup, announce: LocalAnnounce): Uint8Array {
  const host = group === 'v4' ? LOCAL_GROUPS.v4 : `[${LOCAL_GROUPS.v6}]`
  const lines = [
    'BT-SEARCH * HTTP/1.1',
    `Host: ${host}:${LOCAL_PORT}`,
    `Port: ${announce.port}`,
    ...announce.infoHashes.slice(0, LOCAL_HASHES_MAX).map((infoHash) => `Infohash: ${toHex(infoHash)}`),
    ...(announce.cookie === undefined ? [] : [`cookie: ${announce.cookie}`]),
  ]
  return fromLatin1(`${lines.join('\r\n')}\r\n\r\n\r\n`)
}

/** Fails with `wire/bad-local-announce`. */
export function decodeLocalAnnounce(bytes: Uint8Array): Result<LocalAnnounce> {
  if (bytes.length > LIMITS.localPacketBytesMax.value) return bad('is too long')
  const [start = '', ...lines] = toLatin1(bytes).split('\r\n')
  if (!/^BT-SEARCH \* HTTP\/1\.\d$/i.test(start)) return bad('does not begin like one')
  const infoHashes: Uint8Array[] = []
  let port = 0
  let cookie: string | undefined
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'port') port = /^\d{1,5}$/.test(value) ? Number(value) : 0
    else if (name === 'cookie') cookie = value.slice(0, COOKIE_LENGTH_MAX)
    else if (name === 'infohash' && value.length === 40) {
      const infoHash = fromHex(value)
      if (infoHash !== undefined && infoHashes.length < LOCAL_HASHES_MAX) infoHashes.push(infoHash)
    }
  }
  if (port === 0 || port > 0xffff) return bad('has no port')
  if (infoHashes.length === 0) return bad('names no torrent')
  return ok({ port, infoHashes, cookie })
}

function bad(what: string): ReturnType<typeof fail> {
  return fail('wire/bad-local-announce', `the announce from the local network ${what}`)
}
