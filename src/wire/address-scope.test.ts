import { describe, expect, test } from 'vitest'
import { fromHex } from '../base/bytes.ts'
import { addressScope, reachesAsFar } from './address-scope.ts'
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
