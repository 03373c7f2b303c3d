/**
 * Pieces of v2 and hybrid torrents whose hash does not fit, and the search for the blocks that are to blame
 * (S14). Peers that have such a piece are asked for the hashes of its blocks (BEP 52, layer 0); whatever they
 * answer is hashed up to the hash of the piece, so even an accused may be asked. Then the blocks themselves
 * are hashed: what differs is wrong, and whoever sent it is convicted by that one block.
 * A piece keeps its bytes while it waits, so that nothing right is fetched twice. When nobody tells in time,
 * it is handled like one of v1 (`blame.ts`).
 * Invariants: at most `trialsMax` pieces of `trialBytesMax` bytes wait, or one that is longer; each asks
 * `ASKED_PEERS_MAX` peers, one after the other, for `ANSWER_TIMEOUT_SECONDS` each. Verdicts come from
 * completions and the clock only, never while a message is being read, because they close sessions.
 */

import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Fault, Result } from '../base/result.ts'
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
/** Most peers of a swarm know the hashes or can make them, so the third that does not is taken for all. */
const ASKED_PEERS_MAX = 3

export interface TrialHost {
  /**
   * The end of a trial.
   * @param wrong blocks that are not what they should be; undefined when nobody could tell
   */
  judged(now: Instant, failed: GatheringPiece, wrong: ReadonlySet<number> | undefined): void
}

interface Trial {
  readonly failed: GatheringPiece
  readonly place: MerklePlace
  /** What the blocks lead to. */
  readonly pieceHash: Uint8Array
  /** Of the blocks that there are, filled as answers come. */
  readonly hashes: Uint8Array
  /** Not answered yet, by key. Bounded by the length of a piece. */
  readonly open: Map<string, HashRequest>
  /** Addresses. Bounded by `ASKED_PEERS_MAX`. */
  readonly asked: Set<string>
  /** Who is asked now. */
  peer: PeerSession | undefined
  /** When it is given up on. */
  deadline: Instant
}

export class Trials {
  readonly #core: TorrentCore
  readonly #host: TrialHost
  /** By piece, while peers are asked. Bounded by `trialsMax`. */
  readonly #asking = new Map<number, Trial>()
  /** By piece, while its blocks are hashed. Bounded by `trialsMax`. */
  readonly #hashing = new Map<number, GatheringPiece>()
  /** Nobody can tell. Emptied with the next tick. */
  #hopeless: GatheringPiece[] = []
  /** Sessions that did not answer in time: they are not worth waiting for again. */
  readonly #mute = new WeakSet<PeerSession>()
  #bytes = 0

  constructor(core: TorrentCore, host: TrialHost) {
    this.#core = core
    this.#host = host
  }

  /** Pieces that wait. */
  get size(): number {
    return this.#asking.size + this.#hashing.size + this.#hopeless.length
  }

  /** False when there is no way to tell its blocks apart; else `judged` comes later. */
  begin(now: Instant, failed: GatheringPiece): boolean {
    const { geometry, pieces } = this.#core
    const place = geometry.merklePlace(failed.piece)
    const pieceHash = geometry.merkleHash(failed.piece)
    if (place === undefined || pieceHash === undefined || place.leafCount < 2) return false
    if (geometry.blockLength !== MERKLE_BLOCK_LENGTH || !this.#hasRoom(geometry.pieceSize(failed.piece)))
      return false
    if (failed.blockHashes !== undefined) this.#compare(failed)
    else {
      const hashes = new Uint8Array(Math.ceil(place.length / MERKLE_BLOCK_LENGTH) * MERKLE_HASH_LENGTH)
      const [open, asked] = [requestsFor(place), new Set<string>()]
      const trial: Trial = { failed, place, pieceHash, hashes, open, asked, peer: undefined, deadline: now }
      if (!this.#ask(now, trial)) return false
      this.#asking.set(failed.piece, trial)
    }
    this.#bytes += geometry.pieceSize(failed.piece)
    pieces.suspend(failed)
    return true
  }

  /** What nobody asked for is ignored; hashes that do not lead to the piece are a fault. */
  received(session: PeerSession, { request, hashes }: Hashes): Fault | undefined {
    const { address } = session
    const key = hashRequestKey(request)
    for (const trial of this.#asking.values()) {
      if (!trial.open.has(key) || !trial.asked.has(address)) continue
      const fault = this.#take(trial, request, hashes)
      if (fault !== undefined) return fault
      this.#mute.delete(session)
      trial.open.delete(key)
      if (trial.open.size === 0) this.#answered(trial)
      return undefined
    }
    return undefined
  }

  refused(now: Instant, session: PeerSession, request: HashRequest): void {
    const key = hashRequestKey(request)
    for (const trial of this.#asking.values())
      if (trial.peer === session && trial.open.has(key)) return this.#next(now, trial)
  }

  left(now: Instant, session: PeerSession): void {
    for (const trial of this.#asking.values()) if (trial.peer === session) this.#next(now, trial)
  }

  /** The answer to `hash-blocks`. */
  blocksHashed(now: Instant, piece: number, result: Result<Uint8Array>): void {
    const failed = this.#hashing.get(piece)
    if (failed === undefined) return
    this.#hashing.delete(piece)
    this.#judge(now, failed, result.ok ? this.#wrong(failed, result.value) : undefined)
  }

  nextTimeout(now: Instant): Instant | undefined {
    let next = this.#hopeless.length > 0 ? now : undefined
    for (const { deadline } of this.#asking.values()) next = earliest(next, deadline)
    return next
  }

  tick(now: Instant): void {
    for (const trial of this.#asking.values()) {
      if (trial.deadline > now) continue
      if (trial.peer !== undefined) this.#mute.add(trial.peer)
      this.#next(now, trial)
    }
    const hopeless = this.#hopeless
    this.#hopeless = []
    for (const failed of hopeless) this.#judge(now, failed, undefined)
  }

  #hasRoom(length: number): boolean {
    if (this.size >= LIMITS.trialsMax.value) return false
    return this.size === 0 || this.#bytes + length <= LIMITS.trialBytesMax.value
  }

  #next(now: Instant, trial: Trial): void {
    if (this.#ask(now, trial)) return
    this.#asking.delete(trial.failed.piece)
    this.#hopeless.push(trial.failed)
  }

  #ask(now: Instant, trial: Trial): boolean {
    const session = trial.asked.size < ASKED_PEERS_MAX ? this.#candidate(trial) : undefined
    trial.peer = session
    if (session === undefined) return false
    trial.asked.add(session.address)
    trial.deadline = after(now, seconds(ANSWER_TIMEOUT_SECONDS))
    for (const request of trial.open.values())
      session.writer.bytes(MESSAGE.hashRequest, encodeHashRequest(request))
    return true
  }

  /**
   * Somebody who has the piece on a connection that speaks v2, by preference without a part in what failed.
   */
  #candidate({ failed, asked }: Trial): PeerSession | undefined {
    let accused: PeerSession | undefined
    for (const session of this.#core.sessions.values()) {
      if (!session.supportsV2 || this.#mute.has(session)) continue
      if (!session.have.has(failed.piece) || asked.has(session.address) || session.ending !== undefined)
        continue
      if (!failed.contributors.has(session.address)) return session
      accused ??= session
    }
    return accused
  }

  #take(trial: Trial, request: HashRequest, hashes: Uint8Array): Fault | undefined {
    const index = request.index - trial.place.firstBlock
    const { leafCount } = trial.place
    const range = { ...request, index }
    const verified = verifyHashes(trial.pieceHash, leafCount, range, hashes, this.#core.env.crypto)
    if (!verified.ok) return verified.error
    const at = index * MERKLE_HASH_LENGTH
    trial.hashes.set(verified.value.subarray(0, trial.hashes.length - at), at)
    return undefined
  }

  #answered({ failed, hashes }: Trial): void {
    this.#asking.delete(failed.piece)
    failed.blockHashes = hashes
    this.#compare(failed)
  }

  #compare(failed: GatheringPiece): void {
    const { geometry, id, pieces } = this.#core
    const { length } = geometry.merklePiece(failed.piece)
    this.#hashing.set(failed.piece, failed)
    const bytes = pieces.bufferOf(failed).subarray(0, length)
    this.#core.emit({ kind: 'hash-blocks', torrent: id, id: failed.piece, bytes })
  }

  #wrong(failed: GatheringPiece, found: Uint8Array): Set<number> {
    const wrong = new Set<number>()
    const right = failed.blockHashes!
    for (let at = 0; at < right.length; at += MERKLE_HASH_LENGTH) {
      const end = at + MERKLE_HASH_LENGTH
      if (!equalBytes(right.subarray(at, end), found.subarray(at, end))) wrong.add(at / MERKLE_HASH_LENGTH)
    }
    // In a hybrid the last block of a file goes on in padding, which no leaf covers and v1 wants to be zero.
    const { geometry, pieces } = this.#core
    const { length } = geometry.merklePiece(failed.piece)
    const blockEnd = Math.ceil(length / geometry.blockLength) * geometry.blockLength
    const padding = pieces.bufferOf(failed).subarray(length, blockEnd)
    if (padding.some((byte) => byte !== 0)) wrong.add(blockEnd / geometry.blockLength - 1)
    return wrong
  }

  #judge(now: Instant, failed: GatheringPiece, wrong: ReadonlySet<number> | undefined): void {
    this.#bytes -= this.#core.geometry.pieceSize(failed.piece)
    this.#host.judged(now, failed, wrong)
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
