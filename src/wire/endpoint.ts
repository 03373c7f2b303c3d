/**
 * Numeric addresses with a port: text (RFC 4291, canonical form of RFC 5952) and the
 * compact forms of BEP 7 and 23.
 * Invariant: the host of an `Endpoint` made here is canonical numeric text, so equal addresses
 * are equal strings; an IPv4-mapped IPv6 address becomes plain IPv4. Names, zone ids and legacy
 * forms such as `127.1` are refused.
 */
import { readUint16, writeUint16 } from '../base/bytes.ts'

export interface Endpoint {
  /** Numeric text; IPv6 without brackets. */
  readonly host: string
  /** 0 to 65535. */
  readonly port: number
}

export const COMPACT_V4_LENGTH = 6
export const COMPACT_V6_LENGTH = 18

const MAPPED_PREFIX_LENGTH = 12
/** How a socket that takes both families names those who come over IPv4: most of a tracker's askers. */
const MAPPED_TEXT = '::ffff:'
const DOT = 0x2e

/** Reads `1.2.3.4:5` or `[::1]:5`; undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  const address = match[1] === undefined ? parseIpv4(match[2]!) : parseIpv6(match[1])
  if (address === undefined || port > 0xffff) return undefined
  return { host: formatAddress(address), port }
}

export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`
}

export function isIpv6(endpoint: Endpoint): boolean {
  return endpoint.host.includes(':')
}

/** 4 or 16 bytes; undefined unless `text` is a numeric address. An IPv4-mapped IPv6 address gives 4. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return parseIpv4(text)
  const mapped = text.startsWith(MAPPED_TEXT) ? parseIpv4(text.slice(MAPPED_TEXT.length)) : undefined
  if (mapped !== undefined) return mapped
  const address = parseIpv6(text)
  return address === undefined ? undefined : unmapped(address)
}

/** @param address 4 or 16 bytes */
export function formatAddress(address: Uint8Array): string {
  const plain = unmapped(address)
  return plain.length === 4 ? plain.join('.') : formatIpv6(plain)
}

/** 6 or 18 bytes; undefined when the host is not numeric. */
export function encodeCompact(endpoint: Endpoint): Uint8Array | undefined {
  const address = parseAddress(endpoint.host)
  if (address === undefined) return undefined
  const bytes = new Uint8Array(address.length + 2)
  bytes.set(address)
  writeUint16(bytes, address.length, endpoint.port)
  return bytes
}

/** Reads 6-byte entries (BEP 23); undefined when the length is no multiple. Port 0 entries are kept. */
export function decodeCompactV4(bytes: Uint8Array): Endpoint[] | undefined {
  return decodeCompact(bytes, COMPACT_V4_LENGTH)
}

/** Reads 18-byte entries (BEP 7); undefined when the length is no multiple. Port 0 entries are kept. */
export function decodeCompactV6(bytes: Uint8Array): Endpoint[] | undefined {
  return decodeCompact(bytes, COMPACT_V6_LENGTH)
}

function decodeCompact(bytes: Uint8Array, entryLength: number): Endpoint[] | undefined {
  if (bytes.length % entryLength !== 0) return undefined
  const endpoints: Endpoint[] = []
  for (let at = 0; at < bytes.length; at += entryLength) {
    const portAt = at + entryLength - 2
    endpoints.push({ host: formatAddress(bytes.subarray(at, portAt)), port: readUint16(bytes, portAt) })
  }
  return endpoints
}

/** Character by character, since a tracker does it for every announce. */
function parseIpv4(text: string): Uint8Array | undefined {
  const address = new Uint8Array(4)
  let part = 0
  let value = -1
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i)
    if (code === DOT) {
      if (value < 0 || part === 4) return undefined
      address[part++] = value
      value = -1
    } else {
      const digit = code - 0x30
      // A leading zero is octal to some readers and decimal to others: refused (S39, S40).
      if (digit < 0 || digit > 9 || value === 0) return undefined
      value = value < 0 ? digit : value * 10 + digit
      if (value > 255) return undefined
    }
  }
  return part === 4 ? address : undefined
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = parseGroups(halves[1] ?? '', true)
  if (head === undefined || tail === undefined) return undefined
  const length = head.length + tail.length
  if (halves.length === 1 ? length !== 16 : length > 14) return undefined
  const address = new Uint8Array(16)
  address.set(head)
  address.set(tail, 16 - tail.length)
  return address
}

/** The bytes of colon-separated groups; dotted IPv4 may stand last where `endsAddress`. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  if (groups.length > 8) return undefined
  const bytes: number[] = []
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    } else {
      const dotted = endsAddress && index === groups.length - 1 ? parseIpv4(group) : undefined
      if (dotted === undefined) return undefined
      bytes.push(...dotted)
    }
  }
  return bytes
}

/**
 * RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups as `::`.
 */
function formatIpv6(address: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => readUint16(address, 2 * i))
  let runAt = 0
  let runLength = 0
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && groups[at + length] === 0) length++
    if (length > runLength) {
      runAt = at
      runLength = length
    }
  }
  const text = groups.map((group) => group.toString(16))
  if (runLength < 2) return text.join(':')
  return `${text.slice(0, runAt).join(':')}::${text.slice(runAt + runLength).join(':')}`
}

/** ::ffff:a.b.c.d as its 4 bytes, anything else as it is. */
function unmapped(address: Uint8Array): Uint8Array {
  if (address.length !== 16 || address[10] !== 0xff || address[11] !== 0xff) return address
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return address
  return address.subarray(MAPPED_PREFIX_LENGTH)
}
