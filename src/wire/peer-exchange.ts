/**
 * Peer exchange, the BEP 10 message `ut_pex` (BEP 11): whom the sender is connected to since it last said so,
 * and from whom it parted. IPv4 and IPv6 stand in fields of their own; each added address may have a byte of
 * flags. A field of the wrong type or length counts as absent.
 * Invariant: of a message at most `pexPeersMax` added addresses are read, whatever it holds.
 */
import { concatBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type BDict, type BValue, decodeBencode, encodeBencode, getBytes } from './bencode.ts'
import {
  COMPACT_V4_LENGTH,
  COMPACT_V6_LENGTH,
  decodeCompactV4,
  decodeCompactV6,
  type Endpoint,
  encodeCompact,
  isIpv6,
} from './endpoint.ts'

/** What the sender knows of an added peer. Other bits are kept out. */
export const PEX_FLAG = { prefersEncryption: 1, isUploadOnly: 2, isReachable: 16 } as const
const FLAGS_KNOWN = PEX_FLAG.prefersEncryption | PEX_FLAG.isUploadOnly | PEX_FLAG.isReachable

/** The name under which peers offer it in their extension handshake. */
export const PEX_EXTENSION = 'ut_pex'

export interface ExchangedPeer extends Endpoint {
  /** Bits of `PEX_FLAG`. */
  readonly flags: number
}

export interface PeerExchangeMessage {
  readonly added: readonly ExchangedPeer[]
  readonly dropped: readonly Endpoint[]
}

export function encodePeerExchange({ added, dropped }: PeerExchangeMessage): Uint8Array {
  const fields: { [key: string]: BValue } = {}
  for (const [suffix, isWanted] of [
    ['', (peer: Endpoint) => !isIpv6(peer)],
    ['6', isIpv6],
  ] as const) {
    const addedHere = added.filter(isWanted)
    fields[`added${suffix}`] = compact(addedHere)
    fields[`added${suffix}.f`] = Uint8Array.from(addedHere, ({ flags }) => flags)
    fields[`dropped${suffix}`] = compact(dropped.filter(isWanted))
  }
  return encodeBencode(fields)
}

/** What was dropped is not read: it may be as reachable as before. */
export function decodePeerExchange(bytes: Uint8Array): Result<Pick<PeerExchangeMessage, 'added'>> {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  if (!decoded.ok) return decoded
  const dict = decoded.value
  if (dict.kind !== 'dict') return fail('wire/bad-peer-exchange', 'the peer exchange is no dictionary')
  const v4 = addedPeers(dict, '', COMPACT_V4_LENGTH, decodeCompactV4)
  const v6 = addedPeers(dict, '6', COMPACT_V6_LENGTH, decodeCompactV6)
  return ok({ added: [...v4, ...v6].slice(0, LIMITS.pexPeersMax.value) })
}

function addedPeers(
  dict: BDict,
  suffix: '' | '6',
  entryLength: number,
  decode: (bytes: Uint8Array) => Endpoint[] | undefined,
): ExchangedPeer[] {
  const bytes = getBytes(dict, `added${suffix}`)
  if (bytes === undefined || bytes.length % entryLength !== 0) return []
  const flags = getBytes(dict, `added${suffix}.f`)
  const peers = decode(bytes.subarray(0, entryLength * LIMITS.pexPeersMax.value)) ?? []
  return peers.map((peer, index) => ({ ...peer, flags: (flags?.[index] ?? 0) & FLAGS_KNOWN }))
}

function compact(peers: readonly Endpoint[]): Uint8Array {
  return concatBytes(peers.map((peer) => encodeCompact(peer) ?? new Uint8Array(0)))
}
