import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeHashes,
  decodeHashRequest,
  encodeHashes,
  encodeHashRequest,
  hashRequestKey,
} from './hash-messages.ts'

const uint32 = fc.nat(0xffff_ffff)
const request = fc.record({
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  baseLayer: uint32,
  index: uint32,
  count: uint32,
  proofLayers: uint32,
})

describe('hash messages', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(request, fc.nat(20), (sent, count) => {
        const hashes = new Uint8Array(32 * count).fill(count)
        expect(encodeHashRequest(sent)).toHaveLength(48)
        expect(decodeHashRequest(encodeHashRequest(sent))).toEqual(sent)
        expect(decodeHashes(encodeHashes({ request: sent, hashes }))).toEqual({
          ok: true,
          value: { request: sent, hashes },
        })
      }),
    )
  })

  it('have the fields in the order of BEP 52', () => {
    const bytes = encodeHashRequest({
      root: new Uint8Array(32).fill(9),
      baseLayer: 1,
      index: 2,
      count: 3,
      proofLayers: 4,
    })
    expect([...bytes.subarray(31)]).toEqual([9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])
  })

  it('are told apart by every field', () => {
    fc.assert(
      fc.property(request, request, (a, b) => {
        const isSame = Buffer.compare(encodeHashRequest(a), encodeHashRequest(b)) === 0
        expect(hashRequestKey(a) === hashRequestKey(b)).toBe(isSame)
      }),
    )
  })

  it.each([0, 47, 49, 48 + 31])('of %i bytes are refused', (length) => {
    expect(decodeHashes(new Uint8Array(length))).toMatchObject({
      ok: false,
      error: { code: 'wire/bad-length' },
    })
  })
})
