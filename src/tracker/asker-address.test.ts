import { describe, expect, test } from 'vitest'
import { formatAddress, parseAddress } from '../wire/endpoint.ts'
import { AskerAddress } from './asker-address.ts'

const ASKERS = new AskerAddress(['10.0.0.1', '10.0.0.2', '2001:db8::1'])

function ask(from: string, claimed?: string, forwardedFor?: string): string {
  return formatAddress(ASKERS.of(parseAddress(from)!, claimed, forwardedFor))
}

describe('the address of who asks', () => {
  test.each([
    ['8.8.8.8', undefined],
    [undefined, '8.8.8.8'],
    ['8.8.8.8', '9.9.9.9, 10.0.0.1'],
  ])('of a stranger is where it came from, whatever is said: ip %s, header %s (S23, S24)', (ip, header) => {
    expect(ask('192.0.2.7', ip, header)).toBe('192.0.2.7')
    expect(formatAddress(new AskerAddress([]).of(parseAddress('10.0.0.1')!, ip, header))).toBe('10.0.0.1')
  })

  test.each([
    // what the client wrote itself stands first and is not believed
    ['8.8.8.8, 192.0.2.7', '192.0.2.7'],
    ['8.8.8.8, 192.0.2.7, 10.0.0.2', '192.0.2.7'],
    ['192.0.2.7:4711', '192.0.2.7'],
    ['[2001:db8::9]:4711', '2001:db8::9'],
    ['2001:db8::9', '2001:db8::9'],
    ['192.0.2.7, unknown', '10.0.0.1'],
    ['192.0.2.7, 127.1', '10.0.0.1'],
    ['', '10.0.0.1'],
    ['0.0.0.0', '10.0.0.1'],
    ['224.0.0.1', '10.0.0.1'],
    ['ff02::1', '10.0.0.1'],
    ['10.0.0.2', '10.0.0.2'],
  ])('of a proxy with the header %s is %s (S24)', (header, expected) => {
    expect(ask('10.0.0.1', '8.8.8.8', header)).toBe(expected)
  })

  test('of a proxy without that header is what it gives as ip (S23)', () => {
    expect(ask('10.0.0.2', '192.0.2.7')).toBe('192.0.2.7')
    expect(ask('2001:db8::1', '2001:db8::9')).toBe('2001:db8::9')
    expect(ask('10.0.0.2', 'example.org')).toBe('10.0.0.2')
    expect(ask('10.0.0.2')).toBe('10.0.0.2')
  })
})
