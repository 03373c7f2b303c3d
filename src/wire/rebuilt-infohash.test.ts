/**
 * Compared with decoding, dropping and encoding by the kit's bencoder, which shares no code with the product.
 */
import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bencodable, type Bencoded, bdecode, bencode } from '../../test/kit/bencode.ts'
import { torrentFixture } from '../../test/kit/torrent-fixture.ts'
import { toHex } from '../base/bytes.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { parseMetainfo } from './metainfo.ts'
import { rebuiltInfoHash } from './rebuilt-infohash.ts'

const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex')

function dropped(value: Bencoded): Bencodable {
  if (Array.isArray(value)) return value.map(dropped)
  if (!(value instanceof Map)) return value
  return new Map([...value].filter(([key]) => key !== '').map(([key, item]) => [key, dropped(item)]))
}

const rebuilt = (infoBytes: Buffer) =>
  toHex(rebuiltInfoHash({ format: 'hybrid', infoBytes: new Uint8Array(infoBytes) }, nodeCrypto)!)

describe('the rebuilt infohash', () => {
  it('is what aria2 computes', () => {
    const files = { 'a.bin': 100_001, 'b/empty': 0, 'b/c/d.bin': 333, z: 1 }
    const { bytes } = torrentFixture({ format: 'hybrid', files })
    const metainfo = parseMetainfo(new Uint8Array(bytes), nodeCrypto)
    // `aria2c -S` of aria2 1.36.0 on this torrent
    expect(metainfo.ok && toHex(rebuiltInfoHash(metainfo.value, nodeCrypto)!)).toBe(
      '55de0ff30ce94aaf8965a0720f0274b6f52e45f9',
    )
  })

  it('leaves out the entries with an empty key, wherever they stand, and nothing else', () => {
    const key = fc.oneof(
      { weight: 1, arbitrary: fc.constant('') },
      { weight: 3, arbitrary: fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) }) },
    )
    const { value } = fc.letrec<{ value: Bencodable }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        fc.oneof(fc.integer(), fc.uint8Array({ maxLength: 12 }), fc.constantFrom('', 'd0:0:e', '0:')),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }).map((members) => new Map(Object.entries(members))),
      ),
    }))
    const info = fc.dictionary(key, value, { maxKeys: 6 }).map((members) => new Map(Object.entries(members)))
    fc.assert(
      fc.property(info, (members) => {
        const bytes = bencode(members)
        expect(rebuilt(bytes)).toBe(sha1(bencode(dropped(bdecode(bytes)))))
      }),
      { numRuns: 2000 },
    )
  })

  it('needs no stack for nested folders', () => {
    const depth = 100_000
    const nest = (leaf: string) => Buffer.from(`${'d1:a'.repeat(depth)}${leaf}${'e'.repeat(depth)}`)
    expect(rebuilt(nest('d0:d6:lengthi1eee'))).toBe(sha1(nest('de')))
  })

  it('is for hybrids only', () => {
    for (const format of ['v1', 'v2'] as const) {
      const metainfo = parseMetainfo(new Uint8Array(torrentFixture({ format }).bytes), nodeCrypto)
      expect(metainfo.ok && rebuiltInfoHash(metainfo.value, nodeCrypto)).toBe(null)
    }
  })
})
