/**
 * Serves our info dictionary to peers that know only its hash (BEP 9).
 * A request costs its sender fifty bytes and us a part of 16 KiB, so each peer has an allowance of
 * `metadataPartsServedMax` that fills up slowly; beyond it requests are refused, which peers take as "later".
 */
import { LIMITS } from '../base/limits.ts'
import type { Instant } from '../base/time.ts'
import {
  encodeMetadataMessage,
  METADATA_PART_LENGTH,
  metadataPartCount,
  UT_METADATA,
} from '../wire/metadata-messages.ts'
import { Allowances } from './allowance.ts'
import type { PeerSession } from './peer-session.ts'

export class MetadataServer {
  readonly #infoBytes: Uint8Array
  /** A whole allowance comes back within two seconds. */
  readonly #allowances = new Allowances<PeerSession>(
    LIMITS.metadataPartsServedMax.value,
    LIMITS.metadataPartsServedMax.value / 2,
  )

  /** @param infoBytes empty when there is nothing to serve yet */
  constructor(infoBytes: Uint8Array) {
    this.#infoBytes = infoBytes
  }

  /** Answers a request for a part: with the part, or a refusal. */
  answer(now: Instant, session: PeerSession, part: number): void {
    const id = session.extensions?.messages.get(UT_METADATA) ?? 0
    if (id === 0) return
    const totalSize = this.#infoBytes.length
    if (part >= metadataPartCount(totalSize) || !this.#allowances.take(now, session))
      return session.writer.extended(id, encodeMetadataMessage({ kind: 'reject', part }))
    const begin = part * METADATA_PART_LENGTH
    const bytes = this.#infoBytes.subarray(begin, begin + METADATA_PART_LENGTH)
    session.writer.extended(id, encodeMetadataMessage({ kind: 'data', part, totalSize, bytes }))
  }
}
