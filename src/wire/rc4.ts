/**
 * The RC4 stream cipher as message stream encryption uses it: the first 1024 bytes of the key stream are
 * thrown away. In code of our own because OpenSSL 3 does not offer it any more. It hides what a connection
 * carries from a casual look; it protects nothing against an attacker.
 * Source: https://wiki.vuze.com/w/Message_Stream_Encryption
 */

const DROPPED_BYTES = 1024

export class Rc4 {
  readonly #state = new Uint8Array(256)
  #i = 0
  #j = 0

  /** @param key 1 to 256 bytes */
  constructor(key: Uint8Array) {
    const state = this.#state
    for (let i = 0; i < 256; i++) state[i] = i
    for (let i = 0, j = 0; i < 256; i++) {
      const swapped = state[i]!
      j = (j + swapped + key[i % key.length]!) & 255
      state[i] = state[j]!
      state[j] = swapped
    }
    this.apply(new Uint8Array(DROPPED_BYTES))
  }

  /** Encrypts or decrypts the next bytes of the stream, in place. */
  apply(bytes: Uint8Array): void {
    const state = this.#state
    const { length } = bytes
    let i = this.#i
    let j = this.#j
    for (let at = 0; at < length; at++) {
      i = (i + 1) & 255
      const a = state[i]!
      j = (j + a) & 255
      const b = state[j]!
      state[i] = b
      state[j] = a
      bytes[at]! ^= state[(a + b) & 255]!
    }
    this.#i = i
    this.#j = j
  }
}

/** Both directions of an encrypted connection. */
export class StreamCipher {
  readonly #outgoing: Rc4
  readonly #incoming: Rc4

  constructor(outgoing: Rc4, incoming: Rc4) {
    this.#outgoing = outgoing
    this.#incoming = incoming
  }

  /** In place, in the order in which the bytes are sent. */
  encrypt(bytes: Uint8Array): void {
    this.#outgoing.apply(bytes)
  }

  /** In place, in the order in which the bytes came. */
  decrypt(bytes: Uint8Array): void {
    this.#incoming.apply(bytes)
  }
}
