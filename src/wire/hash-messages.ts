/**
 * The messages of BEP 52 by which peers hand on hashes of a file's tree: hash request, hashes, hash reject.
 * All begin with the same 48 bytes, the request, by which answers are known.
 * Invariant: what decodes has these lengths; whether the range lies in a tree is for `merkle.ts` to say.
 */
import { concatBytes, readUint32, toHex, writeUint32 } from '../base/bytes.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type HashRange, MERKLE_HASH_LENGTH } from './merkle.ts'

const REQUEST_LENGTH = 48

/** Hashes of one tree that are asked for. */
export interface HashRequest extends HashRange {
  /** 32 bytes: `pieces root` of the file. */
  readonly root: Uint8Array
}

export interface Hashes {
  readonly request: HashRequest
  /** The base hashes, then the uncles from the lowest up; a view of the message. */
  readonly hashes: Uint8Array
}

export function encodeHashRequest(request: HashRequest): Uint8Array {
  const bytes = new Uint8Array(REQUEST_LENGTH)
  bytes.set(request.root)
  const { baseLayer, index, count, proofLayers } = request
  for (const [at, field] of [baseLayer, index, count, proofLayers].entries())
    writeUint32(bytes, MERKLE_HASH_LENGTH + 4 * at, field)
  return bytes
}

export function encodeHashes({ request, hashes }: Hashes): Uint8Array {
  return concatBytes([encodeHashRequest(request), hashes])
}

/** @param payload of a hash request or hash reject: 48 bytes, as the frame reader checked; borrowed */
export function decodeHashRequest(payload: Uint8Array): HashRequest {
  return {
    root: payload.slice(0, MERKLE_HASH_LENGTH),
    baseLayer: readUint32(payload, 32),
    index: readUint32(payload, 36),
    count: readUint32(payload, 40),
    proofLayers: readUint32(payload, 44),
  }
}

/** Fails with `wire/bad-length`. @param payload of a hashes message, borrowed */
export function decodeHashes(payload: Uint8Array): Result<Hashes> {
  const length = payload.length - REQUEST_LENGTH
  if (length < 0 || length % MERKLE_HASH_LENGTH !== 0)
    return fail('wire/bad-length', `hashes with ${payload.length} bytes of payload`)
  return ok({ request: decodeHashRequest(payload), hashes: payload.subarray(REQUEST_LENGTH) })
}

/** Equal requests have equal keys. */
export function hashRequestKey({ root, baseLayer, index, count, proofLayers }: HashRequest): string {
  return `${toHex(root)} ${baseLayer} ${index} ${count} ${proofLayers}`
}
