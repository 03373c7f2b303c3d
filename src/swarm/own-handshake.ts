/** What every connection says first of us: which torrent, who we are, which extensions we speak. */
import { encodeHandshake } from '../wire/handshake.ts'

export function ownHandshake(infoHash: Uint8Array, peerId: Uint8Array): Uint8Array {
  return encodeHandshake({
    infoHash,
    peerId,
    supportsExtensions: true,
    supportsFast: true,
    supportsV2: false,
  })
}
