/**
 * The messages of BEP 9, by which peers hand on the info dictionary: a request for a part of 16 KiB,
 * the part, or a refusal. They travel in extension messages (BEP 10) as a small dictionary; a part
 * follows the dictionary it belongs to.
 * Invariant: what decodes names a part that some info dictionary of `metadataBytesMax` can have.
 */
import { concatBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeBencodePrefix, encodeBencode, getInteger } from './bencode.ts'

/** Its name in extension handshakes. */
export const UT_METADATA = 'ut_metadata'

/** The number under which we want these messages. */
export const UT_METADATA_ID = 2

/** BEP 9. Only the last part is shorter. */
export const METADATA_PART_LENGTH = 16 * 1024

export type MetadataMessage =
  | { readonly kind: 'request'; readonly part: number }
  | {
      readonly kind: 'data'
      readonly part: number
      /** Bytes of the whole info dictionary; undefined when the sender left it out. */
      readonly totalSize: number | undefined
      /** At most 16 KiB, borrowed. */
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'reject'; readonly part: number }

const TYPES = ['request', 'data', 'reject'] as const

export function metadataPartCount(size: number): number {
  return Math.ceil(size / METADATA_PART_LENGTH)
}

export function encodeMetadataMessage(message: MetadataMessage): Uint8Array {
  const head = { msg_type: TYPES.indexOf(message.kind), piece: message.part }
  if (message.kind !== 'data') return encodeBencode(head)
  const size = message.totalSize === undefined ? {} : { total_size: message.totalSize }
  return concatBytes([encodeBencode({ ...head, ...size }), message.bytes])
}

/**
 * Undefined for a type that is not known, which BEP 9 has us ignore. Fails with `bencode/...` and
 * `wire/bad-metadata-message`.
 * @param bytes borrowed; the part of a `data` message is a view of them
 */
export function decodeMetadataMessage(bytes: Uint8Array): Result<MetadataMessage | undefined> {
  const decoded = decodeBencodePrefix(bytes)
  if (!decoded.ok) return decoded
  const { node, end } = decoded.value
  if (node.kind !== 'dict') return bad('has no dictionary')
  const type = getInteger(node, 'msg_type')
  if (type === undefined) return bad('has no type')
  const kind = TYPES[type]
  if (kind === undefined) return ok(undefined)
  const part = getInteger(node, 'piece') ?? -1
  if (part < 0 || part >= metadataPartCount(LIMITS.metadataBytesMax.value)) return bad('names no part')
  if (kind !== 'data') return ok({ kind, part })
  const data = bytes.subarray(end)
  if (data.length === 0 || data.length > METADATA_PART_LENGTH) return bad('has a part of impossible length')
  return ok({ kind, part, totalSize: getInteger(node, 'total_size'), bytes: data })
}

function bad(what: string): ReturnType<typeof fail> {
  return fail('wire/bad-metadata-message', `a metadata message ${what}`)
}
