/**
 * Who spoiled a piece. A hash says that a piece is wrong, not which block of it is, so a piece that several
 * peers sent is an accusation of all of them and a proof against none (S14). What libtorrent calls smart ban
 * and parole finds the one:
 *
 * - When such a piece fails, a digest of each block is kept with who sent it, and the piece is fetched again,
 *   first of all and by preference from a peer that had no part in it. Once it verifies, the blocks are
 *   compared: whoever sent one that differs is convicted, everybody else is cleared.
 * - Until then all who had a part are on parole: what they send counts only in pieces that are all their own,
 *   so the next spoiled piece convicts its sender alone. A parole that keeps costing honest work (a peer that
 *   chokes us in the middle of every piece finishes none alone) is given up, the digests are not.
 * - Who sent the same block of the same piece twice, differently, is convicted without waiting.
 *
 * v2 is handled the same way only where nobody tells the leaf hashes of a piece (`trials.ts`). Where they are
 * known, `accuse` is given a judge of single blocks and convicts at once, fetching nothing.
 *
 * Digests are a part of SHA-1: a liar who could make a wrong block with the digest of the right one needs no
 * other block to lie with. Hashing here is synchronous, 0.7 ms per MiB, and happens once per failed piece.
 * Invariants: at most `suspectPiecesMax` records of at most `suspectBlocksMax` blocks in all, the oldest make
 * room; a peer is on parole only while a record names it.
 */
import { LIMITS } from '../base/limits.ts'

const DIGEST_LENGTH = 10
/** So often may the parole of a peer throw away blocks that it sent. */
const PAROLE_LOSSES_MAX = 4

/** A piece as it was when its hash was looked at. */
export interface Evidence {
  readonly piece: number
  readonly bytes: Uint8Array
  readonly blockLength: number
  /** By block: the address it came from, '' for padding that nobody sent. */
  readonly senders: readonly string[]
}

/** One failed copy of a piece. */
interface FailedCopy {
  readonly piece: number
  readonly senders: readonly string[]
  readonly addresses: ReadonlySet<string>
  /** `DIGEST_LENGTH` bytes for each block. */
  readonly digests: Uint8Array
}

interface Parole {
  recordCount: number
  lossCount: number
}

export class Blame {
  readonly #sha1: (bytes: Uint8Array) => Uint8Array
  /** Oldest first. Bounded by `suspectPiecesMax` and `suspectBlocksMax`. */
  #records: FailedCopy[] = []
  #blockCount = 0
  /** By address. Bounded by the blocks of `#records`. */
  readonly #paroles = new Map<string, Parole>()

  constructor(sha1: (bytes: Uint8Array) => Uint8Array) {
    this.#sha1 = sha1
  }

  /** Blocks whose digests are kept. */
  get blockCount(): number {
    return this.#blockCount
  }

  /** Failed copies that are kept. */
  get recordCount(): number {
    return this.#records.length
  }

  /** What it sends counts only in a piece that is all its own. */
  isOnParole(address: string): boolean {
    const parole = this.#paroles.get(address)
    return parole !== undefined && parole.lossCount < PAROLE_LOSSES_MAX
  }

  /** Parole threw away blocks of this peer that may have been good. */
  lost(address: string): void {
    const parole = this.#paroles.get(address)
    if (parole !== undefined) parole.lossCount++
  }

  /**
   * A piece that several peers sent has failed.
   * @param isRight judges single blocks where their hashes are known (v2); undefined where they are not
   * @returns who is convicted now; undefined when the piece is too long to be remembered
   */
  accuse(evidence: Evidence, isRight?: (block: number) => boolean): ReadonlySet<string> | undefined {
    const { piece, senders } = evidence
    const liars = new Set<string>()
    if (isRight !== undefined) {
      for (const [block, sender] of senders.entries()) if (sender !== '' && !isRight(block)) liars.add(sender)
      return liars
    }
    if (senders.length > LIMITS.suspectBlocksMax.value) return undefined
    const digests = this.#digests(evidence)
    for (const record of this.#records)
      if (record.piece === piece)
        for (const [block, sender] of senders.entries())
          if (sender !== '' && sender === record.senders[block] && !isSame(record.digests, digests, block))
            liars.add(sender)
    const addresses = new Set(senders)
    addresses.delete('')
    this.#add({ piece, senders, addresses, digests })
    return liars
  }

  /** A piece has verified. @returns who had sent a wrong block of it; everybody else in it is cleared */
  settle(evidence: Evidence): ReadonlySet<string> {
    const liars = new Set<string>()
    if (!this.isSuspect(evidence.piece)) return liars
    const right = this.#digests(evidence)
    for (const { piece, senders, digests } of this.#records)
      if (piece === evidence.piece)
        for (const [block, sender] of senders.entries())
          if (sender !== '' && !isSame(digests, right, block)) liars.add(sender)
    this.#drop((record) => record.piece === evidence.piece)
    return liars
  }

  isSuspect(piece: number): boolean {
    return this.#records.some((record) => record.piece === piece)
  }

  /** The peer sent blocks of a failed copy of the piece. */
  isInvolved(address: string, piece: number): boolean {
    return this.#records.some((record) => record.piece === piece && record.addresses.has(address))
  }

  /** Pieces to be fetched again before all others, those under suspicion the longest first. */
  suspects(): number[] {
    return [...new Set(this.#records.map((record) => record.piece))]
  }

  #add(record: FailedCopy): void {
    while (
      this.#records.length >= LIMITS.suspectPiecesMax.value ||
      this.#blockCount + record.senders.length > LIMITS.suspectBlocksMax.value
    ) {
      const oldest = this.#records[0]
      this.#drop((other) => other === oldest)
    }
    this.#records.push(record)
    this.#blockCount += record.senders.length
    for (const address of record.addresses) {
      const parole = this.#paroles.get(address)
      if (parole === undefined) this.#paroles.set(address, { recordCount: 1, lossCount: 0 })
      else parole.recordCount++
    }
  }

  #drop(isOver: (record: FailedCopy) => boolean): void {
    const kept: FailedCopy[] = []
    for (const record of this.#records) {
      if (!isOver(record)) {
        kept.push(record)
        continue
      }
      this.#blockCount -= record.senders.length
      for (const address of record.addresses) {
        const parole = this.#paroles.get(address)
        if (parole !== undefined && --parole.recordCount === 0) this.#paroles.delete(address)
      }
    }
    this.#records = kept
  }

  #digests({ bytes, blockLength, senders }: Evidence): Uint8Array {
    const digests = new Uint8Array(DIGEST_LENGTH * senders.length)
    for (let block = 0; block < senders.length; block++) {
      const hash = this.#sha1(bytes.subarray(block * blockLength, (block + 1) * blockLength))
      digests.set(hash.subarray(0, DIGEST_LENGTH), DIGEST_LENGTH * block)
    }
    return digests
  }
}

function isSame(a: Uint8Array, b: Uint8Array, block: number): boolean {
  for (let i = DIGEST_LENGTH * block; i < DIGEST_LENGTH * (block + 1); i++) if (a[i] !== b[i]) return false
  return true
}
