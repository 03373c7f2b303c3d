/**
 * How far an address reaches: this machine, networks nobody routes publicly, or the Internet.
 * Decides whom a stranger may send us to: a public tracker must not redirect us to our own machine,
 * nor have us probe the local network.
 * Works on parsed bytes, never on text. IANA special-purpose registries (RFC 6890 and updates); S39, S40.
 */
import { parseAddress } from './endpoint.ts'

/** In order of reach. */
const SCOPES = ['machine', 'local', 'global'] as const
export type AddressScope = (typeof SCOPES)[number]

/**
 * Prefixes of 16-byte addresses that carry an IPv4 address, and where: NAT64 (RFC 6052) and 6to4 (RFC 3056).
 */
const NAT64_PREFIX = [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
const SIX_TO_FOUR_PREFIX = [0x20, 0x02]
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** @param address 4 or 16 bytes */
export function addressScope(address: Uint8Array): AddressScope {
  if (address.length === 4) return scopeOfIpv4(address)
  if (startsWith(address, MAPPED_PREFIX) || startsWith(address, NAT64_PREFIX))
    return scopeOfIpv4(address.subarray(12))
  if (startsWith(address, SIX_TO_FOUR_PREFIX)) return scopeOfIpv4(address.subarray(2, 6))
  // :: and ::1
  if (address.subarray(0, 15).every((byte) => byte === 0) && address[15]! <= 1) return 'machine'
  const first = address[0]!
  const isUniqueLocal = (first & 0xfe) === 0xfc
  const isLinkOrSiteLocal = first === 0xfe && (address[1]! & 0x80) !== 0
  return isUniqueLocal || isLinkOrSiteLocal ? 'local' : 'global'
}

/**
 * Whether one host may listen there: not multicast, broadcast, reserved or unspecified, nor link-local IPv6,
 * which means nothing without its link.
 * @param address 4 or 16 bytes
 */
export function isUnicast(address: Uint8Array): boolean {
  if (address.length === 4) return address[0]! > 0 && address[0]! < 224
  const isUnspecified = address.every((byte) => byte === 0)
  const isMulticast = address[0] === 0xff
  const isLinkLocal = address[0] === 0xfe && (address[1]! & 0xc0) === 0x80
  return !isUnspecified && !isMulticast && !isLinkLocal
}

/** Of numeric text; anything else counts as the most private there is. */
export function scopeOfHost(host: string): AddressScope {
  const address = parseAddress(host)
  return address === undefined ? 'machine' : addressScope(address)
}

/** Whether `to` reaches at least as far as `from`. */
export function reachesAsFar(to: AddressScope, from: AddressScope): boolean {
  return SCOPES.indexOf(to) >= SCOPES.indexOf(from)
}

function scopeOfIpv4(address: Uint8Array): AddressScope {
  const [a, b, c] = address as unknown as [number, number, number]
  // 0.0.0.0/8 connects to this machine on Linux.
  if (a === 127 || a === 0) return 'machine'
  const isLocal =
    a === 10 ||
    (a === 172 && b >> 4 === 1) ||
    (a === 192 && (b === 168 || (b === 0 && c === 0))) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >> 6 === 1) ||
    (a === 198 && b >> 1 === 9)
  return isLocal ? 'local' : 'global'
}

function startsWith(address: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => address[index] === byte)
}
