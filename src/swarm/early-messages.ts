/**
 * What a peer says while nobody knows how many pieces there are: kept as the state it describes, and said
 * once more to the session that begins when the metadata is there.
 * Bounded by one bitfield of `piecesMax`, `earlyHavesMax` single pieces and one extension handshake.
 */
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail } from '../base/result.ts'
import { MESSAGE, MessageWriter } from '../wire/peer-messages.ts'

export class EarlyMessages {
  /** A bitfield as it came; pieces that came later are set in it. */
  #bitfield: Uint8Array | undefined
  #allOrNone: number | undefined
  readonly #haves = new Set<number>()
  #handshake: Uint8Array | undefined
  #isUnchoked = false
  #isInterested = false

  /** What is no have. @param payload borrowed */
  record(type: number, payload: Uint8Array): Fault | undefined {
    switch (type) {
      case MESSAGE.choke:
      case MESSAGE.unchoke:
        this.#isUnchoked = type === MESSAGE.unchoke
        return undefined
      case MESSAGE.interested:
      case MESSAGE.notInterested:
        this.#isInterested = type === MESSAGE.interested
        return undefined
      case MESSAGE.bitfield:
        this.#bitfield = payload.slice()
        this.#allOrNone = undefined
        this.#haves.clear()
        return undefined
      case MESSAGE.haveAll:
      case MESSAGE.haveNone:
        this.#allOrNone = type
        this.#bitfield = undefined
        this.#haves.clear()
        return undefined
      default:
        // We asked for nothing and serve nothing yet.
        return undefined
    }
  }

  recordHave(piece: number): Fault | undefined {
    if (this.#bitfield !== undefined && piece >> 3 < this.#bitfield.length) {
      this.#bitfield[piece >> 3]! |= 0x80 >> (piece & 7)
      return undefined
    }
    if (this.#haves.size >= LIMITS.earlyHavesMax.value)
      return fail('wire/protocol-error', 'too many single pieces before the metadata').error
    this.#haves.add(piece)
    return undefined
  }

  /** @param payload of the extension handshake, without the id; borrowed */
  recordHandshake(payload: Uint8Array): void {
    if (payload.length <= LIMITS.heldBytesMax.value) this.#handshake = payload.slice()
  }

  /** All of it as the bytes of messages. */
  frames(): Uint8Array {
    const writer = new MessageWriter()
    if (this.#bitfield !== undefined) writer.bitfield(this.#bitfield)
    if (this.#allOrNone !== undefined) writer.plain(this.#allOrNone)
    for (const piece of this.#haves) writer.number(MESSAGE.have, piece)
    if (this.#handshake !== undefined) writer.extended(0, this.#handshake)
    if (this.#isInterested) writer.plain(MESSAGE.interested)
    if (this.#isUnchoked) writer.plain(MESSAGE.unchoke)
    return writer.take()
  }
}
