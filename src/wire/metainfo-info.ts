/**
 * Reads the info dictionary: version rules, name, piece length, files with their places, v1 piece hashes.
 * A v2 dictionary must be canonical bencode; a v1 one need not be, for the hash is over
 * its bytes as they are (S08).
 * Refuses what libtorrent 2.0 refuses, and beyond that the limits of limits.ts and hybrids
 * whose lists disagree (S09, S10).
 */
import { toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail, ok, type Result } from '../base/result.ts'
import { type BDict, getBytes, getDict, getInteger, getList, isCanonicalBencode } from './bencode.ts'
import { safeComponent, safeTorrentName } from './file-names.ts'
import type { FileEntry, Format } from './metainfo.ts'
import { type ListedFile, readFileList, readFileTree, readSingleFile } from './metainfo-files.ts'
import {
  type PlacedEntry,
  placeAligned,
  placeContiguous,
  placedEntries,
  rootsOfHybrid,
} from './metainfo-placing.ts'

/** What the info dictionary alone says. */
export interface InfoFields {
  readonly format: Format
  readonly name: string
  readonly rawName: Uint8Array
  readonly infoHashV1: Uint8Array | null
  readonly infoHashV2: Uint8Array | null
  readonly pieceLength: number
  readonly pieceCount: number
  readonly contentLength: number
  readonly files: readonly PlacedEntry[]
  readonly isSingleFile: boolean
  readonly pieceHashesV1: Uint8Array | null
  readonly private: boolean
}

const PIECE_HASH_LENGTH_V1 = 20

/** BEP 52. */
const PIECE_LENGTH_MIN_V2 = 16 * 1024

/**
 * Fails with `metainfo/...` or `names/...`.
 * @param infoBytes the bytes that `info` was read from
 * @param warnings takes what is odd but loadable
 */
export function readInfo(
  info: BDict,
  infoBytes: Uint8Array,
  crypto: Crypto,
  warnings: Fault[],
): Result<InfoFields> {
  const version = getInteger(info, 'meta version') ?? 0
  if (version > 2)
    return fail('metainfo/unknown-version', `the torrent is of version ${version}; 1 and 2 are known`)
  // libtorrent holds every dictionary that names a version to this, version 1 too.
  if (version > 0 && !isCanonicalBencode(infoBytes))
    return fail('metainfo/not-canonical', 'the info dictionary is not written in the one form that v2 allows')
  const pieceLength = readPieceLength(info, version === 2)
  if (!pieceLength.ok) return pieceLength
  const content = readContent(info, version === 2, pieceLength.value, warnings)
  if (!content.ok) return content

  const { format, isSingleFile, rawName } = content.value
  const name = safeTorrentName(rawName) ?? toHex(crypto.sha1(infoBytes))
  const listed = isSingleFile ? [{ ...content.value.files[0]!, path: [name] }] : content.value.files
  const pieceCount = countPieces(format, listed, pieceLength.value)
  if (pieceCount === 0) return fail('metainfo/no-content', 'the torrent has no bytes to share')
  if (pieceCount > LIMITS.piecesMax.value)
    return fail('metainfo/too-many-pieces', `the torrent has more than ${LIMITS.piecesMax.value} pieces`)
  const pieces = getBytes(info, 'pieces')
  if (pieces !== undefined && pieces.length !== pieceCount * PIECE_HASH_LENGTH_V1)
    return fail('metainfo/bad-pieces', 'the torrent has more or fewer piece hashes than pieces')
  const offsets = format === 'v2' ? placeAligned(listed, pieceLength.value) : placeContiguous(listed)
  const files = placedEntries(listed, offsets, content.value.roots)
  if (!files.ok) return files
  noteOddities(info, pieceLength.value, listed, files.value, warnings)
  return ok({
    format,
    name,
    rawName,
    infoHashV1: format === 'v2' ? null : crypto.sha1(infoBytes),
    infoHashV2: format === 'v1' ? null : crypto.sha256(infoBytes),
    pieceLength: pieceLength.value,
    pieceCount,
    contentLength: listed.reduce((sum, file) => (file.isPad ? sum : sum + file.length), 0),
    files: files.value,
    isSingleFile,
    pieceHashesV1: format === 'v2' ? null : pieces!,
    private: (getInteger(info, 'private') ?? 0) !== 0,
  })
}

function readPieceLength(info: BDict, isV2: boolean): Result<number> {
  const length = getInteger(info, 'piece length') ?? 0
  if (length <= 0 || length > LIMITS.pieceLengthMax.value)
    return fail('metainfo/bad-piece-length', 'the torrent has no piece length, or an impossible one')
  if (isV2 && (length < PIECE_LENGTH_MIN_V2 || !Number.isInteger(Math.log2(length))))
    return fail(
      'metainfo/bad-piece-length',
      'the piece length of a v2 torrent is a power of two from 16 KiB on',
    )
  return ok(length)
}

interface Content {
  readonly format: Format
  readonly rawName: Uint8Array
  readonly files: readonly ListedFile[]
  /** Roots of a hybrid's files, which its v1 list lacks. */
  readonly roots?: readonly (Uint8Array | null)[]
  readonly isSingleFile: boolean
}

function readContent(info: BDict, isV2: boolean, pieceLength: number, warnings: Fault[]): Result<Content> {
  const rawName = getBytes(info, 'name.utf-8') ?? getBytes(info, 'name')
  if (rawName === undefined) return fail('metainfo/missing-name', 'the torrent has no name')
  const tree = getDict(info, 'file tree')
  if (isV2 && tree === undefined) return fail('metainfo/bad-file-tree', 'the v2 torrent has no file tree')
  if (!isV2 && tree !== undefined)
    return fail('metainfo/unknown-version', 'the torrent has a file tree but does not say that it is v2')

  const list = getList(info, 'files')
  const isSingleFile = list === undefined && info.get('length') !== undefined
  const hasV1 = !isV2 || list !== undefined || isSingleFile
  const v1 = !hasV1 ? undefined : list === undefined ? readSingleFile(info, rawName) : readFileList(list)
  if (v1?.ok === false) return v1
  if (tree === undefined) return v1Content(info, rawName, v1!.value, list === undefined)

  const v2 = readFileTree(tree)
  if (!v2.ok) return v2
  if (v2.value.length === 0) return noFiles()
  if (v1 === undefined)
    return ok({ format: 'v2', rawName, files: v2.value, isSingleFile: isNamedAlike(v2.value, rawName) })
  const roots = rootsOfHybrid(v1.value, v2.value, pieceLength)
  if (roots === undefined)
    return fail('metainfo/inconsistent-hybrid', 'the v1 and v2 parts of the torrent describe different files')
  if (getBytes(info, 'pieces') !== undefined)
    return ok({ format: 'hybrid', rawName, files: v1.value, roots, isSingleFile })
  warnings.push({
    code: 'metainfo/missing-pieces',
    message: 'the v1 part of the torrent has no piece hashes and is ignored',
  })
  return ok({ format: 'v2', rawName, files: v2.value, isSingleFile })
}

function v1Content(
  info: BDict,
  rawName: Uint8Array,
  files: readonly ListedFile[],
  isSingleFile: boolean,
): Result<Content> {
  if (files.length === 0) return noFiles()
  if (getBytes(info, 'pieces') === undefined)
    return fail('metainfo/missing-pieces', 'the torrent has no piece hashes')
  return ok({ format: 'v1', rawName, files, isSingleFile })
}

/**
 * A v2 torrent does not say whether it is a single file or a folder with one; it is a folder when the names
 * differ, which is how `create` writes one. (libtorrent drops the folder.)
 */
function isNamedAlike(files: readonly ListedFile[], rawName: Uint8Array): boolean {
  const [file, second] = files
  return second === undefined && file!.path.length === 1 && file!.path[0] === safeComponent(rawName)
}

function countPieces(format: Format, files: readonly ListedFile[], pieceLength: number): number {
  let pieces = 0
  let bytes = 0
  if (format === 'v2') for (const { length } of files) pieces += Math.ceil(length / pieceLength)
  else for (const { length } of files) bytes += length
  return pieces + Math.ceil(bytes / pieceLength)
}

function noteOddities(
  info: BDict,
  pieceLength: number,
  listed: readonly ListedFile[],
  files: readonly FileEntry[],
  warnings: Fault[],
): void {
  if (!info.sorted)
    warnings.push({ code: 'metainfo/unsorted', message: 'the keys of the info dictionary are out of order' })
  if (pieceLength < PIECE_LENGTH_MIN_V2 || !Number.isInteger(Math.log2(pieceLength)))
    warnings.push({
      code: 'metainfo/odd-piece-length',
      message: `pieces of ${pieceLength} bytes are no power of two from 16 KiB on; some programs refuse them`,
    })
  const renamedCount = files.filter((file, index) => file.path !== listed[index]!.path).length
  if (renamedCount > 0)
    warnings.push({
      code: 'metainfo/renamed',
      message: `${renamedCount} files got a number, for their names were taken`,
    })
  const linkCount = files.filter((file) => file.symlink !== undefined).length
  if (linkCount > 0)
    warnings.push({ code: 'metainfo/links', message: `${linkCount} links are shown but not created` })
}

function noFiles(): ReturnType<typeof fail> {
  return fail('metainfo/no-files', 'the torrent has no files')
}
