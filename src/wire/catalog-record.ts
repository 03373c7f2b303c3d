/**
 * What a publisher says of a library: the record of a catalog. It is a bencoded dictionary in canonical form,
 * signed with the publisher's Ed25519 key (RFC 8032) over a prefix of our own and those very bytes. A tracker
 * hands on the bytes it was given and cannot change a word; whoever reads them checks the signature again.
 *
 *     d files, key (32 bytes), name, piece length, pieces, seq, size, v = 1,
 *       and where there is something to say:
 *       about, placeholder, previews, private, sample, tags, v1, v2 e
 *
 * Bounded by catalogRecordBytesMax as a whole and by the limits below in its parts. The list of files is not
 * in it, only the first few for people (`sample`); it stands in the torrent that the infohash names.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { encodeUtf8 } from '../base/text.ts'
import {
  type BDict,
  type BNode,
  decodeBencode,
  encodeBencode,
  getBytes,
  getInteger,
  getList,
  getString,
} from './bencode.ts'
import { safeLine } from './file-names.ts'

export const PUBLISHER_KEY_LENGTH = 32
export const SIGNATURE_LENGTH = 64
const HASH_LENGTH = 32
const SIGNED_PREFIX = encodeUtf8('shoal catalog record 1\0')
const VERSION = 1

export interface SampleFile {
  /** Components joined by `/`, for people only. */
  readonly path: string
  readonly length: number
}

export interface CatalogRecord {
  /** The publisher's public key, 32 bytes. */
  readonly publisher: Uint8Array
  /** Milliseconds since 1970; of two records of a publisher about one library the higher counts. */
  readonly sequence: number
  readonly name: string
  readonly description: string
  readonly tags: readonly string[]
  /** 20 bytes; one of the two hashes is there. */
  readonly infoHashV1: Uint8Array | null
  /** 32 bytes. */
  readonly infoHashV2: Uint8Array | null
  readonly pieceLength: number
  readonly pieceCount: number
  /** Bytes of all files, without padding. */
  readonly size: number
  readonly fileCount: number
  readonly sample: readonly SampleFile[]
  /** SHA-256 of each small picture. */
  readonly previews: readonly Uint8Array[]
  /** A ThumbHash of the first picture, shown until it is there. */
  readonly placeholder: Uint8Array | null
  readonly isPrivate: boolean
}

export function encodeCatalogRecord(record: CatalogRecord): Uint8Array {
  const { infoHashV1, infoHashV2, placeholder, description, tags, sample, previews } = record
  return encodeBencode({
    about: description || undefined,
    files: record.fileCount,
    key: record.publisher,
    name: record.name,
    'piece length': record.pieceLength,
    pieces: record.pieceCount,
    placeholder: placeholder ?? undefined,
    previews: previews.length > 0 ? previews : undefined,
    private: record.isPrivate ? 1 : undefined,
    sample: sample.length > 0 ? sample.map(({ path, length }) => [path, length]) : undefined,
    seq: record.sequence,
    size: record.size,
    tags: tags.length > 0 ? tags : undefined,
    v: VERSION,
    v1: infoHashV1 ?? undefined,
    v2: infoHashV2 ?? undefined,
  })
}

/** What the signature is over. */
export function signedBytes(record: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(SIGNED_PREFIX.length + record.length)
  bytes.set(SIGNED_PREFIX)
  bytes.set(record, SIGNED_PREFIX.length)
  return bytes
}

/**
 * Fails with `catalog/bad-record`. Says nothing about the signature. Text comes out as one safe line each.
 */
export function decodeCatalogRecord(bytes: Uint8Array): Result<CatalogRecord> {
  if (bytes.length > LIMITS.catalogRecordBytesMax.value) return bad('the record is too long')
  const decoded = decodeBencode(bytes)
  if (!decoded.ok || decoded.value.kind !== 'dict') return bad('the record is not canonical bencode')
  const dict = decoded.value
  if (getInteger(dict, 'v') !== VERSION) return bad('the record is of another version')
  const publisher = getBytes(dict, 'key')
  if (publisher?.length !== PUBLISHER_KEY_LENGTH) return bad('the record names no publisher')
  const infoHashV1 = getBytes(dict, 'v1') ?? null
  const infoHashV2 = getBytes(dict, 'v2') ?? null
  if (infoHashV1 === null && infoHashV2 === null) return bad('the record names no infohash')
  if ((infoHashV1?.length ?? 20) !== 20 || (infoHashV2?.length ?? 32) !== 32)
    return bad('the infohash has the wrong length')
  const name = safeLine(getString(dict, 'name') ?? '')
  if (name === '' || name.length > LIMITS.catalogNameMax.value) return bad('the name is missing or too long')
  const counts = readCounts(dict)
  if (counts === undefined) return bad('size, files or pieces do not fit one another')
  const lists = readLists(dict)
  if (lists === undefined) return bad('description, tags, files or pictures are too many or too long')
  const sequence = count(dict, 'seq')
  if (sequence === undefined) return bad('the record has no sequence number')
  const isPrivate = getInteger(dict, 'private') === 1
  return ok({ publisher, sequence, name, infoHashV1, infoHashV2, isPrivate, ...counts, ...lists })
}

function readCounts(
  dict: BDict,
): Pick<CatalogRecord, 'size' | 'fileCount' | 'pieceCount' | 'pieceLength'> | undefined {
  const size = count(dict, 'size')
  const fileCount = count(dict, 'files')
  const pieceCount = count(dict, 'pieces')
  const pieceLength = count(dict, 'piece length')
  if (size === undefined || fileCount === undefined || pieceCount === undefined || pieceLength === undefined)
    return undefined
  const isPossible =
    fileCount >= 1 &&
    fileCount <= LIMITS.filesMax.value &&
    pieceCount <= LIMITS.piecesMax.value &&
    pieceLength >= 1 &&
    pieceLength <= LIMITS.pieceLengthMax.value &&
    // Padding may add pieces, and never takes any away.
    pieceCount >= Math.ceil(size / pieceLength)
  return isPossible ? { size, fileCount, pieceCount, pieceLength } : undefined
}

function readLists(
  dict: BDict,
): Pick<CatalogRecord, 'description' | 'tags' | 'sample' | 'previews' | 'placeholder'> | undefined {
  const description = safeLine(getString(dict, 'about') ?? '')
  const tags = whole((getList(dict, 'tags')?.items ?? []).map(textOf))
  const sample = whole((getList(dict, 'sample')?.items ?? []).map(sampleOf))
  const previews = whole((getList(dict, 'previews')?.items ?? []).map(hashOf))
  if (tags === undefined || sample === undefined || previews === undefined) return undefined
  const placeholder = getBytes(dict, 'placeholder') ?? null
  const isBounded =
    description.length <= LIMITS.catalogDescriptionMax.value &&
    tags.length <= LIMITS.catalogTagsMax.value &&
    sample.length <= LIMITS.catalogSampleMax.value &&
    previews.length <= LIMITS.catalogPreviewsMax.value &&
    (placeholder?.length ?? 0) <= LIMITS.catalogPlaceholderBytesMax.value
  const hasTags = tags.every((tag) => tag !== '' && tag.length <= LIMITS.catalogTagMax.value)
  if (!isBounded || !hasTags) return undefined
  return { description, tags, sample, previews, placeholder }
}

/** The items, when every one of them could be read. */
function whole<T>(items: readonly (T | undefined)[]): readonly T[] | undefined {
  return items.includes(undefined) ? undefined : (items as readonly T[])
}

function hashOf(node: BNode): Uint8Array | undefined {
  return node.kind === 'string' && node.bytes.length === HASH_LENGTH ? node.bytes : undefined
}

function textOf(node: BNode): string | undefined {
  return node.kind === 'string' ? safeLine(node.bytes) : undefined
}

function sampleOf(node: BNode): SampleFile | undefined {
  const [path, length] = node.kind === 'list' ? node.items : []
  const text = path && textOf(path)
  if (text === undefined || length?.kind !== 'integer' || typeof length.value !== 'number') return undefined
  return length.value < 0 ? undefined : { path: text, length: length.value }
}

function count(dict: BDict, key: string): number | undefined {
  const value = getInteger(dict, key)
  return value !== undefined && value >= 0 ? value : undefined
}

function bad(message: string): ReturnType<typeof fail> {
  return fail('catalog/bad-record', message)
}

const WITHDRAWN_PREFIX = encodeUtf8('shoal catalog withdrawal 1\0')

/**
 * What the signature of a withdrawal is over: the record that is to go, so that it says
 * nothing of a later one.
 */
export function encodeWithdrawal(record: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(WITHDRAWN_PREFIX.length + record.length)
  bytes.set(WITHDRAWN_PREFIX)
  bytes.set(record, WITHDRAWN_PREFIX.length)
  return bytes
}
