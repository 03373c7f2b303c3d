/**
 * A torrent of which only the infohash is known, as a magnet link gives it. It announces, dials and greets
 * like any other, but its peers are asked for the info dictionary (BEP 9) and for nothing else. Once that is
 * there the client is given the whole torrent under the same id, which takes over addresses, trackers and
 * connections (`Connection.handOver`).
 * Invariants: it has no pieces, so its sessions keep what peers say for later (`early-messages.ts`); its one
 * result has the hash that was asked for, and has been read by the same rules as a file (S01).
 */

import { toHex } from '../base/bytes.ts'
import type { Env } from '../base/env.ts'
import type { Fault, Result } from '../base/result.ts'
import { encodeUtf8 } from '../base/text.ts'
import type { Instant } from '../base/time.ts'
import { parseEndpoint } from '../wire/endpoint.ts'
import type { ExtensionHandshake } from '../wire/extension-handshake.ts'
import type { Magnet } from '../wire/magnet.ts'
import {
  encodeMetadataMessage,
  METADATA_PART_LENGTH,
  type MetadataMessage,
  UT_METADATA,
} from '../wire/metadata-messages.ts'
import { type Metainfo, parseInfoDictionary } from '../wire/metainfo.ts'
import type { DisconnectReason } from './events.ts'
import { MetadataFetch, type MetadataFetchHost } from './metadata-fetch.ts'
import type { PeerSession } from './peer-session.ts'
import { Torrent } from './torrent.ts'
import type { TorrentOptions } from './torrent-options.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'

/** The least that can be said of a torrent: hashes, and a name until its own is known. It has no pieces. */
export function metainfoOfMagnet(magnet: Magnet): Metainfo {
  const { infoHashV1, infoHashV2 } = magnet
  const name = magnet.name ?? toHex((infoHashV1 ?? infoHashV2)!)
  return {
    format: infoHashV1 === null ? 'v2' : 'v1',
    name,
    rawName: encodeUtf8(name),
    infoHashV1,
    infoHashV2,
    infoBytes: new Uint8Array(0),
    pieceLength: METADATA_PART_LENGTH,
    pieceCount: 0,
    contentLength: 0,
    files: [],
    isSingleFile: false,
    pieceHashesV1: null,
    private: false,
    trackers: magnet.trackers.map((url) => [url]),
    webSeeds: magnet.webSeeds,
    warnings: [],
  }
}

export class MagnetTorrent extends Torrent implements MetadataFetchHost {
  readonly #fetch: MetadataFetch
  #at: Instant

  /** @param options with the metainfo of `metainfoOfMagnet` */
  constructor(now: Instant, id: number, options: TorrentOptions, env: Env, around: TorrentSurroundings) {
    super(now, id, options, env, around)
    this.#at = now
    this.#fetch = new MetadataFetch(options.metainfo, env.crypto, this)
    this.checked(now, [])
  }

  override get isComplete(): boolean {
    return false
  }

  override get isDownloading(): boolean {
    return this.phase === 'active' && !this.#fetch.isDone
  }

  /** Not known; more than nothing, or trackers would take us for a seed. */
  override get leftBytes(): number {
    return METADATA_PART_LENGTH
  }

  override get usefulPeerCount(): number {
    return this.#fetch.peerCount
  }

  override received(now: Instant, session: PeerSession, bytes: Uint8Array): Fault | undefined {
    this.#at = now
    return super.received(now, session, bytes)
  }

  override tick(now: Instant): void {
    this.#at = now
    super.tick(now)
    this.#fetch.tick(now)
  }

  override detach(now: Instant, session: PeerSession, reason: DisconnectReason): void {
    this.#at = now
    super.detach(now, session, reason)
    this.#fetch.left(now, session.id)
  }

  // SessionHost: what peers say.

  override peerExtensions(session: PeerSession, { messages, metadataSize }: ExtensionHandshake): void {
    const isOffered = (messages.get(UT_METADATA) ?? 0) > 0
    this.#fetch.offers(this.#at, session.id, session.address, isOffered ? metadataSize : undefined)
  }

  override peerMetadata(session: PeerSession, message: MetadataMessage): Fault | undefined {
    if (message.kind === 'request') return super.peerMetadata(session, message)
    return this.#fetch.received(this.#at, session.id, message)
  }

  // MetadataFetchHost: what it decides.

  requestPart(peer: number, part: number): void {
    const session = this.core.sessions.get(peer)
    const id = session?.extensions?.messages.get(UT_METADATA)
    if (id !== undefined) session?.writer.extended(id, encodeMetadataMessage({ kind: 'request', part }))
  }

  failed(senders: readonly string[]): void {
    this.emit({ event: 'metadata-failed', from: senders })
  }

  /** The session is ended by the client, as soon as the bytes at hand are read. */
  banned(address: string): void {
    const endpoint = parseEndpoint(address)
    if (endpoint !== undefined) this.peers.ban(endpoint)
    this.emit({ event: 'peer-banned', address, pieces: [] })
    for (const session of this.core.sessions.values())
      if (session.address === address) session.ending = 'banned'
  }

  fetched(infoBytes: Uint8Array): void {
    this.#tell(parseInfoDictionary(infoBytes, this.core.env.crypto))
  }

  #tell(result: Result<Metainfo>): void {
    this.core.emit({ kind: 'metadata', torrent: this.core.id, result })
  }
}
