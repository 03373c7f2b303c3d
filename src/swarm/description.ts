/**
 * What peers ask and tell about the torrent itself, not about its bytes: its info dictionary (BEP 9) and the
 * hashes of its files (BEP 52). A torrent serves both; one that is to learn them asks (`magnet-torrent.ts`).
 */
import type { Crypto } from '../base/env.ts'
import type { Fault } from '../base/result.ts'
import type { Instant } from '../base/time.ts'
import { decodeHashRequest } from '../wire/hash-messages.ts'
import type { MetadataMessage } from '../wire/metadata-messages.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { HashServer } from './hash-server.ts'
import { MetadataServer } from './metadata-server.ts'
import type { PeerSession } from './peer-session.ts'

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
  readonly #now: () => Instant
  readonly #metadata: MetadataServer
  readonly #hashes: HashServer

  constructor(metainfo: Metainfo, crypto: Crypto, now: () => Instant) {
    this.#now = now
    this.#metadata = new MetadataServer(metainfo.infoBytes)
    this.#hashes = new HashServer(metainfo, crypto)
  }

  peerMetadata(session: PeerSession, message: MetadataMessage): undefined {
    if (message.kind === 'request') this.#metadata.answer(this.#now(), session, message.part)
  }

  peerAsksHashes(session: PeerSession, payload: Uint8Array): undefined {
    this.#hashes.answer(this.#now(), session, decodeHashRequest(payload))
  }

  peerSendsHashes(): undefined {
    // Nobody asked.
  }

  peerRefusesHashes(): undefined {
    // Nobody asked.
  }
}
