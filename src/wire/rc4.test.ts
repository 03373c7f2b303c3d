import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rc4 } from '../../test/kit/mse-peer.ts'
import { concatBytes, fromHex, toHex } from '../base/bytes.ts'
import { Rc4, StreamCipher } from './rc4.ts'

describe('the key stream', () => {
  // RFC 6229, the bytes from 1024 on.
  it.each([
    ['0102030405', '30abbcc7c20b01609f23ee2d5f6bb7df'],
    ['0102030405060708090a0b0c0d0e0f10', 'bdf0324e6083dcc6d3cedd3ca8c53c16'],
  ])('of %s is that of the RFC without its first 1024 bytes', (key, expected) => {
    const bytes = new Uint8Array(16)
    new Rc4(fromHex(key)!).apply(bytes)
    expect(toHex(bytes)).toBe(expected)
  })

  it('goes on where it stopped, however the stream is cut, as that of another implementation', () => {
    const part = fc.uint8Array({ maxLength: 700 })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 256 }), fc.array(part), (key, parts) => {
        const whole = rc4(key)(concatBytes(parts))
        const cipher = new Rc4(key)
        const cut = parts.map((bytes) => bytes.slice())
        for (const bytes of cut) cipher.apply(bytes)
        expect(toHex(concatBytes(cut))).toBe(whole.toString('hex'))
      }),
    )
  })
})

it('what one side encrypts the other decrypts', () => {
  const [a, b] = [Uint8Array.of(1), Uint8Array.of(2)]
  const here = new StreamCipher(new Rc4(a), new Rc4(b))
  const there = new StreamCipher(new Rc4(b), new Rc4(a))
  for (const [from, to] of [
    [here, there],
    [there, here],
    [here, there],
  ] as const) {
    const bytes = Uint8Array.of(1, 2, 3)
    from.encrypt(bytes)
    expect(bytes).not.toEqual(Uint8Array.of(1, 2, 3))
    to.decrypt(bytes)
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3))
  }
})
