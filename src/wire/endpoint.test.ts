import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeCompactV4,
  decodeCompactV6,
  encodeCompact,
  formatAddress,
  formatEndpoint,
  isIpv6,
  parseAddress,
  parseEndpoint,
} from './endpoint.ts'

const V4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
const V6 = fc.uint8Array({ minLength: 16, maxLength: 16 })
/** Addresses with runs of zeros, where the text forms differ most. */
const SPARSE_V6 = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 })
  .map((bytes) => Uint8Array.from(bytes))

describe('text', () => {
  test.each([
    ['1.2.3.4:5', '1.2.3.4', 5],
    ['0.0.0.0:0', '0.0.0.0', 0],
    ['255.255.255.255:65535', '255.255.255.255', 65535],
    ['[::1]:6881', '::1', 6881],
    ['[::]:1', '::', 1],
    ['[2001:DB8:0:0:1:0:0:1]:80', '2001:db8::1:0:0:1', 80],
    ['[1:2:3:4:5:6:7::]:1', '1:2:3:4:5:6:7:0', 1],
    ['[::ffff:1.2.3.4]:5', '1.2.3.4', 5],
    ['[::ffff:102:304]:5', '1.2.3.4', 5],
    ['[64:ff9b::1.2.3.4]:5', '64:ff9b::102:304', 5],
  ])('reads %s', (text, host, port) => {
    expect(parseEndpoint(text)).toEqual({ host, port })
  })

  test.each([
    '',
    'host:5',
    '1.2.3.4',
    '1.2.3:4',
    '127.1:80',
    '2130706433:80',
    '0x7f.0.0.1:80',
    '01.2.3.4:5',
    '1.2.3.256:5',
    '1.2.3.1000:5',
    '1.2.3.00:5',
    '1.2.3.4.5:6',
    '1.2.3.4.:5',
    '.1.2.3.4:5',
    '1..3.4:5',
    '[::ffff:1.2.3.04]:5',
    '[::ffff:1.2.3]:5',
    '1.2.3.4:65536',
    '1.2.3.4:-1',
    '1.2.3.4: 5',
    ' 1.2.3.4:5',
    '1.2.3.4:5\n',
    '::1:5',
    '[1.2.3.4]:5',
    '[::1]',
    '[:::1]:5',
    '[1::2::3]:5',
    '[1:2:3:4:5:6:7]:5',
    '[1:2:3:4:5:6:7:8:9]:5',
    '[1:2:3:4:5:6:7::8]:5',
    '[12345::]:5',
    '[fe80::1%eth0]:5',
    '[::1.2.3.4:1]:5',
    '[:1:2:3:4:5:6:7]:5',
  ])('refuses %j', (text) => {
    expect(parseEndpoint(text)).toBeUndefined()
  })

  test('every address has one text that reads back', () => {
    fc.assert(
      fc.property(fc.oneof(V4, V6, SPARSE_V6), fc.nat({ max: 0xffff }), (address, port) => {
        const endpoint = { host: formatAddress(address), port }
        expect(parseEndpoint(formatEndpoint(endpoint))).toEqual(endpoint)
        expect(formatAddress(parseAddress(endpoint.host)!)).toBe(endpoint.host)
        expect(isIpv6(endpoint)).toBe(parseAddress(endpoint.host)!.length === 16)
      }),
    )
  })

  test('other spellings of an address give the same text (RFC 5952)', () => {
    for (const text of ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:DB8::1', '2001:db8:0::0:1'])
      expect(formatAddress(parseAddress(text)!)).toBe('2001:db8::1')
    expect(formatAddress(parseAddress('1:0:0:2:0:0:0:3')!)).toBe('1:0:0:2::3')
    expect(formatAddress(parseAddress('1:0:2:0:3:0:4:0')!)).toBe('1:0:2:0:3:0:4:0')
  })
})

describe('compact form', () => {
  test('is the address and the port in network order', () => {
    expect(encodeCompact({ host: '1.2.3.4', port: 0x1ae1 })).toEqual(Uint8Array.of(1, 2, 3, 4, 0x1a, 0xe1))
    expect(encodeCompact({ host: '::1', port: 1 })).toEqual(Uint8Array.of(...new Uint8Array(15), 1, 0, 1))
    expect(encodeCompact({ host: 'tracker.example', port: 1 })).toBeUndefined()
  })

  test('lists read back', () => {
    fc.assert(
      fc.property(fc.array(V4), fc.array(V6), fc.nat({ max: 0xffff }), (v4, v6, port) => {
        const compact = [...v4, ...v6].map((address) => Uint8Array.of(...address, port >> 8, port & 0xff))
        const join = (parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))
        expect(
          decodeCompactV4(join(compact.slice(0, v4.length)))?.map((peer) => encodeCompact(peer)),
        ).toEqual(compact.slice(0, v4.length))
        expect(decodeCompactV6(join(compact.slice(v4.length)))?.map(({ host }) => host)).toEqual(
          v6.map(formatAddress),
        )
      }),
    )
  })

  test('a mapped address in a v6 list is the v4 address', () => {
    const mapped = Uint8Array.of(...new Uint8Array(10), 255, 255, 10, 0, 0, 1, 0, 80)
    expect(decodeCompactV6(mapped)).toEqual([{ host: '10.0.0.1', port: 80 }])
  })

  test('a list that ends inside an entry is refused', () => {
    expect(decodeCompactV4(new Uint8Array(7))).toBeUndefined()
    expect(decodeCompactV6(new Uint8Array(19))).toBeUndefined()
    expect(decodeCompactV4(new Uint8Array(0))).toEqual([])
  })
})
