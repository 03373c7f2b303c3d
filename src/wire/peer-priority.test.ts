import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { formatAddress } from './endpoint.ts'
import { peerPriority } from './peer-priority.ts'

const hash = (hex: string) => crc32c(fromHex(hex.replaceAll(' ', ''))!)
const at = (host: string, port = 6881) => ({ host, port })

describe('the priority of a pair of peers', () => {
  test.each([
    ['98.76.54.32', 0xec2d_7224],
    ['123.213.32.234', 0x9956_8189],
  ])('is that of the examples of BEP 40: 123.213.32.10 and %s', (host, expected) => {
    expect(peerPriority(at('123.213.32.10'), at(host))).toBe(expected)
  })

  test.each([
    ['other networks', '1.2.3.4', '9.8.7.6', '01020104 09080504'],
    ['the same /16', '1.2.3.255', '1.2.7.6', '01020355 01020704'],
    ['the same /24', '1.2.3.4', '1.2.3.5', '01020304 01020305'],
    [
      'other networks of IPv6',
      '2001:db8::ffff',
      '2001:db9::',
      `20010db8${'00'.repeat(10)}5555 20010db9${'00'.repeat(12)}`,
    ],
    [
      'the same /48',
      '2001:db8:0:1ff::',
      '2001:db8:0:2ff::',
      `20010db8000001 55${'00'.repeat(8)} 20010db800000255${'00'.repeat(8)}`,
    ],
    [
      'the same /56',
      '2001:db8:0:1ff:ff::',
      '2001:db8:0:1fe:ff::',
      `20010db8000001fe 0055${'00'.repeat(6)} 20010db8000001ff0055${'00'.repeat(6)}`,
    ],
  ])('takes in what tells them apart: %s', (_what, a, b, hex) => {
    expect(peerPriority(at(a), at(b))).toBe(hash(hex))
  })

  test('is of the ports where the address is the same', () => {
    expect(peerPriority(at('1.2.3.4', 0x2000), at('1.2.3.4', 0x1000))).toBe(hash('10002000'))
  })

  test('is the same from both sides', () => {
    const host = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress)
    const endpoint = fc.record({ host, port: fc.nat({ max: 0xffff }) })
    fc.assert(
      fc.property(endpoint, endpoint, (a, b) => {
        expect(peerPriority(a, b)).toBe(peerPriority(b, a))
      }),
    )
  })

  test('does not exist between families', () => {
    expect(peerPriority(at('1.2.3.4'), at('2001:db8::1'))).toBeUndefined()
    expect(peerPriority(at('nowhere'), at('1.2.3.4'))).toBeUndefined()
  })
})
