/**
 * `shoal_claims`, an extension message of ours (BEP 10): "I believe that the chunk at this position of this
 * payload is this", many at once, and one Boolean for each in reply. docs/protocol/services.md.
 * What a claim says is compared as bytes, so any bytes may be claimed; a position may be any integer, those
 * outside the payload are simply false. What has no payload id, or another shape, is `corrupted`.
 * Invariant: of a query at most `claimsPerQueryMax` claims are kept.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import {
  type BDict,
  type BValue,
  decodeBencode,
  encodeBencode,
  getBytes,
  getInteger,
  getList,
  getString,
} from './bencode.ts'

/** Its name in extension handshakes. */
export const CLAIMS_EXTENSION = 'shoal_claims'

export interface Claim {
  /** Which chunk, from 0; what no chunk can have (negative, huge) is allowed and false. */
  readonly position: number
  /** UTF-8 of what the chunk is said to be. */
  readonly chunk: Uint8Array
}

export interface ClaimsQuery {
  /** 32 bytes, the payload's id, or 20, the v1 infohash of its torrent. */
  readonly payload: Uint8Array
  readonly claims: readonly Claim[]
}

/** Why a query was not answered. */
export type ClaimsRefusal = 'corrupted' | 'too-many-claims' | 'busy'
const REFUSALS: ReadonlySet<string> = new Set<ClaimsRefusal>(['corrupted', 'too-many-claims', 'busy'])

export type ClaimsReply =
  | {
      readonly kind: 'answered'
      /** The peer holds the whole payload, verified. */
      readonly isHeld: boolean
      /** One for each claim, in their order; empty when the payload is not held. */
      readonly results: readonly boolean[]
    }
  | { readonly kind: 'refused'; readonly reason: ClaimsRefusal }

export function encodeClaimsQuery({ payload, claims }: ClaimsQuery): Uint8Array {
  return encodeBencode({ claims: claims.map(({ position, chunk }) => ({ chunk, position })), payload })
}

/** The query, or why it is refused. @param bytes borrowed; chunks are copied */
export function decodeClaimsQuery(bytes: Uint8Array): ClaimsQuery | ClaimsRefusal {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  if (!decoded.ok || decoded.value.kind !== 'dict') return 'corrupted'
  const payload = getBytes(decoded.value, 'payload')
  const list = getList(decoded.value, 'claims')
  if (list === undefined || (payload?.length !== 20 && payload?.length !== 32)) return 'corrupted'
  const claims: Claim[] = []
  for (const item of list.members()) {
    if (claims.length >= LIMITS.claimsPerQueryMax.value) return 'too-many-claims'
    const claim = item.kind === 'dict' ? readClaim(item) : undefined
    if (claim === undefined) return 'corrupted'
    claims.push(claim)
  }
  return { payload: payload.slice(), claims }
}

export function encodeClaimsReply(reply: ClaimsReply): Uint8Array {
  if (reply.kind === 'refused') return encodeBencode({ error: reply.reason })
  const { isHeld, results } = reply
  return encodeBencode({ chunk_available: isHeld ? 1 : 0, results: results.map(Number) } as BValue)
}

/** Fails with `wire/bad-claims`. */
export function decodeClaimsReply(bytes: Uint8Array): Result<ClaimsReply> {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  if (!decoded.ok || decoded.value.kind !== 'dict') return bad()
  const error = getString(decoded.value, 'error')
  if (error !== undefined)
    return REFUSALS.has(error) ? ok({ kind: 'refused', reason: error as ClaimsRefusal }) : bad()
  const held = getInteger(decoded.value, 'chunk_available')
  const results = getList(decoded.value, 'results')
  if (held === undefined || results === undefined) return bad()
  const said: boolean[] = []
  for (const item of results.members()) {
    if (item.kind !== 'integer' || said.length >= LIMITS.claimsPerQueryMax.value) return bad()
    said.push(item.value === 1)
  }
  return ok({ kind: 'answered', isHeld: held === 1, results: said })
}

/** Positions too large for a double are as false as any other that no chunk has. */
function readClaim(dict: BDict): Claim | undefined {
  const position = dict.get('position')
  const chunk = getBytes(dict, 'chunk')
  if (position?.kind !== 'integer' || chunk === undefined) return undefined
  return { position: typeof position.value === 'number' ? position.value : -1, chunk: chunk.slice() }
}

function bad(): ReturnType<typeof fail> {
  return fail('wire/bad-claims', 'the peer answered something that is no answer to claims')
}
