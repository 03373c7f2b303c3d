import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHandshake, encodeHandshake, HANDSHAKE_LENGTH, isHandshakeStart } from './handshake.ts'

const id = fc.uint8Array({ minLength: 20, maxLength: 20 })
const handshake = fc.record({
  infoHash: id,
  peerId: id,
  supportsExtensions: fc.boolean(),
  supportsFast: fc.boolean(),
  supportsV2: fc.boolean(),
})

describe('handshake', () => {
  it('comes back as it was sent, and every start of it is recognised', () => {
    fc.assert(
      fc.property(handshake, fc.nat(HANDSHAKE_LENGTH), (sent, length) => {
        const bytes = encodeHandshake(sent)
        expect(decodeHandshake(bytes)).toEqual({ ok: true, value: sent })
        expect(isHandshakeStart(bytes.subarray(0, length))).toBe(true)
      }),
    )
  })

  it('is refused when it is not BitTorrent, by the first byte that differs', () => {
    fc.assert(
      fc.property(handshake, fc.nat(19), fc.integer({ min: 1, max: 255 }), (sent, at, change) => {
        const bytes = encodeHandshake(sent)
        bytes[at]! ^= change
        expect(decodeHandshake(bytes)).toMatchObject({ ok: false, error: { code: 'wire/not-bittorrent' } })
        expect(isHandshakeStart(bytes.subarray(0, at + 1))).toBe(false)
      }),
    )
  })
})
