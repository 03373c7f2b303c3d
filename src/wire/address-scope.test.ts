import { describe, expect, test } from 'vitest'
import { fromHex } from '../base/bytes.ts'
import { addressScope, reachesAsFar, scopeOfHost } from './address-scope.ts'
import { parseAddress } from './endpoint.ts'

describe('how far an address reaches', () => {
  test.each([
    ['machine', '127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 ::1 :: ::ffff:127.0.0.1'],
    ['local', '10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255'],
    [
      'local',
      '192.0.0.1 198.18.0.1 198.19.255.255 fe80::1 febf::1 fec0::1 fc00::1 fd12:3456::1 ::ffff:10.0.0.1',
    ],
    ['global', '1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 192.167.0.1 192.0.1.1 100.63.0.1 100.128.0.1 11.0.0.1'],
    ['global', '2001:4860:4860::8888 2606:4700::1111 ::ffff:8.8.8.8 ::2'],
    ['machine', '64:ff9b::7f00:1 2002:7f00:1::'],
    ['local', '64:ff9b::a00:1 2002:a00:1::1 64:ff9b::169.254.169.254'],
    ['global', '64:ff9b::808:808 2002:808:808::1'],
  ])('%s: %s', (scope, addresses) => {
    for (const text of addresses.split(' '))
      expect([text, addressScope(parseAddress(text)!)]).toEqual([text, scope])
  })

  test('odd ways to write this machine pass for nothing further (S40: CVE-2023-42282, CVE-2024-29415)', () => {
    const odd =
      '127.1 0x7f.1 0x7F000001 0177.0.0.1 2130706433 017700000001 01200034567 012.1.2.3 127.0.0.1. 127.00.0.1'
    const mapped =
      '000:0:0000::01 ::fFFf:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:127.0.0.1 ::1%lo ::127.0.0.1.'
    for (const text of [...odd.split(' '), ...mapped.split(' '), '', ' 127.0.0.1', 'localhost'])
      expect([text, scopeOfHost(text)]).toEqual([text, 'machine'])
  })

  test('an IPv4-mapped address that was not unmapped is seen through', () => {
    expect(addressScope(fromHex('00000000000000000000ffff7f000001')!)).toBe('machine')
  })

  test('only the same or a further reach may follow', () => {
    const order = ['machine', 'local', 'global'] as const
    const table = order.map((from) => order.map((to) => reachesAsFar(to, from)))
    expect(table).toEqual([
      [true, true, true],
      [false, true, true],
      [false, false, true],
    ])
  })
})
