/**
 * A torrent of which only the infohash is known, as a magnet link gives it. It announces, dials and greets
 * like any other, but its peers are asked for the info dictionary (BEP 9), then for the piece hashes that a
 * v2 torrent needs besides (BEP 52), and for nothing else. Once they are there the client is given the whole
 * torrent under the same id, which takes over addresses, trackers and connections (`Connection.handOver`).
 * Invariants: it has no pieces, so its sessions keep what peers say for later (`early-messages.ts`); its one
 * result has the hash that was asked for, and has been read by the same rules as a file (S01).
 */

import { toHex } from '../base/bytes.ts'
import type { Env } from '../base/env.ts'
import { type Fault, ok, type Result } from '../base/result.ts'
import { encodeUtf8 } from '../base/text.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import { parseEndpoint } from '../wire/endpoint.ts'
import type { ExtensionHandshake } from '../wire/extension-handshake.ts'
import {
  decodeHashes,
  decodeHashRequest,
  encodeHashRequest,
  type HashRequest,
} from '../wire/hash-messages.ts'
import type { Magnet } from '../wire/magnet.ts'
import {
  encodeMetadataMessage,
  METADATA_PART_LENGTH,
  type MetadataMessage,
  UT_METADATA,
} from '../wire/metadata-messages.ts'
import { type Metainfo, parseInfoDictionary } from '../wire/metainfo.ts'
import { MESSAGE } from '../wire/peer-messages.ts'
import type { DescriptionHost } from './description.ts'
import type { DisconnectReason } from './events.ts'
import { LayerFetch, type LayerFetchHost, lacksPieceLayers, missesPieceLayers } from './layer-fetch.ts'
import { MetadataFetch, type MetadataFetchHost } from './metadata-fetch.ts'
import type { PeerSession } from './peer-session.ts'
import { Torrent } from './torrent.ts'
import type { TorrentOptions } from './torrent-options.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'

/** So long a hybrid waits for the hashes of its v2 side. */
const HYBRID_LAYERS_SECONDS = 5

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

export class MagnetTorrent extends Torrent implements DescriptionHost, MetadataFetchHost, LayerFetchHost {
  readonly #metadata: MetadataFetch
  /** Once there is an info dictionary that lacks piece layers. */
  #layers: LayerFetch | undefined
  /** A hybrid, which can do without its piece layers, and how long they are worth waiting for. */
  #enough: Metainfo | undefined
  #patientUntil = Infinity as Instant
  readonly #server: DescriptionHost
  #isDone = false
  #at: Instant

  /** @param options with the metainfo of `metainfoOfMagnet`, or of a v2 torrent without its piece layers */
  constructor(now: Instant, id: number, options: TorrentOptions, env: Env, around: TorrentSurroundings) {
    const { metainfo } = options
    super(now, id, { ...options, metainfo: { ...metainfo, pieceCount: 0, files: [] } }, env, around)
    this.#at = now
    this.#metadata = new MetadataFetch(metainfo, env.crypto, this)
    this.#server = this.description
    this.description = this
    if (metainfo.infoBytes.length > 0) this.#understood(metainfo)
    this.checked(now, [])
  }

  override get isComplete(): boolean {
    return false
  }

  override get isDownloading(): boolean {
    return this.phase === 'active' && !this.#isDone
  }

  /** Not known; more than nothing, or trackers would take us for a seed. */
  override get leftBytes(): number {
    return METADATA_PART_LENGTH
  }

  override get usefulPeerCount(): number {
    return (this.#layers ?? this.#metadata).peerCount
  }

  override received(now: Instant, session: PeerSession, bytes: Uint8Array): Fault | undefined {
    this.#at = now
    return super.received(now, session, bytes)
  }

  override tick(now: Instant): void {
    this.#at = now
    super.tick(now)
    if (this.#layers === undefined) this.#metadata.tick(now)
    else if (!this.#isDone) this.#layers.tick(now)
    this.#settleForLess()
  }

  override attach(now: Instant, session: PeerSession, isKnown?: boolean): void {
    this.#at = now
    super.attach(now, session, isKnown)
    this.#joinLayers(session)
  }

  override detach(now: Instant, session: PeerSession, reason: DisconnectReason): void {
    this.#at = now
    super.detach(now, session, reason)
    this.#metadata.left(now, session.id)
    this.#layers?.left(now, session.id)
    this.#settleForLess()
  }

  override peerExtensions(session: PeerSession, handshake: ExtensionHandshake): void {
    super.peerExtensions(session, handshake)
    const { messages, metadataSize } = handshake
    if (this.#layers !== undefined) return
    const isOffered = (messages.get(UT_METADATA) ?? 0) > 0
    this.#metadata.offers(this.#at, session.id, session.address, isOffered ? metadataSize : undefined)
  }

  // DescriptionHost: what peers say of the torrent.

  peerMetadata(session: PeerSession, message: MetadataMessage): Fault | undefined {
    if (message.kind === 'request') return this.#server.peerMetadata(session, message)
    return this.#metadata.received(this.#at, session.id, message)
  }

  peerAsksHashes(session: PeerSession, payload: Uint8Array): Fault | undefined {
    return this.#server.peerAsksHashes(session, payload)
  }

  peerSendsHashes(session: PeerSession, payload: Uint8Array): Fault | undefined {
    const hashes = decodeHashes(payload)
    if (!hashes.ok) return hashes.error
    const fault = this.#layers?.received(this.#at, session.id, hashes.value)
    if (fault !== undefined) this.banned(session.address)
    this.#settleForLess()
    return undefined
  }

  peerRefusesHashes(session: PeerSession, payload: Uint8Array): undefined {
    this.#layers?.refused(this.#at, session.id, decodeHashRequest(payload))
    this.#settleForLess()
  }

  // MetadataFetchHost and LayerFetchHost: what they decide.

  requestPart(peer: number, part: number): void {
    const session = this.core.sessions.get(peer)
    const id = session?.extensions?.messages.get(UT_METADATA)
    if (id !== undefined) session?.writer.extended(id, encodeMetadataMessage({ kind: 'request', part }))
  }

  requestHashes(peer: number, request: HashRequest): void {
    this.core.sessions.get(peer)?.writer.bytes(MESSAGE.hashRequest, encodeHashRequest(request))
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
    const parsed = parseInfoDictionary(infoBytes, this.core.env.crypto)
    if (parsed.ok) this.#understood(parsed.value)
    else this.#tell(parsed)
  }

  complete(metainfo: Metainfo): void {
    if (!this.#isDone) this.#tell(ok(metainfo))
  }

  // Inside.

  #understood(metainfo: Metainfo): void {
    if (!missesPieceLayers(metainfo)) return this.#tell(ok(metainfo))
    this.#layers = new LayerFetch(metainfo, this.core.env.crypto, this)
    if (!lacksPieceLayers(metainfo)) {
      this.#enough = metainfo
      this.#patientUntil = after(this.#at, seconds(HYBRID_LAYERS_SECONDS))
    }
    for (const session of this.core.sessions.values()) this.#joinLayers(session)
    this.#settleForLess()
  }

  /** A peer that knows a hybrid as a v1 torrent only would not understand. */
  #joinLayers(session: PeerSession): void {
    if (this.#isDone || (this.#enough !== undefined && !session.supportsV2)) return
    this.#layers?.joined(this.#at, session.id)
  }

  /** The v1 hashes of a hybrid are enough when the peers at hand do not give the others, or not soon. */
  #settleForLess(): void {
    if (this.#isDone || this.#enough === undefined) return
    if (this.#layers?.isWaiting && this.#at < this.#patientUntil) return
    this.#tell(ok(this.#enough))
  }

  #tell(result: Result<Metainfo>): void {
    this.#isDone = true
    this.core.emit({ kind: 'metadata', torrent: this.core.id, result })
  }
}
