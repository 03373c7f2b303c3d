/**
 * The Diffie-Hellman exchange of message stream encryption: a prime of 768 bits, generator 2, keys and
 * secret as 96 bytes, most significant first. Each side costs two powers, together a third of a millisecond.
 * Source: https://wiki.vuze.com/w/Message_Stream_Encryption
 */
import { fromHex, toHex } from '../base/bytes.ts'

/** Of public keys and of the secret. */
export const AGREED_KEY_LENGTH = 96
/** 160 bits; the specification knows no use for more than 180. */
export const PRIVATE_KEY_LENGTH = 20

const PRIME = BigInt(
  '0xFFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD' +
    'EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563',
)
const GENERATOR = 2n

export class KeyAgreement {
  readonly publicKey: Uint8Array
  readonly #private: Uint8Array

  /** @param privateKey `PRIVATE_KEY_LENGTH` unpredictable bytes */
  constructor(privateKey: Uint8Array) {
    this.#private = privateKey
    this.publicKey = toBytes(power(GENERATOR, privateKey))
  }

  /** What both sides know then; undefined for a key that no honest peer has, because it fixes the secret. */
  secretWith(publicKey: Uint8Array): Uint8Array | undefined {
    const other = BigInt(`0x${toHex(publicKey)}`)
    if (other <= 1n || other >= PRIME - 1n) return undefined
    return toBytes(power(other, this.#private))
  }
}

function power(base: bigint, exponent: Uint8Array): bigint {
  let result = 1n
  for (const byte of exponent)
    for (let bit = 7; bit >= 0; bit--) {
      result = (result * result) % PRIME
      if (((byte >> bit) & 1) === 1) result = (result * base) % PRIME
    }
  return result
}

function toBytes(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * AGREED_KEY_LENGTH, '0'))!
}
