/**
 * Asks peers for the hashes of the blocks of a piece (BEP 52, layer 0), for whoever wants to tell its blocks
 * apart: `probation.ts` before they come, `trials.ts` once the piece has failed. Whatever is answered is
 * hashed up to the hash of the piece, so anybody may be asked, an accused included.
 * Invariants: at most `blockHashFetchesMax` pieces are asked about; for each `ASKED_PEERS_MAX` peers are, one
 * after the other, for some seconds each. That nobody tells is said with a tick only.
 */
import { LIMITS } from '../base/limits.ts'
import type { Fault } from '../base/result.ts'
import { after, earliest, type Instant, seconds } from '../base/time.ts'
import { encodeHashRequest, type Hashes, type HashRequest, hashRequestKey } from '../wire/hash-messages.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, treeHeight, verifyHashes } from '../wire/merkle.ts'
import { MESSAGE } from '../wire/peer-messages.ts'
import type { MerklePlace } from './geometry.ts'
import type { PeerSession } from './peer-session.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'

/**
 * So long a peer has for its answer. Reading and hashing a piece takes milliseconds, but
 * blocks under way come first.
 */
const ANSWER_TIMEOUT_SECONDS = 3
/** The same while a peer on probation has to wait for it, with no more than one block under way. */
const URGENT_TIMEOUT_SECONDS = 2
/** Most peers of a swarm know the hashes or can make them, so the third that does not is taken for all. */
const ASKED_PEERS_MAX = 3

/** By whether it told the last time it was asked. */
const WORTH = { true: 3, undefined: 2, false: 1 }

export interface BlockHashFetchHost {
  /** The piece has its `blockHashes` now. A message is being read, so no session may be closed. */
  told(gathering: GatheringPiece): void
  /** Nobody tells. */
  untold(now: Instant, gathering: GatheringPiece): void
}

interface Inquiry {
  /** What is gathered of the piece now. */
  gathering: GatheringPiece
  readonly place: MerklePlace
  /** What the blocks lead to. */
  readonly pieceHash: Uint8Array
  /** Of the blocks that there are, filled as answers come. */
  readonly hashes: Uint8Array
  /** Not answered yet, by key. Bounded by the length of a piece. */
  readonly open: Map<string, HashRequest>
  /** Addresses. Bounded by `ASKED_PEERS_MAX`. */
  readonly asked: Set<string>
  /** A peer waits for it: after one that is silent only those are asked who told before. */
  readonly isUrgent: boolean
  wasSilent: boolean
  /** Who is asked now. */
  peer: PeerSession | undefined
  /** When it is given up on. */
  deadline: Instant
}

export class BlockHashFetch {
  readonly #core: TorrentCore
  readonly #host: BlockHashFetchHost
  /** By piece. Bounded by `blockHashFetchesMax`. */
  readonly #inquiries = new Map<number, Inquiry>()
  /** Nobody can tell. Emptied with the next tick. */
  #hopeless: GatheringPiece[] = []
  /** Sessions that did not answer in time: they are not worth waiting for again. */
  readonly #mute = new WeakSet<PeerSession>()
  /** Sessions that answered, or refused, the last time: who can tell is asked first. */
  readonly #tellers = new WeakMap<PeerSession, boolean>()

  constructor(core: TorrentCore, host: BlockHashFetchHost) {
    this.#core = core
    this.#host = host
  }

  /** Pieces that are asked about, or were in vain. */
  get size(): number {
    return this.#inquiries.size + this.#hopeless.length
  }

  /**
   * False when nobody can be asked; else `told` or `untold` comes later.
   * @param waiting has to wait for the answer, and is asked before all others unless it refused
   */
  begin(now: Instant, gathering: GatheringPiece, waiting?: PeerSession): boolean {
    const { geometry } = this.#core
    const { piece } = gathering
    const begun = this.#inquiries.get(piece)
    if (begun !== undefined) {
      begun.gathering = gathering
      return true
    }
    const place = geometry.merklePlace(piece)
    const pieceHash = geometry.merkleHash(piece)
    if (place === undefined || pieceHash === undefined || place.leafCount < 2) return false
    if (geometry.blockLength !== MERKLE_BLOCK_LENGTH || this.size >= LIMITS.blockHashFetchesMax.value)
      return false
    const hashes = new Uint8Array(Math.ceil(place.length / MERKLE_BLOCK_LENGTH) * MERKLE_HASH_LENGTH)
    const [open, asked] = [requestsFor(place), new Set<string>()]
    const flags = { isUrgent: waiting !== undefined, wasSilent: false }
    const found = { gathering, place, pieceHash, hashes, open, asked, ...flags }
    const inquiry: Inquiry = { ...found, peer: undefined, deadline: now }
    if (!this.#ask(now, inquiry, waiting)) return false
    this.#hopeless = this.#hopeless.filter((other) => other !== gathering)
    this.#inquiries.set(piece, inquiry)
    return true
  }

  /** Somebody is there who may know the piece's, and has neither refused the last time nor been silent. */
  hasHope(piece: number): boolean {
    for (const session of this.#core.sessions.values()) {
      if (!session.supportsV2 || !session.have.has(piece) || session.ending !== undefined) continue
      if (!this.#mute.has(session) && this.#tellers.get(session) !== false) return true
    }
    return false
  }

  /** What nobody asked for is ignored; hashes that do not lead to the piece are a fault. */
  received(session: PeerSession, { request, hashes }: Hashes): Fault | undefined {
    const { address } = session
    const key = hashRequestKey(request)
    for (const inquiry of this.#inquiries.values()) {
      if (!inquiry.open.has(key) || !inquiry.asked.has(address)) continue
      const fault = this.#take(inquiry, request, hashes)
      if (fault !== undefined) return fault
      this.#mute.delete(session)
      this.#tellers.set(session, true)
      inquiry.open.delete(key)
      if (inquiry.open.size === 0) this.#answered(inquiry)
      return undefined
    }
    return undefined
  }

  refused(now: Instant, session: PeerSession, request: HashRequest): void {
    const key = hashRequestKey(request)
    for (const inquiry of this.#inquiries.values()) {
      if (inquiry.peer !== session || !inquiry.open.has(key)) continue
      this.#tellers.set(session, false)
      return this.#next(now, inquiry)
    }
  }

  left(now: Instant, session: PeerSession): void {
    for (const inquiry of this.#inquiries.values()) if (inquiry.peer === session) this.#next(now, inquiry)
  }

  nextTimeout(now: Instant): Instant | undefined {
    let next = this.#hopeless.length > 0 ? now : undefined
    for (const { deadline } of this.#inquiries.values()) next = earliest(next, deadline)
    return next
  }

  tick(now: Instant): void {
    for (const inquiry of this.#inquiries.values()) {
      if (inquiry.deadline > now) continue
      if (inquiry.peer !== undefined) this.#mute.add(inquiry.peer)
      inquiry.wasSilent = true
      this.#next(now, inquiry)
    }
    const hopeless = this.#hopeless
    this.#hopeless = []
    for (const gathering of hopeless) this.#host.untold(now, gathering)
  }

  #next(now: Instant, inquiry: Inquiry): void {
    if (this.#ask(now, inquiry)) return
    this.#inquiries.delete(inquiry.gathering.piece)
    this.#hopeless.push(inquiry.gathering)
  }

  #ask(now: Instant, inquiry: Inquiry, first?: PeerSession): boolean {
    const session = inquiry.asked.size < ASKED_PEERS_MAX ? this.#candidate(inquiry, first) : undefined
    inquiry.peer = session
    if (session === undefined) return false
    inquiry.asked.add(session.address)
    inquiry.deadline = after(now, seconds(inquiry.isUrgent ? URGENT_TIMEOUT_SECONDS : ANSWER_TIMEOUT_SECONDS))
    for (const request of inquiry.open.values())
      session.writer.bytes(MESSAGE.hashRequest, encodeHashRequest(request))
    return true
  }

  /**
   * Somebody who has the piece on a connection that speaks v2: by preference without a part in it, and among
   * those who told before.
   */
  #candidate(inquiry: Inquiry, first: PeerSession | undefined): PeerSession | undefined {
    const { gathering, asked, isUrgent, wasSilent } = inquiry
    let best: PeerSession | undefined
    let most = -1
    for (const session of this.#core.sessions.values()) {
      if (!session.supportsV2 || this.#mute.has(session) || session.ending !== undefined) continue
      if (!session.have.has(gathering.piece) || asked.has(session.address)) continue
      const tells = this.#tellers.get(session)
      if (session === first && tells !== false) return session
      if (isUrgent && wasSilent && tells !== true) continue
      const worth = gathering.contributors.has(session.address) ? 0 : WORTH[`${tells}`]
      if (worth <= most) continue
      most = worth
      best = session
    }
    return best
  }

  #take(inquiry: Inquiry, request: HashRequest, hashes: Uint8Array): Fault | undefined {
    const index = request.index - inquiry.place.firstBlock
    const { leafCount } = inquiry.place
    const range = { ...request, index }
    const verified = verifyHashes(inquiry.pieceHash, leafCount, range, hashes, this.#core.env.crypto)
    if (!verified.ok) return verified.error
    const at = index * MERKLE_HASH_LENGTH
    inquiry.hashes.set(verified.value.subarray(0, inquiry.hashes.length - at), at)
    return undefined
  }

  #answered({ gathering, hashes }: Inquiry): void {
    this.#inquiries.delete(gathering.piece)
    gathering.blockHashes = hashes
    this.#host.told(gathering)
  }
}

/** All that it takes: one request, or several for a piece longer than 8 MiB. */
function requestsFor({ root, firstBlock, length, leafCount }: MerklePlace): Map<string, HashRequest> {
  const requests = new Map<string, HashRequest>()
  const count = Math.min(leafCount, LIMITS.hashesPerRequestMax.value)
  const proofLayers = treeHeight(leafCount) - 1
  for (let index = 0; index * MERKLE_BLOCK_LENGTH < length; index += count) {
    const request = { root, baseLayer: 0, index: firstBlock + index, count, proofLayers }
    requests.set(hashRequestKey(request), request)
  }
  return requests
}
