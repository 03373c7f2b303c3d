/**
 * What we say of ourselves when a connection begins: the handshake, and the extension handshake (BEP 10) that
 * is sent again whenever what it says has changed.
 */
import { LIMITS } from '../base/limits.ts'
import { encodeExtensionHandshake } from '../wire/extension-handshake.ts'
import { encodeHandshake } from '../wire/handshake.ts'
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
  })
}
