/**
 * `shoal_stats`, an extension message of ours (BEP 10): one peer asks another for its counters, of its
 * present id or of all ids it has had at that address. docs/protocol/services.md.
 * Invariant: of a reply at most `countersMax` counters are read, each a count that is exact in a double.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, fromLatin1 } from '../base/text.ts'
import { type BValue, decodeBencode, encodeBencode, getBytes, getDict, getInteger } from './bencode.ts'

/** Its name in extension handshakes. */
export const STATS_EXTENSION = 'shoal_stats'

export interface StatsQuery {
  /** Of all ids the peer has had at this address, not of its present one only. */
  readonly allIds: boolean
}

export interface StatsReply {
  /** 20 bytes: the present one. */
  readonly peerId: Uint8Array
  /** How many ids the counts are of. */
  readonly ids: number
  /** By name (`swarm/counters.ts`), in the sender's order. */
  readonly counters: ReadonlyMap<string, number>
}

const NAME = /^[a-z][a-z0-9_]{0,63}$/

export function encodeStatsQuery({ allIds }: StatsQuery): Uint8Array {
  return encodeBencode({ all_ids: allIds ? 1 : 0 })
}

/** What cannot be understood asks for the present id. */
export function decodeStatsQuery(bytes: Uint8Array): StatsQuery {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  const isDict = decoded.ok && decoded.value.kind === 'dict'
  return { allIds: isDict && getInteger(decoded.value, 'all_ids') === 1 }
}

export function encodeStatsReply({ peerId, ids, counters }: StatsReply): Uint8Array {
  return encodeBencode({ counters: counters as ReadonlyMap<string, BValue>, ids, peer_id: peerId })
}

/** A peer that does not tell this one its counters. */
export function encodeStatsRefusal(): Uint8Array {
  return encodeBencode({ error: 'not-for-you' })
}

/** Fails with `wire/bad-stats`, and `stats/refused` when the peer does not tell. */
export function decodeStatsReply(bytes: Uint8Array): Result<StatsReply> {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  if (!decoded.ok || decoded.value.kind !== 'dict') return bad()
  const dict = decoded.value
  if (decodeUtf8(getBytes(dict, 'error') ?? fromLatin1('none')) === 'not-for-you')
    return fail(
      'stats/refused',
      'the peer does not tell you its counters',
      'It tells its own machine and its local network.',
    )
  const peerId = getBytes(dict, 'peer_id')
  const ids = getInteger(dict, 'ids') ?? 0
  const entries = getDict(dict, 'counters')
  if (peerId?.length !== 20 || ids < 1 || entries === undefined) return bad()
  const counters = new Map<string, number>()
  for (const [key, value] of entries.members()) {
    if (counters.size >= LIMITS.countersMax.value) break
    const name = decodeUtf8(key) ?? ''
    const isCount = value.kind === 'integer' && typeof value.value === 'number' && value.value >= 0
    if (NAME.test(name) && isCount) counters.set(name, value.value as number)
  }
  return ok({ peerId: peerId.slice(), ids, counters })
}

function bad(): ReturnType<typeof fail> {
  return fail('wire/bad-stats', 'the peer answered something that are no counters')
}
