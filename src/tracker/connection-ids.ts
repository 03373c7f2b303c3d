/**
 * Connection ids of the UDP tracker without a table of them (BEP 15; S22): an id is a keyed hash over the
 * asker's address, port and the second it was made in, whose lowest byte says which second. To get one,
 * somebody must receive packets at the address they claim; nobody can make one, use another's, keep one
 * or have one of the future.
 * Invariant: an id is valid for two minutes at the address and port it was sent to, under the key of this
 * run, and nowhere else. Nothing is stored and nothing allocated but the id itself.
 */
import { writeUint32 } from '../base/bytes.ts'
import type { SipHash } from '../base/siphash.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'

const ID_LENGTH = 8
/** BEP 15: accepted until two minutes after it was sent. */
const LIFETIME_SECONDS = 120
const ADDRESS_LENGTH_MAX = 16
/** Address, its length, port, second. */
const MESSAGE_LENGTH = ADDRESS_LENGTH_MAX + 1 + 2 + 4

export class ConnectionIds {
  readonly #hash: SipHash
  readonly #message = new Uint8Array(MESSAGE_LENGTH)

  constructor(hash: SipHash) {
    this.#hash = hash
  }

  /** @param address 4 or 16 bytes, of the packet */
  create(now: Instant, address: Uint8Array, port: number): Uint8Array {
    const second = secondOf(now)
    this.#compute(second, address, port)
    const id = new Uint8Array(ID_LENGTH)
    writeUint32(id, 0, this.#hash.high)
    writeUint32(id, 4, this.#hash.low)
    id[7] = second
    return id
  }

  /** Whether `packet` begins with an id that this asker was given in the last two minutes. */
  isValid(now: Instant, packet: Uint8Array, address: Uint8Array, port: number): boolean {
    const second = secondOf(now)
    const age = (second - packet[7]!) & 0xff
    if (packet.length < ID_LENGTH || age > LIFETIME_SECONDS || age > second) return false
    this.#compute(second - age, address, port)
    const { low, high } = this.#hash
    // Every byte is looked at, so that time says nothing about where a guess went wrong.
    let difference = 0
    for (let i = 0; i < 4; i++) difference |= packet[i]! ^ ((high >>> (24 - 8 * i)) & 0xff)
    for (let i = 0; i < 3; i++) difference |= packet[4 + i]! ^ ((low >>> (24 - 8 * i)) & 0xff)
    return difference === 0
  }

  #compute(second: number, address: Uint8Array, port: number): void {
    const message = this.#message
    for (let i = 0; i < ADDRESS_LENGTH_MAX; i++) message[i] = i < address.length ? address[i]! : 0
    message[16] = address.length
    message[17] = port >>> 8
    message[18] = port
    writeUint32(message, 19, second)
    this.#hash.hash(message, MESSAGE_LENGTH)
  }
}

function secondOf(now: Instant): number {
  return Math.floor(now / MICROSECONDS_PER_SECOND)
}
