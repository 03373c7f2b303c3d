import { createDiffieHellman } from 'node:crypto'
import { expect, it } from 'vitest'
import { Prng } from '../base/prng.ts'
import { AGREED_KEY_LENGTH, KeyAgreement, PRIVATE_KEY_LENGTH } from './key-agreement.ts'

const PRIME =
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
  'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563'

it('agrees with OpenSSL on keys and secret', () => {
  const other = createDiffieHellman(PRIME, 'hex', 2)
  const prng = new Prng(3)
  for (let i = 0; i < 20; i++) {
    const secretKey = prng.bytes(PRIVATE_KEY_LENGTH)
    const ours = new KeyAgreement(secretKey)
    other.setPrivateKey(secretKey)
    other.generateKeys()
    expect(Buffer.from(ours.publicKey).toString('hex')).toBe(
      other.getPublicKey('hex').padStart(2 * AGREED_KEY_LENGTH, '0'),
    )
    other.setPrivateKey(prng.bytes(90))
    other.generateKeys()
    const theirs = Buffer.from(other.getPublicKey('hex').padStart(2 * AGREED_KEY_LENGTH, '0'), 'hex')
    const secret = other.computeSecret(ours.publicKey, undefined as never, 'hex')
    expect(Buffer.from(ours.secretWith(theirs)!).toString('hex')).toBe(
      secret.padStart(2 * AGREED_KEY_LENGTH, '0'),
    )
  }
})

it.each([
  ['0', 0n],
  ['1', 1n],
  ['one less than the prime', BigInt(`0x${PRIME}`) - 1n],
  ['the prime', BigInt(`0x${PRIME}`)],
  ['more than the prime', 2n ** 768n - 1n],
])('refuses the key %s', (_, key) => {
  const bytes = Buffer.from(key.toString(16).padStart(2 * AGREED_KEY_LENGTH, '0'), 'hex')
  expect(new KeyAgreement(new Uint8Array(PRIVATE_KEY_LENGTH).fill(5)).secretWith(bytes)).toBeUndefined()
})
