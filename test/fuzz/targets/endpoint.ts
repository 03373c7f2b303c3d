/** Addresses as text and in compact form: every one that is read has one canonical text. */
import { fromLatin1, toLatin1 } from '../../../src/base/text.ts'
import {
  decodeCompactV4,
  decodeCompactV6,
  type Endpoint,
  encodeCompact,
  formatEndpoint,
  parseEndpoint,
} from '../../../src/wire/endpoint.ts'

export default {
  name: 'endpoint',

  seeds: (): Uint8Array[] => [
    ...['1.2.3.4:5', '[::1]:65535', '[::ffff:1.2.3.4]:0', '[1:2::8]:80', '[fe80::1%eth0]:1'].map(fromLatin1),
    Uint8Array.of(127, 0, 0, 1, 0, 80, 255, 255, 255, 255, 0, 0),
    Uint8Array.of(...new Uint8Array(10), 255, 255, 1, 2, 3, 4, 5, 6),
  ],

  run(bytes: Uint8Array): void {
    const parsed = parseEndpoint(toLatin1(bytes))
    if (parsed !== undefined) check(parsed)
    for (const endpoint of decodeCompactV4(bytes) ?? []) check(endpoint)
    for (const endpoint of decodeCompactV6(bytes) ?? []) check(endpoint)
  },
}

function check(endpoint: Endpoint): void {
  const text = formatEndpoint(endpoint)
  const again = parseEndpoint(text)
  if (again === undefined || formatEndpoint(again) !== text) throw new Error(`${text} has another text`)
  const compact = encodeCompact(endpoint)
  const decoded =
    compact?.length === 6 ? decodeCompactV4(compact) : decodeCompactV6(compact ?? Uint8Array.of(1))
  if (decoded?.length !== 1 || formatEndpoint(decoded[0]!) !== text)
    throw new Error(`${text} has no compact form`)
}
