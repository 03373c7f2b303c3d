/**
 * Puts an info dictionary together from parts that several peers send (BEP 9): which part to ask of whom, and
 * whom to blame when the whole does not have the hash we know.
 *
 * Nobody can check a single part. So the first attempt takes parts from everybody who claims the same size,
 * the size most peers claim; when its hash is wrong, or no part comes for a while and somebody claims another
 * size, all of it is thrown away, and from then on each attempt takes everything from one peer, so that who
 * sends wrong bytes or nothing is known. Such a peer is asked once more if nobody better is there, for its
 * memory may have failed it once; after the second time it is banned.
 *
 * Invariants: a peer owes at most `metadataPartsAskedMax` parts; no part is asked of two peers at a time; one
 * attempt is held at most, never more than `metadataBytesMax`; only bytes with the right
 * hashes are handed on.
 */
import { concatBytes, equalBytes } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail } from '../base/result.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import { METADATA_PART_LENGTH, type MetadataMessage, metadataPartCount } from '../wire/metadata-messages.ts'

/** What is known of the torrent: at least one of the two. */
export interface KnownHashes {
  /** 20 bytes. */
  readonly infoHashV1: Uint8Array | null
  /** 32 bytes. */
  readonly infoHashV2: Uint8Array | null
}

/** Told what to do; calls are synchronous. */
export interface MetadataFetchHost {
  requestPart(peer: number, part: number): void
  /** What these peers sent together has a wrong hash. */
  failed(senders: readonly string[]): void
  /** It alone sent a dictionary with a wrong hash, for the second time. */
  banned(address: string): void
  /** The hash of these bytes is right. Comes once. */
  fetched(infoBytes: Uint8Array): void
}

/** A part that was asked for and has not come by then is asked of others. */
const PART_TIMEOUT_SECONDS = 15
/**
 * An attempt that takes from everybody is over when no part has come for so long and others claim otherwise.
 */
const STALL_SECONDS = 2 * PART_TIMEOUT_SECONDS
/** A peer that refused, or was too slow, is left alone so long. */
const REST_SECONDS = 20
/** Wrong dictionaries of its own before a peer is banned. */
const FAILURES_MAX = 2

const LONG_AGO = 0 as Instant

interface MetadataPeer {
  readonly id: number
  readonly address: string
  /** Bytes of the dictionary, as it says. */
  size: number
  /** Part -> when it was asked for. */
  readonly asked: Map<number, Instant>
  restsUntil: Instant
  /** How often it refused or was too slow. */
  restCount: number
}

interface Attempt {
  readonly size: number
  /** The one peer that is asked; undefined for everybody who claims this size. */
  readonly only: number | undefined
  readonly parts: (Uint8Array | undefined)[]
  missingCount: number
  /** When a part came last, or it began. */
  movedAt: Instant
  /** Addresses that sent a part. Bounded by the parts. */
  readonly senders: Set<string>
}

export class MetadataFetch {
  readonly #hashes: KnownHashes
  readonly #crypto: Crypto
  readonly #host: MetadataFetchHost
  /** By connection id. Bounded by the torrent's `connectionsMax`. */
  readonly #peers = new Map<number, MetadataPeer>()
  /**
   * Wrong dictionaries by address: its own count fully, shared ones order only. Bounded by `knownPeersMax`.
   */
  readonly #failures = new Map<string, { own: number; shared: number }>()
  #attempt: Attempt | undefined
  #isFromOne = false
  #isDone = false

  constructor(hashes: KnownHashes, crypto: Crypto, host: MetadataFetchHost) {
    this.#hashes = hashes
    this.#crypto = crypto
    this.#host = host
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /** Peers that say they have the metadata. */
  get peerCount(): number {
    return this.#peers.size
  }

  /**
   * The peer says that it has a dictionary of this size; undefined for none. Sizes beyond
   * reason count as none.
   */
  offers(now: Instant, id: number, address: string, size: number | undefined): void {
    if (this.#isDone) return
    if (size === undefined || size < 1 || size > LIMITS.metadataBytesMax.value) return this.left(now, id)
    const known = this.#peers.get(id)
    if (known !== undefined && known.size === size) return
    if (known !== undefined) this.left(now, id)
    this.#peers.set(id, { id, address, size, asked: new Map(), restsUntil: LONG_AGO, restCount: 0 })
    this.tick(now)
  }

  left(now: Instant, id: number): void {
    if (this.#peers.delete(id)) this.tick(now)
  }

  /** What nobody asked for is ignored. A fault is a broken promise, which ends the session. */
  received(now: Instant, id: number, message: MetadataMessage): Fault | undefined {
    const peer = this.#peers.get(id)
    const attempt = this.#attempt
    if (peer === undefined || attempt === undefined || message.kind === 'request') return undefined
    if (!peer.asked.delete(message.part)) return undefined
    if (message.kind === 'reject') this.#rest(now, peer)
    else {
      const { part, bytes, totalSize = attempt.size } = message
      const length = Math.min(METADATA_PART_LENGTH, attempt.size - part * METADATA_PART_LENGTH)
      if (totalSize !== attempt.size || bytes.length !== length) {
        this.#failed(peer.address, true)
        return fail('wire/bad-metadata-message', 'a part of the metadata is not as long as was said').error
      }
      attempt.parts[part] = bytes.slice()
      attempt.missingCount--
      attempt.movedAt = now
      attempt.senders.add(peer.address)
      if (attempt.missingCount === 0) this.#judge(attempt)
    }
    this.tick(now)
    return undefined
  }

  /** Looks after late parts, and asks for what can be asked for. */
  tick(now: Instant): void {
    if (this.#isDone) return
    for (const peer of this.#peers.values())
      for (const at of peer.asked.values())
        if (now >= after(at, seconds(PART_TIMEOUT_SECONDS))) {
          this.#rest(now, peer)
          break
        }
    if (this.#attempt !== undefined && this.#isStalled(now, this.#attempt)) {
      this.#isFromOne = true
      this.#begin(now)
    }
    if (this.#attempt === undefined || !this.#hasSource(now, this.#attempt)) this.#begin(now)
    if (this.#attempt !== undefined) this.#ask(now, this.#attempt)
  }

  #rest(now: Instant, peer: MetadataPeer): void {
    peer.asked.clear()
    peer.restCount++
    peer.restsUntil = after(now, seconds(REST_SECONDS))
  }

  #mayBeAsked(now: Instant, attempt: Attempt, peer: MetadataPeer): boolean {
    const isIn = attempt.only === undefined ? peer.size === attempt.size : peer.id === attempt.only
    return isIn && now >= peer.restsUntil
  }

  #hasSource(now: Instant, attempt: Attempt): boolean {
    for (const peer of this.#peers.values()) if (this.#mayBeAsked(now, attempt, peer)) return true
    return false
  }

  /**
   * Peers that claim one size and keep silent in turns would be asked for ever. Where nobody
   * claims another size there is nothing better to try, and what is held is kept.
   */
  #isStalled(now: Instant, { only, size, movedAt }: Attempt): boolean {
    if (only !== undefined || now < after(movedAt, seconds(STALL_SECONDS))) return false
    for (const peer of this.#peers.values()) if (peer.size !== size && now >= peer.restsUntil) return true
    return false
  }

  /** Another attempt, when there is somebody for it; what is held stays until then. */
  #begin(now: Instant): void {
    const ready = [...this.#peers.values()].filter((peer) => now >= peer.restsUntil)
    if (ready.length === 0) return
    const chosen = this.#isFromOne ? this.#leastSuspect(ready) : undefined
    const size = chosen?.size ?? mostClaimedSize(ready)
    for (const peer of this.#peers.values()) peer.asked.clear()
    const partCount = metadataPartCount(size)
    this.#attempt = {
      size,
      only: chosen?.id,
      parts: new Array<Uint8Array | undefined>(partCount).fill(undefined),
      missingCount: partCount,
      movedAt: now,
      senders: new Set(),
    }
  }

  #leastSuspect(peers: readonly MetadataPeer[]): MetadataPeer {
    let best = peers[0]!
    for (const peer of peers) if (this.#suspicion(peer) < this.#suspicion(best)) best = peer
    return best
  }

  /** Wrong wholes of its own weigh most, then the time it cost us, then what it had a part in. */
  #suspicion({ address, restCount }: MetadataPeer): number {
    const { own, shared } = this.#failures.get(address) ?? { own: 0, shared: 0 }
    return own * 1_000_000 + Math.min(restCount, 999) * 1000 + Math.min(shared, 999)
  }

  /** One part each in turn, so that the work is spread. */
  #ask(now: Instant, attempt: Attempt): void {
    const asked = new Set<number>()
    for (const peer of this.#peers.values()) for (const part of peer.asked.keys()) asked.add(part)
    const peers = [...this.#peers.values()].filter((peer) => this.#mayBeAsked(now, attempt, peer))
    let next = 0
    for (let hasRoom = true; hasRoom; ) {
      hasRoom = false
      for (const peer of peers) {
        if (peer.asked.size >= LIMITS.metadataPartsAskedMax.value) continue
        while (next < attempt.parts.length && (attempt.parts[next] !== undefined || asked.has(next))) next++
        if (next === attempt.parts.length) return
        peer.asked.set(next, now)
        this.#host.requestPart(peer.id, next++)
        hasRoom = true
      }
    }
  }

  #judge(attempt: Attempt): void {
    const bytes = concatBytes(attempt.parts as Uint8Array[])
    this.#attempt = undefined
    if (this.#isRight(bytes)) {
      this.#isDone = true
      this.#peers.clear()
      return this.#host.fetched(bytes)
    }
    this.#isFromOne = true
    this.#host.failed([...attempt.senders])
    for (const address of attempt.senders) this.#failed(address, attempt.senders.size === 1)
  }

  #isRight(bytes: Uint8Array): boolean {
    const { infoHashV1, infoHashV2 } = this.#hashes
    return (
      (infoHashV1 === null || equalBytes(this.#crypto.sha1(bytes), infoHashV1)) &&
      (infoHashV2 === null || equalBytes(this.#crypto.sha256(bytes), infoHashV2))
    )
  }

  #failed(address: string, isSole: boolean): void {
    const before = this.#failures.get(address) ?? { own: 0, shared: 0 }
    const failures = { own: before.own + Number(isSole), shared: before.shared + Number(!isSole) }
    if (this.#failures.size < LIMITS.knownPeersMax.value || this.#failures.has(address))
      this.#failures.set(address, failures)
    if (failures.own < FAILURES_MAX) return
    for (const peer of [...this.#peers.values()]) if (peer.address === address) this.#peers.delete(peer.id)
    this.#host.banned(address)
  }
}

/** Of equally many claims the smallest: it costs least to find out. */
function mostClaimedSize(peers: readonly MetadataPeer[]): number {
  const claims = new Map<number, number>()
  for (const { size } of peers) claims.set(size, (claims.get(size) ?? 0) + 1)
  let best = 0
  for (const [size, count] of claims) {
    const bestCount = claims.get(best) ?? 0
    if (count > bestCount || (count === bestCount && size < best)) best = size
  }
  return best
}
