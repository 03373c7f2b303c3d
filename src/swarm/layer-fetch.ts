/**
 * Gets the piece layers of a v2 torrent from peers (BEP 52), which a magnet link never has and a `.torrent`
 * may lack. Every answer proves itself: it is hashed up to the file's root, which the info dictionary names
 * (S12), so it can be taken from anybody, and who sends a wrong one is known at once.
 * Invariants: a peer owes at most `hashRequestsAskedMax` answers; no range is asked of two peers at a time;
 * what is held is no more than the layers themselves.
 */
import { toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import type { Fault } from '../base/result.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import { type Hashes, type HashRequest, hashRequestKey } from '../wire/hash-messages.ts'
import {
  MERKLE_BLOCK_LENGTH,
  MERKLE_HASH_LENGTH,
  pieceLayerOf,
  treeHeight,
  verifyHashes,
} from '../wire/merkle.ts'
import type { Metainfo } from '../wire/metainfo.ts'

export interface LayerFetchHost {
  requestHashes(peer: number, request: HashRequest): void
  /** Every layer is there. Comes once. */
  complete(metainfo: Metainfo): void
}

/** Hashes that were asked for and have not come by then are asked of others. */
const ANSWER_TIMEOUT_SECONDS = 15
/** A peer that refused, or was too slow, is left alone so long. */
const REST_SECONDS = 10

interface Wanted {
  readonly request: HashRequest
  readonly blockCount: number
  /** The peer that owes it, and since when. */
  asked: { readonly peer: number; readonly at: Instant } | undefined
}

/** True when what comes in could not be checked: a v2 file lacks the hashes of its pieces. */
export function lacksPieceLayers({ format, files, pieceLength }: Metainfo): boolean {
  return format === 'v2' && files.some((file) => file.length > pieceLength && file.pieceLayer === null)
}

export class LayerFetch {
  readonly #metainfo: Metainfo
  readonly #crypto: Crypto
  readonly #host: LayerFetchHost
  /** By request. Bounded by the pieces of the torrent. */
  readonly #wanted = new Map<string, Wanted>()
  /** Filled as answers come, by root. Bounded by the pieces of the torrent. */
  readonly #layers = new Map<string, Uint8Array>()
  /** When each peer may be asked again. Bounded by the torrent's `connectionsMax`. */
  readonly #peers = new Map<number, { owedCount: number; restsUntil: Instant }>()

  /** @param metainfo for which `lacksPieceLayers` is true */
  constructor(metainfo: Metainfo, crypto: Crypto, host: LayerFetchHost) {
    this.#metainfo = metainfo
    this.#crypto = crypto
    this.#host = host
    const { files, pieceLength } = metainfo
    for (const { length, piecesRoot, pieceLayer } of files)
      if (length > pieceLength && pieceLayer === null && piecesRoot !== null) this.#want(piecesRoot, length)
  }

  get isDone(): boolean {
    return this.#wanted.size === 0
  }

  get peerCount(): number {
    return this.#peers.size
  }

  joined(now: Instant, peer: number): void {
    if (!this.#peers.has(peer)) this.#peers.set(peer, { owedCount: 0, restsUntil: now })
    this.tick(now)
  }

  left(now: Instant, peer: number): void {
    if (!this.#peers.delete(peer)) return
    for (const wanted of this.#wanted.values()) if (wanted.asked?.peer === peer) wanted.asked = undefined
    this.tick(now)
  }

  /** What nobody asked for is ignored; a wrong answer is a fault. */
  received(now: Instant, peer: number, { request, hashes }: Hashes): Fault | undefined {
    const key = hashRequestKey(request)
    const wanted = this.#wanted.get(key)
    if (wanted?.asked?.peer !== peer) return undefined
    this.#settle(wanted)
    const { root, index } = wanted.request
    const verified = verifyHashes(root, wanted.blockCount, wanted.request, hashes, this.#crypto)
    if (!verified.ok) return verified.error
    this.#wanted.delete(key)
    this.#layerOf(root, wanted.blockCount).set(verified.value, index * MERKLE_HASH_LENGTH)
    if (this.isDone) this.#host.complete(this.#filled())
    else this.tick(now)
    return undefined
  }

  refused(now: Instant, peer: number, request: HashRequest): void {
    const wanted = this.#wanted.get(hashRequestKey(request))
    if (wanted?.asked?.peer !== peer) return
    this.#settle(wanted)
    this.#rest(now, peer)
    this.tick(now)
  }

  /** Looks after late answers, and asks for what can be asked for. */
  tick(now: Instant): void {
    for (const wanted of this.#wanted.values()) {
      if (wanted.asked === undefined) continue
      const { peer, at } = wanted.asked
      if (now < after(at, seconds(ANSWER_TIMEOUT_SECONDS))) continue
      this.#settle(wanted)
      this.#rest(now, peer)
    }
    const ready = [...this.#peers].filter(([, peer]) => now >= peer.restsUntil)
    let turn = 0
    for (const wanted of this.#wanted.values()) {
      if (wanted.asked !== undefined) continue
      const chosen = nextWithRoom(ready, turn++)
      if (chosen === undefined) return
      const [id, peer] = chosen
      peer.owedCount++
      wanted.asked = { peer: id, at: now }
      this.#host.requestHashes(id, wanted.request)
    }
  }

  /** Equal files have equal roots, and need it once. */
  #want(root: Uint8Array, length: number): void {
    const { pieceLength } = this.#metainfo
    const baseLayer = pieceLayerOf(pieceLength)
    const blockCount = Math.ceil(length / MERKLE_BLOCK_LENGTH)
    const width = 2 ** (treeHeight(blockCount) - baseLayer)
    const count = Math.min(width, LIMITS.hashesPerRequestMax.value)
    const proofLayers = treeHeight(blockCount) - baseLayer - 1
    for (let index = 0; index < Math.ceil(length / pieceLength); index += count) {
      const request = { root, baseLayer, index, count, proofLayers }
      this.#wanted.set(hashRequestKey(request), { request, blockCount, asked: undefined })
    }
  }

  #settle(wanted: Wanted): void {
    const peer = wanted.asked && this.#peers.get(wanted.asked.peer)
    if (peer !== undefined) peer.owedCount--
    wanted.asked = undefined
  }

  #rest(now: Instant, id: number): void {
    const peer = this.#peers.get(id)
    if (peer !== undefined) peer.restsUntil = after(now, seconds(REST_SECONDS))
  }

  #layerOf(root: Uint8Array, blockCount: number): Uint8Array {
    const key = toHex(root)
    let layer = this.#layers.get(key)
    if (layer === undefined) {
      const pieceCount = Math.ceil((blockCount * MERKLE_BLOCK_LENGTH) / this.#metainfo.pieceLength)
      this.#layers.set(key, (layer = new Uint8Array(pieceCount * MERKLE_HASH_LENGTH)))
    }
    return layer
  }

  #filled(): Metainfo {
    const files = this.#metainfo.files.map((file) => {
      const layer = file.piecesRoot === null ? undefined : this.#layers.get(toHex(file.piecesRoot))
      return layer !== undefined && file.pieceLayer === null ? { ...file, pieceLayer: layer } : file
    })
    return { ...this.#metainfo, files }
  }
}

/** Peers take turns. */
function nextWithRoom<Peer extends { readonly owedCount: number }>(
  peers: readonly [number, Peer][],
  turn: number,
): [number, Peer] | undefined {
  for (let i = 0; i < peers.length; i++) {
    const entry = peers[(turn + i) % peers.length]!
    if (entry[1].owedCount < LIMITS.hashRequestsAskedMax.value) return entry
  }
  return undefined
}
