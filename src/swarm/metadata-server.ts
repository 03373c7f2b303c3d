/**
 * Serves our info dictionary to peers that know only its hash (BEP 9).
 * A request costs its sender fifty bytes and us a part of 16 KiB, so each peer has an allowance of
 * `metadataPartsServedMax` that fills up slowly; beyond it requests are refused, which peers take as "later".
 */
import { LIMITS } from '../base/limits.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'
import {
  encodeMetadataMessage,
  METADATA_PART_LENGTH,
  metadataPartCount,
  UT_METADATA,
} from '../wire/metadata-messages.ts'
import type { PeerSession } from './peer-session.ts'

/** So a whole allowance comes back within two seconds. */
const PARTS_PER_SECOND = LIMITS.metadataPartsServedMax.value / 2

/** What one peer may still ask for. */
class Allowance {
  #parts: number = LIMITS.metadataPartsServedMax.value
  #at: Instant

  constructor(now: Instant) {
    this.#at = now
  }

  take(now: Instant): boolean {
    const gained = ((now - this.#at) / MICROSECONDS_PER_SECOND) * PARTS_PER_SECOND
    this.#parts = Math.min(LIMITS.metadataPartsServedMax.value, this.#parts + gained)
    this.#at = now
    if (this.#parts < 1) return false
    this.#parts--
    return true
  }
}

export class MetadataServer {
  readonly #infoBytes: Uint8Array
  /** Of connected peers that asked; they go with their sessions. */
  readonly #allowances = new WeakMap<PeerSession, Allowance>()

  /** @param infoBytes empty when there is nothing to serve yet */
  constructor(infoBytes: Uint8Array) {
    this.#infoBytes = infoBytes
  }

  /** Answers a request for a part: with the part, or a refusal. */
  answer(now: Instant, session: PeerSession, part: number): void {
    const id = session.extensions?.messages.get(UT_METADATA) ?? 0
    if (id === 0) return
    let allowance = this.#allowances.get(session)
    if (allowance === undefined) this.#allowances.set(session, (allowance = new Allowance(now)))
    const totalSize = this.#infoBytes.length
    if (part >= metadataPartCount(totalSize) || !allowance.take(now))
      return session.writer.extended(id, encodeMetadataMessage({ kind: 'reject', part }))
    const begin = part * METADATA_PART_LENGTH
    const bytes = this.#infoBytes.subarray(begin, begin + METADATA_PART_LENGTH)
    session.writer.extended(id, encodeMetadataMessage({ kind: 'data', part, totalSize, bytes }))
  }
}
