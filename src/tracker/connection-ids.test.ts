import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SipHash } from '../base/siphash.ts'
import { type Instant, seconds } from '../base/time.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { ConnectionIds } from './connection-ids.ts'

const KEY = new Uint8Array(16).fill(7)
const HERE = parseAddress('192.0.2.1')!
const at = (second: number) => seconds(second) as Instant

function idsOf(key = KEY): ConnectionIds {
  return new ConnectionIds(new SipHash(key))
}

describe('a connection id (S22)', () => {
  const id = idsOf().create(at(1000), HERE, 6881)

  test.each([
    [1000, true],
    [1060, true],
    [1120, true],
    [1121, false],
    // The byte that says which second comes round again after 256.
    [1256, false],
    [1300, false],
    // made in the future
    [999, false],
    [0, false],
  ])('made at second 1000 is at second %s worth: %s', (second, isValid) => {
    expect(idsOf().isValid(at(second), id, HERE, 6881)).toBe(isValid)
  })

  test.each([
    ['another address', '192.0.2.2', 6881],
    ['another port', '192.0.2.1', 6882],
    ['the same bytes in IPv6', 'c000:201::', 6881],
  ])('is worth nothing at %s', (_what, host, port) => {
    expect(idsOf().isValid(at(1000), id, parseAddress(host)!, port)).toBe(false)
  })

  test('is worth nothing after a restart, which makes a new key', () => {
    expect(idsOf(KEY.with(0, 8)).isValid(at(1000), id, HERE, 6881)).toBe(false)
  })

  test('is no public constant, and not guessed by changing a bit', () => {
    expect(idsOf().isValid(at(1000), Uint8Array.of(0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80), HERE, 6881)).toBe(
      false,
    )
    for (let bit = 0; bit < 64; bit++) {
      const changed = id.with(bit >> 3, id[bit >> 3]! ^ (1 << (bit & 7)))
      expect(idsOf().isValid(at(1000), changed, HERE, 6881)).toBe(false)
    }
  })

  test('holds for every address, port and time at which it is made', () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    fc.assert(
      fc.property(
        address,
        fc.nat({ max: 0xffff }),
        fc.nat({ max: 1e9 }),
        fc.nat({ max: 120 }),
        (from, port, second, age) => {
          const ids = idsOf()
          const made = ids.create(at(second), from, port)
          expect(ids.isValid(at(second + age), made, from, port)).toBe(true)
          expect(ids.isValid(at(second + 121 + age), made, from, port)).toBe(false)
        },
      ),
    )
  })
})
