/**
 * The 68 bytes that open every peer connection: BEP 3, with the reserved bits of BEP 6 (fast),
 * 10 (extension protocol) and 52 (v2). Invariant: a decoded handshake has exactly these
 * lengths; everything else is refused.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { fromLatin1 } from '../base/text.ts'

export const HANDSHAKE_LENGTH = 68

const PROTOCOL = '\x13BitTorrent protocol'

/** So many bytes are the same in every handshake, and tell it from anything else. */
export const PROTOCOL_LENGTH = PROTOCOL.length

export interface Handshake {
  /** 20 bytes: the v1 infohash, or the first 20 of the v2 one. */
  readonly infoHash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  readonly supportsExtensions: boolean
  readonly supportsFast: boolean
  readonly supportsV2: boolean
}

export function encodeHandshake(handshake: Handshake): Uint8Array {
  const bytes = new Uint8Array(HANDSHAKE_LENGTH)
  bytes.set(fromLatin1(PROTOCOL))
  if (handshake.supportsExtensions) bytes[25]! |= 0x10
  if (handshake.supportsFast) bytes[27]! |= 0x04
  if (handshake.supportsV2) bytes[27]! |= 0x10
  bytes.set(handshake.infoHash, 28)
  bytes.set(handshake.peerId, 48)
  return bytes
}

/** Could these be the first bytes of a handshake? */
export function isHandshakeStart(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, PROTOCOL.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== PROTOCOL.charCodeAt(i)) return false
  return true
}

/** @param bytes exactly 68 of them, borrowed */
export function decodeHandshake(bytes: Uint8Array): Result<Handshake> {
  if (bytes.length !== HANDSHAKE_LENGTH || !isHandshakeStart(bytes))
    return fail('wire/not-bittorrent', 'the peer does not speak the BitTorrent protocol')
  return ok({
    infoHash: bytes.slice(28, 48),
    peerId: bytes.slice(48, 68),
    supportsExtensions: (bytes[25]! & 0x10) !== 0,
    supportsFast: (bytes[27]! & 0x04) !== 0,
    supportsV2: (bytes[27]! & 0x10) !== 0,
  })
}
