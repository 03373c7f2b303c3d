/**
 * Serves piece hashes of v2 files with their proofs (BEP 52), from the piece layers of the torrent. Hashes of
 * single blocks are another's business (`block-hash-server.ts`); layers in between are refused, as nobody
 * needs them.
 * A proof needs the whole tree over a layer, so trees are kept, up to `hashTreesBytesMax`; what a peer makes
 * us hash anew is charged to its allowance.
 */
import { toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import type { Instant } from '../base/time.ts'
import { encodeHashes, encodeHashRequest, type HashRequest } from '../wire/hash-messages.ts'
import { HashTree, MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, pieceLayerOf } from '../wire/merkle.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import { MESSAGE } from '../wire/peer-messages.ts'
import { Allowances } from './allowance.ts'
import type { PeerSession } from './peer-session.ts'

/** The least that an answer costs, as a part of a full one: files are many, and most are small. */
const ANSWER_COST_MIN = 1 / 64

export class HashServer {
  readonly #metainfo: Metainfo
  readonly #crypto: Crypto
  readonly #allowances = new Allowances<PeerSession>(
    LIMITS.hashAnswersServedMax.value,
    LIMITS.hashAnswersServedMax.value / 2,
  )
  /** Files of a v2 torrent, by root. Made when somebody asks. */
  #files: Map<string, FileEntry> | undefined
  /** By root, the one used last at the end. Bounded by `hashTreesBytesMax`, but for the last one. */
  readonly #trees = new Map<string, HashTree>()
  #treesBytes = 0

  constructor(metainfo: Metainfo, crypto: Crypto) {
    this.#metainfo = metainfo
    this.#crypto = crypto
  }

  answer(now: Instant, session: PeerSession, request: HashRequest): void {
    this.tell(session, request, this.#hashes(now, session, request))
  }

  /** It stands in a piece layer, or above. */
  knows({ root, baseLayer }: HashRequest): boolean {
    const file = this.fileOf(root)
    return !!file?.pieceLayer && baseLayer >= pieceLayerOf(this.#metainfo.pieceLength)
  }

  /** @param hashes undefined for a refusal */
  tell(session: PeerSession, request: HashRequest, hashes: Uint8Array | undefined): void {
    if (hashes === undefined) session.writer.bytes(MESSAGE.hashReject, encodeHashRequest(request))
    else session.writer.bytes(MESSAGE.hashes, encodeHashes({ request, hashes }))
  }

  /** Of this torrent; undefined when there is none with the root. */
  fileOf(root: Uint8Array): FileEntry | undefined {
    return this.#byRoot.get(toHex(root))
  }

  /** Undefined for a file without piece layer. */
  treeOf({ piecesRoot, pieceLayer }: FileEntry): HashTree | undefined {
    return piecesRoot === null || pieceLayer === null ? undefined : this.#tree(toHex(piecesRoot), pieceLayer)
  }

  #hashes(now: Instant, session: PeerSession, request: HashRequest): Uint8Array | undefined {
    if (request.count > LIMITS.hashesPerRequestMax.value) return undefined
    const key = toHex(request.root)
    const pieceLayer = this.#byRoot.get(key)?.pieceLayer
    if (!pieceLayer || !this.knows(request)) return undefined
    const hashedCount = this.#trees.has(key) ? 0 : pieceLayer.length / MERKLE_HASH_LENGTH
    const cost = (hashedCount + request.count) / LIMITS.hashesPerRequestMax.value
    if (!this.#allowances.take(now, session, Math.max(cost, ANSWER_COST_MIN))) return undefined
    return this.#tree(key, pieceLayer).answer(request)
  }

  get #byRoot(): ReadonlyMap<string, FileEntry> {
    if (this.#files !== undefined) return this.#files
    this.#files = new Map()
    for (const file of this.#metainfo.files)
      if (file.piecesRoot !== null) this.#files.set(toHex(file.piecesRoot), file)
    return this.#files
  }

  #tree(key: string, pieceLayer: Uint8Array): HashTree {
    const known = this.#trees.get(key)
    this.#trees.delete(key)
    const { pieceLength } = this.#metainfo
    const blockCount = Math.ceil(this.#byRoot.get(key)!.length / MERKLE_BLOCK_LENGTH)
    const tree = known ?? new HashTree(pieceLayer, pieceLayerOf(pieceLength), blockCount, this.#crypto)
    // Small ones, of which there may be very many, are made anew in no time.
    if (pieceLayer.length <= LIMITS.hashesPerRequestMax.value * MERKLE_HASH_LENGTH) return tree
    this.#trees.set(key, tree)
    if (known === undefined) this.#treesBytes += tree.byteLength
    for (const [other, { byteLength }] of this.#trees) {
      if (this.#treesBytes <= LIMITS.hashTreesBytesMax.value || other === key) break
      this.#trees.delete(other)
      this.#treesBytes -= byteLength
    }
    return tree
  }
}
