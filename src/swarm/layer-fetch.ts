/**
 * Gets the piece layers of a v2 torrent from peers (BEP 52), which a magnet link never has and a `.torrent`
 * may lack. Every answer proves itself: it is hashed up to the file's root, which the info dictionary names
 * (S12), so it can be taken from anybody, and who sends a wrong one is known at once.
 * Invariants: a peer owes at most `hashRequestsAskedMax` answers with `hashesAskedMax` hashes; no range is
 * asked of two peers at a time; what is held is no more than the layers themselves.
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
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'

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
}

/** Owed by one peer. */
interface Asked extends Wanted {
  readonly peer: number
  readonly at: Instant
}

interface LayerPeer {
  readonly id: number
  owedCount: number
  /** Hashes it owes, all requests together. */
  owedHashes: number
  restsUntil: Instant
}

/** A file of a v2 or hybrid torrent lacks the hashes of its pieces. */
export function missesPieceLayers({ files, pieceLength }: Metainfo): boolean {
  return files.some(
    (file) => file.piecesRoot !== null && file.length > pieceLength && file.pieceLayer === null,
  )
}

/** The same, and what comes in could not be checked: a hybrid has its v1 hashes. */
export function lacksPieceLayers(metainfo: Metainfo): boolean {
  return metainfo.format === 'v2' && missesPieceLayers(metainfo)
}

export class LayerFetch {
  readonly #metainfo: Metainfo
  readonly #crypto: Crypto
  readonly #host: LayerFetchHost
  /** Not asked of anybody, next one last. Bounded by the pieces of the torrent. */
  readonly #open: Wanted[] = []
  /** By request. Bounded by the peers, and `hashRequestsAskedMax` of each. */
  readonly #asked = new Map<string, Asked>()
  /** Filled as answers come, by root. Bounded by the pieces of the torrent. */
  readonly #layers = new Map<string, Uint8Array>()
  /** By connection id. Bounded by the torrent's `connectionsMax`. */
  readonly #peers = new Map<number, LayerPeer>()

  /** @param metainfo for which `missesPieceLayers` is true */
  constructor(metainfo: Metainfo, crypto: Crypto, host: LayerFetchHost) {
    this.#metainfo = metainfo
    this.#crypto = crypto
    this.#host = host
    const { files, pieceLength } = metainfo
    // Equal files have equal roots, and need it once.
    const roots = new Map<string, FileEntry>()
    for (const file of files)
      if (file.length > pieceLength && file.pieceLayer === null && file.piecesRoot !== null)
        roots.set(toHex(file.piecesRoot), file)
    for (const { piecesRoot, length } of roots.values()) this.#want(piecesRoot!, length)
    this.#open.reverse()
  }

  /** Somebody owes an answer. */
  get isWaiting(): boolean {
    return this.#asked.size > 0
  }

  get peerCount(): number {
    return this.#peers.size
  }

  joined(now: Instant, id: number): void {
    if (!this.#peers.has(id)) this.#peers.set(id, { id, owedCount: 0, owedHashes: 0, restsUntil: now })
    this.#ask(now)
  }

  left(now: Instant, id: number): void {
    if (!this.#peers.delete(id)) return
    for (const asked of this.#asked.values()) if (asked.peer === id) this.#giveUp(asked)
    this.#ask(now)
  }

  /** What nobody asked for is ignored; a wrong answer is a fault. */
  received(now: Instant, peer: number, { request, hashes }: Hashes): Fault | undefined {
    const asked = this.#asked.get(hashRequestKey(request))
    if (asked?.peer !== peer) return undefined
    const { root, index } = asked.request
    const verified = verifyHashes(root, asked.blockCount, asked.request, hashes, this.#crypto)
    this.#settle(asked)
    if (!verified.ok) {
      this.#open.push(asked)
      return verified.error
    }
    this.#layerOf(root, asked.blockCount).set(verified.value, index * MERKLE_HASH_LENGTH)
    if (this.#open.length === 0 && this.#asked.size === 0) this.#host.complete(this.#filled())
    else this.#ask(now)
    return undefined
  }

  refused(now: Instant, peer: number, request: HashRequest): void {
    const asked = this.#asked.get(hashRequestKey(request))
    if (asked?.peer !== peer) return
    this.#giveUp(asked)
    this.#rest(now, peer)
    this.#ask(now)
  }

  /** Looks after late answers, and asks for what can be asked for. */
  tick(now: Instant): void {
    for (const asked of this.#asked.values()) {
      if (now < after(asked.at, seconds(ANSWER_TIMEOUT_SECONDS))) continue
      this.#giveUp(asked)
      this.#rest(now, asked.peer)
    }
    this.#ask(now)
  }

  /** Peers take turns. */
  #ask(now: Instant): void {
    for (let hasRoom = true; hasRoom; ) {
      hasRoom = false
      for (const peer of this.#peers.values()) {
        const wanted = this.#open.at(-1)
        if (wanted === undefined) return
        if (now < peer.restsUntil || !hasRoomFor(peer, wanted.request)) continue
        hasRoom = true
        this.#open.pop()
        peer.owedCount++
        peer.owedHashes += wanted.request.count
        this.#asked.set(hashRequestKey(wanted.request), { ...wanted, peer: peer.id, at: now })
        this.#host.requestHashes(peer.id, wanted.request)
      }
    }
  }

  #want(root: Uint8Array, length: number): void {
    const { pieceLength } = this.#metainfo
    const baseLayer = pieceLayerOf(pieceLength)
    const blockCount = Math.ceil(length / MERKLE_BLOCK_LENGTH)
    const width = 2 ** (treeHeight(blockCount) - baseLayer)
    const count = Math.min(width, LIMITS.hashesPerRequestMax.value)
    const proofLayers = treeHeight(blockCount) - baseLayer - 1
    for (let index = 0; index < Math.ceil(length / pieceLength); index += count) {
      this.#open.push({ request: { root, baseLayer, index, count, proofLayers }, blockCount })
    }
  }

  #giveUp(asked: Asked): void {
    this.#settle(asked)
    this.#open.push(asked)
  }

  #settle(asked: Asked): void {
    this.#asked.delete(hashRequestKey(asked.request))
    const peer = this.#peers.get(asked.peer)
    if (peer === undefined) return
    peer.owedCount--
    peer.owedHashes -= asked.request.count
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

/** Many small answers, or a few large ones. */
function hasRoomFor({ owedCount, owedHashes }: LayerPeer, { count }: HashRequest): boolean {
  const hashesMax = LIMITS.hashesAskedMax.value
  return owedCount < LIMITS.hashRequestsAskedMax.value && owedHashes + count <= hashesMax
}
