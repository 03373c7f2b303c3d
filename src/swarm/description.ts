/**
 * What peers ask and tell about the torrent itself, not about its bytes: its info dictionary (BEP 9) and the
 * hashes of its files (BEP 52). A torrent serves both; one that is to learn them asks (`magnet-torrent.ts`).
 */
import type { Fault } from '../base/result.ts'
import type { Instant } from '../base/time.ts'
import { decodeHashes, decodeHashRequest } from '../wire/hash-messages.ts'
import type { MetadataMessage } from '../wire/metadata-messages.ts'
import type { BlockHashFetch } from './block-hash-fetch.ts'
import { BlockHashServer } from './block-hash-server.ts'
import { HashServer } from './hash-server.ts'
import { MetadataServer } from './metadata-server.ts'
import type { PeerSession } from './peer-session.ts'
import type { Penalties } from './penalties.ts'
import type { PieceMemory } from './piece-buffers.ts'
import type { TorrentCore } from './torrent-core.ts'

/** Told by sessions; a fault ends the session. Payloads are borrowed. */
export interface DescriptionHost {
  peerMetadata(session: PeerSession, message: MetadataMessage): Fault | undefined
  /** @param payload 48 bytes */
  peerAsksHashes(session: PeerSession, payload: Uint8Array): Fault | undefined
  peerSendsHashes(session: PeerSession, payload: Uint8Array): Fault | undefined
  /** @param payload 48 bytes */
  peerRefusesHashes(session: PeerSession, payload: Uint8Array): Fault | undefined
}

export class DescriptionServer implements DescriptionHost {
  readonly blockHashes: BlockHashServer
  readonly #now: () => Instant
  readonly #metadata: MetadataServer
  readonly #hashes: HashServer
  readonly #fetch: BlockHashFetch
  readonly #penalties: Penalties

  constructor(
    core: TorrentCore,
    memory: PieceMemory,
    now: () => Instant,
    fetch: BlockHashFetch,
    penalties: Penalties,
  ) {
    const { metainfo } = core.options
    this.#now = now
    this.#fetch = fetch
    this.#penalties = penalties
    this.#metadata = new MetadataServer(metainfo.infoBytes)
    this.#hashes = new HashServer(metainfo, core.env.crypto)
    this.blockHashes = new BlockHashServer(core, memory, this.#hashes)
  }

  peerMetadata(session: PeerSession, message: MetadataMessage): undefined {
    if (message.kind === 'request') this.#metadata.answer(this.#now(), session, message.part)
  }

  peerAsksHashes(session: PeerSession, payload: Uint8Array): undefined {
    const request = decodeHashRequest(payload)
    const file = this.#hashes.fileOf(request.root)
    const isOfBlocks = request.baseLayer === 0 && file !== undefined
    if (isOfBlocks && !this.#hashes.knows(request))
      this.blockHashes.asked(this.#now(), session, request, file)
    else this.#hashes.answer(this.#now(), session, request)
  }

  peerSendsHashes(session: PeerSession, payload: Uint8Array): Fault | undefined {
    const hashes = decodeHashes(payload)
    if (!hashes.ok) return hashes.error
    if (this.#fetch.received(session, hashes.value) !== undefined) this.#penalties.lied(session)
    return undefined
  }

  peerRefusesHashes(session: PeerSession, payload: Uint8Array): undefined {
    this.#fetch.refused(this.#now(), session, decodeHashRequest(payload))
  }
}
