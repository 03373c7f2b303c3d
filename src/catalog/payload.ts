/**
 * Payload strings: any text of at most 1 MiB, known by an id that everybody computes alike, because it is the
 * infohash of the one torrent that `payloadTorrent` makes of its UTF-8 bytes (decisions/0012): hybrid, one
 * file, pieces of 16 KiB, a name that follows from the content, no `private`, nothing else.
 * Invariant: id, chunks and hashes depend on the text alone. Changing anything here changes every id there
 * is.
 */
import { concatBytes, toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, encodeUtf8, fromLatin1 } from '../base/text.ts'
import { encodeBencode } from '../wire/bencode.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import { buildInfo, type InfoDictionary, placeFiles } from '../wire/metainfo-writer.ts'
import { CHUNK_CHARACTERS, chunkOffsets } from '../wire/payload-chunks.ts'

/** Bytes; a piece is one block, so a v2 piece hash is the hash of its bytes. */
export const PAYLOAD_PIECE_LENGTH = MERKLE_BLOCK_LENGTH

const STEP_CHUNKS = 4096

/** What every reply about a payload says of its hashes. */
export const PAYLOAD_HASHING = { chunkSize: CHUNK_CHARACTERS, hash: 'sha256' } as const

export interface PayloadTorrent {
  /** 64 hex digits: the v2 infohash. */
  readonly id: string
  /** 40 hex digits: the v1 infohash, by which swarms and older clients know it. */
  readonly infoHash: string
  /** Of the one file. */
  readonly name: string
  readonly info: InfoDictionary
}

/**
 * UTF-8 of a payload. Fails with `payload/too-large` and `payload/not-text` (a surrogate without its other
 * half, which no UTF-8 can say).
 * @param encode the platform may be faster
 */
export function payloadBytes(text: string, encode = encodeUtf8): Result<Uint8Array> {
  if (text.length > LIMITS.payloadBytesMax.value) return tooLarge()
  if (/\p{Surrogate}/u.test(text)) return notText()
  const bytes = encode(text)
  return bytes.length > LIMITS.payloadBytesMax.value ? tooLarge() : ok(bytes)
}

/** The same of bytes that are said to be UTF-8. */
export function payloadText(bytes: Uint8Array): Result<string> {
  if (bytes.length > LIMITS.payloadBytesMax.value) return tooLarge()
  const text = decodeUtf8(bytes)
  return text === undefined ? notText() : ok(text)
}

/** @param bytes well-formed UTF-8 */
export function payloadTorrent(bytes: Uint8Array, crypto: Crypto): PayloadTorrent {
  const name = `payload-${toHex(crypto.sha256(bytes).subarray(0, 8))}.txt`
  const info = bytes.length === 0 ? emptyInfo(name, crypto) : hybridInfo(name, bytes, crypto)
  return { id: toHex(info.infoHashV2!), infoHash: toHex(info.infoHashV1!), name, info }
}

/** SHA-256 of each chunk, 32 bytes each, in order. */
export function chunkDigests(bytes: Uint8Array, crypto: Crypto): Uint8Array {
  const work = digestChunks(bytes, crypto)
  for (let step = work.next(); ; step = work.next()) if (step.done) return step.value
}

/** The same in steps of a few milliseconds, for those who have others to serve: 1 MiB takes half a second. */
export function* digestChunks(bytes: Uint8Array, crypto: Crypto): Generator<undefined, Uint8Array> {
  const offsets = chunkOffsets(bytes)
  const digests = new Uint8Array((offsets.length - 1) * 32)
  for (let chunk = 0; chunk + 1 < offsets.length; chunk++) {
    digests.set(crypto.sha256(bytes.subarray(offsets[chunk], offsets[chunk + 1])), chunk * 32)
    if (chunk % STEP_CHUNKS === STEP_CHUNKS - 1) yield
  }
  return digests
}

/** 64 hex digits: SHA-256 of the chunks' digests in hex, one after the other, as the original did. */
export function rootHash(digests: Uint8Array, crypto: Crypto): string {
  return toHex(crypto.sha256(fromLatin1(toHex(digests))))
}

/** One entry of 64 hex digits for each chunk, in order. */
export function chunkHashes(digests: Uint8Array): string[] {
  return Array.from({ length: digests.length / 32 }, (_, i) => toHex(digests.subarray(i * 32, i * 32 + 32)))
}

export function isPayloadId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text)
}

function hybridInfo(name: string, bytes: Uint8Array, crypto: Crypto): InfoDictionary {
  const pieces = Array.from({ length: Math.ceil(bytes.length / PAYLOAD_PIECE_LENGTH) }, (_, piece) =>
    bytes.subarray(piece * PAYLOAD_PIECE_LENGTH, (piece + 1) * PAYLOAD_PIECE_LENGTH),
  )
  const path = [encodeUtf8(name)]
  const built = buildInfo(
    {
      format: 'hybrid',
      name: encodeUtf8(name),
      isSingleFile: true,
      pieceLength: PAYLOAD_PIECE_LENGTH,
      files: placeFiles([{ path, length: bytes.length }], PAYLOAD_PIECE_LENGTH, true),
      hashes: {
        pieceHashesV1: concatBytes(pieces.map((piece) => crypto.sha1(piece))),
        pieceLayers: [concatBytes(pieces.map((piece) => crypto.sha256(piece)))],
      },
    },
    crypto,
  )
  if (!built.ok) throw new Error(built.error.message)
  return built.value
}

/**
 * The empty payload has the infohash of the dictionary that the rule gives for no bytes at all. No client
 * takes that for a torrent, so nothing is ever transferred: whoever knows the id has the payload.
 */
function emptyInfo(name: string, crypto: Crypto): InfoDictionary {
  const infoBytes = encodeBencode({
    'file tree': new Map([[name, new Map([['', { length: 0 }]])]]),
    length: 0,
    'meta version': 2,
    name,
    'piece length': PAYLOAD_PIECE_LENGTH,
    pieces: new Uint8Array(0),
  })
  return {
    infoBytes,
    infoHashV1: crypto.sha1(infoBytes),
    infoHashV2: crypto.sha256(infoBytes),
    pieceLayersBytes: null,
  }
}

function tooLarge(): ReturnType<typeof fail> {
  return fail(
    'payload/too-large',
    `a payload has at most ${LIMITS.payloadBytesMax.value} bytes of UTF-8`,
    'Share a file instead: `shoal share FILE`.',
  )
}

function notText(): ReturnType<typeof fail> {
  return fail('payload/not-text', 'a payload is text in UTF-8', 'Share a file instead: `shoal share FILE`.')
}
