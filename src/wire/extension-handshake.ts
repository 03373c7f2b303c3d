/**
 * The first message of the extension protocol (BEP 10): names of further messages and facts about the sender.
 * BEP 21 adds `upload_only`. Unknown keys are ignored; a field of the wrong type counts as absent.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8 } from '../base/text.ts'
import { type BValue, decodeBencode, encodeBencode, getBytes, getDict, getInteger } from './bencode.ts'

export interface ExtensionHandshake {
  /** Extension name -> the id the sender wants it under. 0 switches an extension off. */
  readonly messages: ReadonlyMap<string, number>
  /** Name and version of the program, cut to 64 characters. */
  readonly client: string | undefined
  /** TCP port on which the sender listens. */
  readonly listenPort: number | undefined
  /** Requests the sender is willing to queue. */
  readonly requestQueueLength: number | undefined
  readonly isUploadOnly: boolean
  /** Bytes of the info dictionary (BEP 9). */
  readonly metadataSize: number | undefined
  /**
   * Bytes of neighbouring blocks that it takes in one `piece` message, and that may be asked of it in one
   * request. Ours (docs/decisions/0022-long-messages.md); undefined: a block at a time.
   */
  readonly longMessageBytes?: number | undefined
}

const CLIENT_CHARACTERS_MAX = 64
const MESSAGES_MAX = 64

export function encodeExtensionHandshake(handshake: ExtensionHandshake): Uint8Array {
  const fields: { [key: string]: BValue | undefined } = {
    m: new Map(handshake.messages),
    v: handshake.client,
    p: handshake.listenPort,
    reqq: handshake.requestQueueLength,
    metadata_size: handshake.metadataSize,
    long_message: handshake.longMessageBytes,
    upload_only: handshake.isUploadOnly ? 1 : undefined,
  }
  return encodeBencode(fields as BValue)
}

export function decodeExtensionHandshake(bytes: Uint8Array): Result<ExtensionHandshake> {
  const decoded = decodeBencode(bytes, { allowTrailing: true, lenient: true })
  if (!decoded.ok) return decoded
  const dict = decoded.value
  if (dict.kind !== 'dict')
    return fail('wire/bad-extension-handshake', 'the extension handshake is no dictionary')
  const messages = new Map<string, number>()
  const names = getDict(dict, 'm')
  for (const [name, id] of names?.entries ?? []) {
    if (messages.size >= MESSAGES_MAX) break
    if (id.kind === 'integer' && typeof id.value === 'number' && id.value >= 0 && id.value < 256)
      messages.set(name, id.value)
  }
  const client = getBytes(dict, 'v')
  const port = getInteger(dict, 'p')
  return ok({
    messages,
    client: client && decodeUtf8(client)?.slice(0, CLIENT_CHARACTERS_MAX),
    listenPort: port !== undefined && port > 0 && port < 65_536 ? port : undefined,
    requestQueueLength: within(getInteger(dict, 'reqq'), 1, 1_000_000),
    isUploadOnly: (getInteger(dict, 'upload_only') ?? 0) > 0,
    metadataSize: within(getInteger(dict, 'metadata_size'), 1, LIMITS.metainfoBytesMax.value),
    longMessageBytes: within(getInteger(dict, 'long_message'), 1, 0xffff_ffff),
  })
}

function within(value: number | undefined, low: number, high: number): number | undefined {
  return value !== undefined && value >= low && value <= high ? value : undefined
}
