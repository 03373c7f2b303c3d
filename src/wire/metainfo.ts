/**
 * What a `.torrent` file says, checked: format v1 (BEP 3), v2 (BEP 52) or hybrid, with padding files and
 * attributes of BEP 47, tiers (BEP 12), web seeds (BEP 19) and the private flag (BEP 27).
 * Invariants: an infohash is always over the original bytes of the info dictionary; every name that
 * leaves here has been through the name policy (`file-names.ts`); piece layers that are present have
 * been checked against their roots.
 */
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail, ok, type Result } from '../base/result.ts'
import { decodeBencode, getDict } from './bencode.ts'
import { readAnnouncement } from './metainfo-announcement.ts'
import { readInfo } from './metainfo-info.ts'
import { attachPieceLayers } from './piece-layers.ts'

export type Format = 'v1' | 'v2' | 'hybrid'

/** One file in the linear piece space. */
export interface FileEntry {
  /** Safe components below the torrent's folder; of a single-file torrent just its name. */
  readonly path: readonly string[]
  /** The components as they stand in the file, where they are not `path` in UTF-8; none for padding. */
  readonly rawPath: readonly Uint8Array[] | undefined
  /** Bytes. */
  readonly length: number
  /**
   * First byte in piece space. In v2 every file begins at a piece boundary and the gap
   * before it belongs to no file.
   */
  readonly offset: number
  /** A run of zeros that fills a piece and is never written (BEP 47). */
  readonly isPad: boolean
  /**
   * Where a link points, as safe components below the torrent's folder. Links hold no
   * bytes and are not created.
   */
  readonly symlink?: readonly string[]
  readonly isExecutable?: boolean
  readonly isHidden?: boolean
  /** 20 bytes over the whole file (BEP 47). */
  readonly sha1?: Uint8Array
  /** 32 bytes: root of the file's merkle tree; null in v1, for padding and for empty files. */
  readonly piecesRoot: Uint8Array | null
  /**
   * 32 bytes for each piece of the file; null when absent or when the file is one piece
   * and the root is its hash.
   */
  readonly pieceLayer: Uint8Array | null
}

export interface Metainfo {
  readonly format: Format
  /** Safe to show and to use as a file name. */
  readonly name: string
  /** The name as it stands in the file. */
  readonly rawName: Uint8Array
  /** 20 bytes. */
  readonly infoHashV1: Uint8Array | null
  /** 32 bytes. */
  readonly infoHashV2: Uint8Array | null
  /** The exact bytes of the info dictionary, as served to peers (BEP 9). */
  readonly infoBytes: Uint8Array
  readonly pieceLength: number
  readonly pieceCount: number
  /** Bytes of real files, without padding. */
  readonly contentLength: number
  /** In wire order, padding included. */
  readonly files: readonly FileEntry[]
  /** The content stands at DIR/name instead of DIR/name/path. */
  readonly isSingleFile: boolean
  /** 20 bytes for each piece. */
  readonly pieceHashesV1: Uint8Array | null
  readonly private: boolean
  /** Announce addresses in tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[]
  /** HTTP addresses of the same content (BEP 19). */
  readonly webSeeds: readonly string[]
  readonly comment?: string
  readonly createdBy?: string
  /** Seconds since 1970. */
  readonly creationDate?: number
  /** DHT nodes to begin with (BEP 5). */
  readonly nodes?: readonly { readonly host: string; readonly port: number }[]
  /** Odd, but loadable. */
  readonly warnings: readonly Fault[]
}

/**
 * Reads a whole `.torrent` file. The metainfo keeps views of `bytes`, which must not change afterwards.
 * Fails with `bencode/...`, `metainfo/...` or `names/...`.
 */
export function parseMetainfo(bytes: Uint8Array, crypto: Crypto): Result<Metainfo> {
  if (bytes.length > LIMITS.metainfoBytesMax.value)
    return fail('metainfo/too-large', `the torrent file has more than ${LIMITS.metainfoBytesMax.value} bytes`)
  const decoded = decodeBencode(bytes, { lenient: true, allowTrailing: true })
  if (!decoded.ok) return decoded
  const root = decoded.value
  if (root.kind !== 'dict') return fail('metainfo/no-dictionary', 'this is not a torrent file')
  const info = getDict(root, 'info')
  if (info === undefined) return fail('metainfo/missing-info', 'the torrent file has no info dictionary')
  const warnings: Fault[] = []
  if (root.end < bytes.length)
    warnings.push({
      code: 'metainfo/trailing-bytes',
      message: 'bytes after the end of the torrent are ignored',
    })
  const infoBytes = bytes.subarray(info.start, info.end)
  const fields = readInfo(info, infoBytes, crypto, warnings)
  if (!fields.ok) return fields
  const fault =
    fields.value.format === 'v1' ? undefined : attachPieceLayers(root, fields.value, crypto, warnings)
  if (fault !== undefined) return { ok: false, error: fault }
  return ok({ ...fields.value, infoBytes, ...readAnnouncement(root), warnings })
}

/**
 * Reads an info dictionary alone, as peers send it (BEP 9). The caller has checked that
 * its hash is the one wanted.
 */
export function parseInfoDictionary(infoBytes: Uint8Array, crypto: Crypto): Result<Metainfo> {
  const decoded = decodeBencode(infoBytes, { lenient: true })
  if (!decoded.ok) return decoded
  if (decoded.value.kind !== 'dict') return fail('metainfo/no-dictionary', 'this is not an info dictionary')
  const warnings: Fault[] = []
  const fields = readInfo(decoded.value, infoBytes, crypto, warnings)
  return fields.ok ? ok({ ...fields.value, infoBytes, trackers: [], webSeeds: [], warnings }) : fields
}

/**
 * The 20 bytes that stand for the torrent in handshakes and announces: the v1 infohash,
 * else the head of the v2 one.
 */
export function handshakeHash(metainfo: Pick<Metainfo, 'infoHashV1' | 'infoHashV2'>): Uint8Array {
  return metainfo.infoHashV1 ?? metainfo.infoHashV2!.subarray(0, 20)
}
