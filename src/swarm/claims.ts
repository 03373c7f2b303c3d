/**
 * Answers claims about chunk positions from bytes that this peer holds: of a torrent of one file of at most
 * 1 MiB, complete and verified, that is not private. The bytes are read from disk for each query, since
 * nothing that peers ask for stays in memory.
 * Invariants: at most `serviceReadsMax` payloads are read at once; every query that was taken is answered
 * once; more claims than the payload has chunks are refused.
 */
import { equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Fault } from '../base/result.ts'
import type { ClaimsQuery, ClaimsReply } from '../wire/claims-messages.ts'
import { chunkOffsets } from '../wire/payload-chunks.ts'
import type { SwarmOutput } from './effects.ts'
import type { Torrent } from './torrent.ts'

/** Ids of reads below this are of claims; those of torrents are far above. */
export const CLAIM_READS = -(2 ** 40)

type Answer = (reply: ClaimsReply) => void

/** A payload that is being read. */
interface Reading {
  readonly query: ClaimsQuery
  readonly answer: Answer
  readonly bytes: Uint8Array
  /** Reads that have not come back. */
  left: number
  hasFailed: boolean
}

export class ClaimsServer {
  readonly #torrents: ReadonlyMap<number, Torrent>
  readonly #emit: (output: SwarmOutput) => void
  /** By id of the read; several belong to one reading. Bounded by `serviceReadsMax` payloads of 64 pieces. */
  readonly #readings = new Map<number, Reading>()
  #readingCount = 0
  #lastRead = CLAIM_READS

  constructor(torrents: ReadonlyMap<number, Torrent>, emit: (output: SwarmOutput) => void) {
    this.#torrents = torrents
    this.#emit = emit
  }

  ask(query: ClaimsQuery, answer: Answer): void {
    const torrent = this.#holder(query.payload)
    if (torrent === undefined) return answer({ kind: 'answered', isHeld: false, results: [] })
    if (this.#readingCount >= LIMITS.serviceReadsMax.value) return answer({ kind: 'refused', reason: 'busy' })
    const { metainfo } = torrent.core.options
    const bytes = new Uint8Array(metainfo.contentLength)
    const reading = { query, answer, bytes, left: torrent.pieceCount, hasFailed: false }
    this.#readingCount++
    for (let piece = 0; piece < torrent.pieceCount; piece++) {
      const read = --this.#lastRead
      this.#readings.set(read, reading)
      const at = piece * metainfo.pieceLength
      const views = [bytes.subarray(at, at + metainfo.pieceLength)]
      this.#emit({ kind: 'read-blocks', torrent: torrent.core.id, read, piece, begin: 0, views })
    }
  }

  /** @param read below CLAIM_READS */
  readDone(read: number, fault: Fault | undefined): void {
    const reading = this.#readings.get(read)
    if (reading === undefined) return
    this.#readings.delete(read)
    reading.hasFailed ||= fault !== undefined
    if (--reading.left > 0) return
    this.#readingCount--
    const { query, answer, bytes, hasFailed } = reading
    answer(hasFailed ? { kind: 'answered', isHeld: false, results: [] } : judge(bytes, query))
  }

  #holder(payload: Uint8Array): Torrent | undefined {
    for (const torrent of this.#torrents.values()) {
      const { infoHashV1, infoHashV2 } = torrent.core.options.metainfo
      const infoHash = payload.length === 20 ? infoHashV1 : infoHashV2
      if (infoHash !== null && equalBytes(infoHash, payload)) return holds(torrent) ? torrent : undefined
    }
    return undefined
  }
}

function holds(torrent: Torrent): boolean {
  const { isSingleFile, contentLength, private: isPrivate } = torrent.core.options.metainfo
  const isPayload = isSingleFile && contentLength <= LIMITS.payloadBytesMax.value && !isPrivate
  return isPayload && torrent.phase === 'active' && torrent.core.pieces.have.isFull && torrent.pieceCount > 0
}

/** Compares each claim with the chunk at its position. */
export function judge(bytes: Uint8Array, { claims }: ClaimsQuery): ClaimsReply {
  const offsets = chunkOffsets(bytes)
  const chunkCount = offsets.length - 1
  if (claims.length > chunkCount) return { kind: 'refused', reason: 'too-many-claims' }
  const results = claims.map(({ position, chunk }) => {
    if (!(position >= 0 && position < chunkCount)) return false
    return equalBytes(chunk, bytes.subarray(offsets[position], offsets[position + 1]))
  })
  return { kind: 'answered', isHeld: true, results }
}
