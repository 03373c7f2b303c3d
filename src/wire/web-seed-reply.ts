/**
 * What the head of an HTTP reply means to somebody who asked a web seed for a range of a file (RFC 9110,
 * BEP 19): where the wanted bytes begin in the body, or why there are none.
 * A server that knows no ranges sends the whole file with status 200; that is taken while no more than
 * `webSeedSkippedBytesMax` stand before the bytes that are wanted.
 */
import { LIMITS } from '../base/limits.ts'
import { type Fault, ok, type Result } from '../base/result.ts'

export interface WebSeedReplyHead {
  readonly status: number
  readonly contentRange: string | undefined
  readonly contentEncoding: string | undefined
  readonly contentLength: string | undefined
  readonly retryAfter: string | undefined
}

/** Codes `web-seed/...`, each of which `swarm/web-seed.ts` knows what to do about. */
export interface WebSeedFault extends Fault {
  /** How long the server asks to be left alone. */
  readonly retryAfterSeconds?: number
}

/** Bytes of the body that come before those wanted, and how many wanted ones it has at most. */
export interface RangeBody {
  readonly skip: number
  readonly length: number
}

/**
 * @param offset of the range that was asked for, in a file of `fileLength` bytes
 */
export function readRangeReply(
  head: WebSeedReplyHead,
  offset: number,
  length: number,
  fileLength: number,
): Result<RangeBody, WebSeedFault> {
  if (head.status !== 200 && head.status !== 206) return { ok: false, error: refusal(head) }
  const encoding = head.contentEncoding ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity')
    return fault('web-seed/encoded', 'it packs what it sends, though asked not to')
  return head.status === 206
    ? partial(head, offset, length, fileLength)
    : whole(head, offset, length, fileLength)
}

function partial(
  { contentRange = '' }: WebSeedReplyHead,
  offset: number,
  length: number,
  fileLength: number,
): Result<RangeBody, WebSeedFault> {
  const match = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)\s*$/i.exec(contentRange)
  if (match === null) return fault('web-seed/wrong-range', 'it sends a part without saying which')
  const [first, last] = [Number(match[1]), Number(match[2])]
  if (match[3] !== '*' && Number(match[3]) !== fileLength) return wrongLength(match[3]!, fileLength)
  if (first !== offset || last < first || last >= offset + length)
    return fault('web-seed/wrong-range', 'it sends another part of a file than was asked for')
  return ok({ skip: 0, length: last - first + 1 })
}

function whole(
  { contentLength }: WebSeedReplyHead,
  offset: number,
  length: number,
  fileLength: number,
): Result<RangeBody, WebSeedFault> {
  if (contentLength !== undefined && contentLength.trim() !== String(fileLength))
    return wrongLength(contentLength, fileLength)
  if (offset > LIMITS.webSeedSkippedBytesMax.value)
    return fault('web-seed/no-ranges', 'it cannot send a part of a file, only the whole')
  return ok({ skip: offset, length })
}

function wrongLength(length: string, fileLength: number): Result<RangeBody, WebSeedFault> {
  const shown = length.trim().slice(0, 20)
  return fault('web-seed/wrong-file', `its file has ${shown} bytes instead of ${fileLength}`)
}

function refusal({ status, retryAfter = '' }: WebSeedReplyHead): WebSeedFault {
  const message = `it answers with HTTP status ${status}`
  if ([403, 404, 410].includes(status)) return { code: 'web-seed/file-missing', message }
  if (status === 416) return { code: 'web-seed/wrong-file', message: `${message}: its file is shorter` }
  if (status === 429 || status === 503) {
    const wait = /^\s*(\d{1,9})\s*$/.exec(retryAfter)
    return { code: 'web-seed/busy', message, ...(wait && { retryAfterSeconds: Number(wait[1]) }) }
  }
  if (status >= 500 || status === 408) return { code: 'web-seed/failed', message }
  return { code: 'web-seed/refused', message }
}

function fault(code: string, message: string): Result<RangeBody, WebSeedFault> {
  return { ok: false, error: { code, message } }
}
