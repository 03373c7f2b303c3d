/**
 * Canonical peer priority (BEP 40): a number for a pair of peers that both compute alike, so that all peers
 * of a swarm agree on who keeps whom when places are short. Newcomers find a place, and who wants to fill all
 * places with addresses of one network has low priority almost everywhere.
 */
import { compareBytes, concatBytes, writeUint16 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { type Endpoint, parseAddress } from './endpoint.ts'

/** What remains of the bytes behind those that count. */
const MASK = 0x55

/**
 * 0 to 2^32 - 1, the same from both sides; higher goes first. Undefined unless both are numeric addresses of
 * one family.
 */
export function peerPriority(one: Endpoint, other: Endpoint): number | undefined {
  const a = parseAddress(one.host)
  const b = parseAddress(other.host)
  if (a === undefined || b === undefined || a.length !== b.length) return undefined
  const shared = sharedLength(a, b)
  if (shared === a.length) return hashSorted(portBytes(one.port), portBytes(other.port))
  // Two bytes of IPv4, six of IPv6; where these are the same, one more than is the same.
  const least = a.length === 4 ? 2 : 6
  const counting = shared < least ? least : shared + 1
  return hashSorted(masked(a, counting), masked(b, counting))
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

function masked(address: Uint8Array, counting: number): Uint8Array {
  return address.map((byte, index) => (index < counting ? byte : byte & MASK))
}

function portBytes(port: number): Uint8Array {
  const bytes = new Uint8Array(2)
  writeUint16(bytes, 0, port)
  return bytes
}

function hashSorted(a: Uint8Array, b: Uint8Array): number {
  return crc32c(concatBytes(compareBytes(a, b) <= 0 ? [a, b] : [b, a]))
}
