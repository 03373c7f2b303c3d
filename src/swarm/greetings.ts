/**
 * What we say of ourselves when a connection begins: the handshake, and the extension handshake (BEP 10) that
 * is sent again whenever what it says has changed.
 */
import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { encodeExtensionHandshake } from '../wire/extension-handshake.ts'
import { encodeHandshake, type Handshake } from '../wire/handshake.ts'
import { UT_METADATA, UT_METADATA_ID } from '../wire/metadata-messages.ts'
import type { ClientOptions } from './client-options.ts'
import type { Torrent } from './torrent.ts'

/** @param infoHash the 20 bytes by which this peer knows the torrent */
export function handshakeOf({ peerId }: ClientOptions, torrent: Torrent, infoHash: Uint8Array): Uint8Array {
  return encodeHandshake({
    infoHash,
    peerId,
    supportsExtensions: true,
    supportsFast: true,
    supportsV2: torrent.core.options.metainfo.infoHashV2 !== null,
  })
}

/**
 * The infohash in our answer to a handshake: the one it names, but of a hybrid the v2 one when it says that
 * it can go on as v2 (BEP 52, "upgrade path"). libtorrent takes hash requests on no other terms.
 */
export function infoHashInAnswer(torrent: Torrent, { infoHash, supportsV2 }: Handshake): Uint8Array {
  const { infoHashV1, infoHashV2 } = torrent.core.options.metainfo
  if (!supportsV2 || infoHashV1 === null || infoHashV2 === null) return infoHash
  return equalBytes(infoHash, infoHashV1) ? infoHashV2.subarray(0, 20) : infoHash
}

/** The connection speaks v2: the answer, theirs or ours, names the v2 infohash. */
export function speaksV2(torrent: Torrent, handshake: Handshake, isOutgoing: boolean): boolean {
  const { infoHashV2 } = torrent.core.options.metainfo
  const answered = isOutgoing ? handshake.infoHash : infoHashInAnswer(torrent, handshake)
  return infoHashV2 !== null && equalBytes(answered, infoHashV2.subarray(0, 20))
}

export function extensionHandshakeOf(
  { clientName, listenPort }: ClientOptions,
  torrent: Torrent,
): Uint8Array {
  const { metainfo, role } = torrent.core.options
  return encodeExtensionHandshake({
    messages: new Map([...torrent.exchange.offer(), [UT_METADATA, UT_METADATA_ID]]),
    client: clientName,
    listenPort,
    requestQueueLength: LIMITS.requestsQueuedPerPeerMax.value,
    isUploadOnly: torrent.isComplete || role === 'seed-only',
    metadataSize: metainfo.infoBytes.length === 0 ? undefined : metainfo.infoBytes.length,
    longMessageBytes: LIMITS.longMessageBytesMax.value,
  })
}
