import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromLatin1 } from '../base/text.ts'
import { decodeMetadataMessage, encodeMetadataMessage, type MetadataMessage } from './metadata-messages.ts'

const part = fc.nat(2047)
const message: fc.Arbitrary<MetadataMessage> = fc.oneof(
  fc.record({ kind: fc.constant('request' as const), part }),
  fc.record({ kind: fc.constant('reject' as const), part }),
  fc.record({
    kind: fc.constant('data' as const),
    part,
    totalSize: fc.option(fc.nat(2 ** 31), { nil: undefined }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
)

describe('metadata messages', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeMetadataMessage(encodeMetadataMessage(sent))).toEqual({ ok: true, value: sent })
      }),
    )
  })

  it('are written as BEP 9 shows them', () => {
    const request = encodeMetadataMessage({ kind: 'request', part: 0 })
    expect(request).toEqual(fromLatin1('d8:msg_typei0e5:piecei0ee'))
    const data = { kind: 'data', part: 0, totalSize: 34_256, bytes: fromLatin1('xxx') } as const
    expect(encodeMetadataMessage(data)).toEqual(
      fromLatin1('d8:msg_typei1e5:piecei0e10:total_sizei34256eexxx'),
    )
  })

  it('of a type nobody knows are nothing', () => {
    expect(decodeMetadataMessage(fromLatin1('d8:msg_typei3e5:piecei0ee'))).toEqual({
      ok: true,
      value: undefined,
    })
  })

  it.each([
    ['no dictionary', 'i1e'],
    ['no type', 'd5:piecei0ee'],
    ['a negative part', 'd8:msg_typei0e5:piecei-1ee'],
    ['a part beyond what any dictionary has', 'd8:msg_typei0e5:piecei2048ee'],
    ['a part without bytes', 'd8:msg_typei1e5:piecei0e10:total_sizei3ee'],
    ['more than 16 KiB', `d8:msg_typei1e5:piecei0e10:total_sizei3ee${'x'.repeat(16_385)}`],
  ])('with %s are refused', (_, text) => {
    expect(decodeMetadataMessage(fromLatin1(text))).toMatchObject({
      ok: false,
      error: { code: 'wire/bad-metadata-message' },
    })
  })
})
