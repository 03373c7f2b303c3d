/**
 * Torrents of the kit's own making, straight from BEP 3, 47 and 52: deterministic content in memory and the
 * metainfo over it as v1, v2 or hybrid. `piece(index)` is what a peer must send for that index in any format.
 * Invariant: nothing here is shared with the product, so a wrong reading of a BEP shows as a difference.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Bencodable, type BencodedDictionary, bdecode, bencode, rawMember } from './bencode.ts'
import { writeTree } from './trees.ts'

export type Format = 'v1' | 'v2' | 'hybrid'
export interface FixtureOptions {
  /** The torrent's name; for a single file also the file's name. */
  name?: string
  /**
   * Relative path to length, or to the very content. One entry whose path equals `name`
   * is a single-file torrent.
   */
  files?: Record<string, number | Buffer>
  pieceLength?: number
  format?: Format
  /** v1 with BEP 47 pad files, none after the last file. */
  align?: boolean
  trackers?: string[]
  private?: boolean
  seed?: string
}
interface Piece {
  readonly content: Buffer
}
export interface TorrentFixture {
  readonly name: string
  readonly format: Format
  /** The whole .torrent. */
  readonly bytes: Buffer
  readonly infoBytes: Buffer
  readonly infoHashV1: Buffer | undefined
  readonly infoHashV2: Buffer | undefined
  /** The 20 bytes of a handshake: v1 if there is one. */
  readonly infoHash: Buffer
  readonly pieceLength: number
  readonly pieceCount: number
  /** Bytes of real files. */
  readonly contentLength: number
  readonly files: ReadonlyMap<string, Buffer>
  readonly isSingleFile: boolean
  piece(index: number): Buffer
  magnet(extra?: string): string
  /** Writes the content so that `folder` is what `--dir` names; returns `folder`. */
  writeContent(folder: string): string
  /** Writes `folder/NAME.torrent` and returns its path. */
  writeTorrent(folder: string): string
}

const BLOCK = 16384
const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest()
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

/** `length` bytes that depend only on `label`: AES-CTR over zeros, so that no two pieces are alike. */
export function deterministicBytes(label: string, length: number): Buffer {
  const key = createHash('md5').update(label).digest()
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** Root of the BEP 52 tree over `leaves`, filled up to `width` leaves with `pad`. */
export function merkleRoot(leaves: Buffer[], width: number, pad: Buffer): Buffer {
  let level = [...leaves]
  while (level.length < width) level.push(pad)
  while (level.length > 1) {
    const next: Buffer[] = []
    for (let i = 0; i < level.length; i += 2)
      next.push(sha256(Buffer.concat([level[i] as Buffer, level[i + 1] as Buffer])))
    level = next
  }
  return level[0] as Buffer
}

function powerOfTwoAtLeast(count: number): number {
  let width = 1
  while (width < count) width *= 2
  return width
}

function fileTree(content: Buffer, pieceLength: number): { root: Buffer; layer: Buffer | undefined } {
  const zero = Buffer.alloc(32)
  const leaves: Buffer[] = []
  for (let at = 0; at < content.length; at += BLOCK) leaves.push(sha256(content.subarray(at, at + BLOCK)))
  if (content.length <= pieceLength)
    return { root: merkleRoot(leaves, powerOfTwoAtLeast(leaves.length), zero), layer: undefined }
  const blocksPerPiece = pieceLength / BLOCK
  const nodes: Buffer[] = []
  for (let at = 0; at < leaves.length; at += blocksPerPiece)
    nodes.push(merkleRoot(leaves.slice(at, at + blocksPerPiece), blocksPerPiece, zero))
  const padPiece = merkleRoot([], blocksPerPiece, zero)
  return {
    root: merkleRoot(nodes, powerOfTwoAtLeast(nodes.length), padPiece),
    layer: Buffer.concat(nodes),
  }
}

/** Byte order per path component, the order libtorrent uses for v2 trees and Shoal for all. */
export function comparePaths(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = Buffer.compare(Buffer.from(left[i] as string), Buffer.from(right[i] as string))
    if (order !== 0) return order
  }
  return left.length - right.length
}

interface Layout {
  entries: { path: string[]; length: number; pad: boolean }[]
  stream: Buffer
}

function v1Layout(files: [string, Buffer][], pieceLength: number, align: boolean): Layout {
  const entries: Layout['entries'] = []
  const parts: Buffer[] = []
  files.forEach(([path, content], index) => {
    entries.push({ path: path.split('/'), length: content.length, pad: false })
    parts.push(content)
    const gap = (pieceLength - (content.length % pieceLength)) % pieceLength
    if (!align || gap === 0 || index === files.length - 1) return
    entries.push({ path: ['.pad', String(gap)], length: gap, pad: true })
    parts.push(Buffer.alloc(gap))
  })
  return { entries, stream: Buffer.concat(parts) }
}

function slices(content: Buffer, length: number): Piece[] {
  const found: Piece[] = []
  for (let at = 0; at < content.length; at += length)
    found.push({ content: content.subarray(at, at + length) })
  return found
}

function v2Members(files: [string, Buffer][], pieceLength: number) {
  const layers = new Map<string, Bencodable>()
  const tree = new Map<string, Bencodable>()
  for (const [path, content] of files) {
    let at = tree
    for (const part of path.split('/')) {
      const key = Buffer.from(part).toString('latin1')
      if (!at.has(key)) at.set(key, new Map<string, Bencodable>())
      at = at.get(key) as Map<string, Bencodable>
    }
    if (content.length === 0) {
      at.set('', { length: 0 })
      continue
    }
    const { root, layer } = fileTree(content, pieceLength)
    at.set('', { length: content.length, 'pieces root': root })
    if (layer) layers.set(root.toString('latin1'), layer)
  }
  return { tree, layers }
}

function v1Members(layout: Layout, isSingleFile: boolean, pieces: Piece[]): Record<string, Bencodable> {
  const hashes = Buffer.concat(pieces.map((piece) => sha1(piece.content)))
  if (isSingleFile) return { length: layout.stream.length, pieces: hashes }
  const files = layout.entries.map((entry): Bencodable => {
    const row = { length: entry.length, path: entry.path as Bencodable[] }
    return entry.pad ? { ...row, attr: 'p' } : row
  })
  return { files, pieces: hashes }
}

/** A torrent over deterministic content. Default: 300,000 bytes in three files, pieces of 32 KiB, v1. */
export function torrentFixture(options: FixtureOptions = {}): TorrentFixture {
  const { name = 'fixture', pieceLength = 32768, format = 'v1', align = format === 'hybrid' } = options
  const wanted = options.files ?? { 'a.bin': 100_000, 'b/c.bin': 150_000, 'd.bin': 50_000 }
  const files = Object.entries(wanted)
    .map(([path, what]): [string, Buffer] => [
      path,
      typeof what === 'number' ? deterministicBytes(`${options.seed ?? name}/${path}`, what) : what,
    ])
    .sort((a, b) => comparePaths(a[0], b[0]))
  const isSingleFile = files.length === 1 && files[0]?.[0] === name
  const layout = v1Layout(files, pieceLength, align)
  const pieces =
    format === 'v2'
      ? files.flatMap(([, content]) => slices(content, pieceLength))
      : slices(layout.stream, pieceLength)
  const { tree, layers } = v2Members(format === 'v1' ? [] : files, pieceLength)
  const info = bencode({
    name,
    'piece length': pieceLength,
    private: options.private ? 1 : undefined,
    ...(format === 'v2' ? {} : v1Members(layout, isSingleFile, pieces)),
    ...(format === 'v1' ? {} : { 'file tree': tree, 'meta version': 2 }),
  })
  const outer: [string, Buffer][] = [['info', info]]
  if (options.trackers?.[0]) outer.unshift(['announce', bencode(options.trackers[0])])
  if ((options.trackers?.length ?? 0) > 1)
    outer.splice(1, 0, ['announce-list', bencode((options.trackers ?? []).map((url) => [url]))])
  if (format !== 'v1') outer.push(['piece layers', bencode(layers)])
  const members = outer.flatMap(([key, raw]) => [bencode(key), raw])
  const bytes = Buffer.concat([Buffer.from('d'), ...members, Buffer.from('e')])
  return fixture({ name, format, bytes, info, pieceLength, pieces, files, isSingleFile })
}

/**
 * A torrent somebody else made over files that are known: its infohash from its own bytes, its pieces cut as
 * it says, so that a fake peer can serve it. v1 and hybrid.
 */
export function torrentFrom(bytes: Buffer, content: (path: string) => Buffer): TorrentFixture {
  const info = rawMember(bytes, 'info')
  const members = bdecode(info) as BencodedDictionary
  const name = String(members.get('name'))
  const pieceLength = Number(members.get('piece length'))
  const rows = members.get('files') as BencodedDictionary[] | undefined
  const parts: Buffer[] = []
  const files: [string, Buffer][] = []
  for (const row of rows ?? [new Map([...members, ['path', [Buffer.from(name)]]])]) {
    const isPad = String(row.get('attr') ?? '').includes('p')
    const path = (row.get('path') as Buffer[]).join('/')
    parts.push(isPad ? Buffer.alloc(Number(row.get('length'))) : content(path))
    if (!isPad) files.push([path, parts.at(-1) as Buffer])
  }
  const format = members.has('file tree') ? 'hybrid' : 'v1'
  const pieces = slices(Buffer.concat(parts), pieceLength)
  return fixture({ name, format, bytes, info, pieceLength, pieces, files, isSingleFile: rows === undefined })
}

interface Parts {
  name: string
  format: Format
  bytes: Buffer
  info: Buffer
  pieceLength: number
  pieces: Piece[]
  files: [string, Buffer][]
  isSingleFile: boolean
}

function fixture({
  name,
  format,
  bytes,
  info,
  pieceLength,
  pieces,
  files,
  isSingleFile,
}: Parts): TorrentFixture {
  const infoHashV1 = format === 'v2' ? undefined : sha1(info)
  const infoHashV2 = format === 'v1' ? undefined : sha256(info)
  return {
    name,
    format,
    bytes,
    infoBytes: info,
    infoHashV1,
    infoHashV2,
    infoHash: infoHashV1 ?? (infoHashV2 as Buffer).subarray(0, 20),
    pieceLength,
    pieceCount: pieces.length,
    contentLength: files.reduce((sum, [, content]) => sum + content.length, 0),
    files: new Map(files),
    isSingleFile,
    piece: (index) => (pieces[index] as Piece).content,
    magnet: (extra = '') => {
      const v1 = infoHashV1 ? `xt=urn:btih:${infoHashV1.toString('hex')}` : ''
      const v2 = infoHashV2 ? `xt=urn:btmh:1220${infoHashV2.toString('hex')}` : ''
      return `magnet:?${[v1, v2].filter(Boolean).join('&')}${extra}`
    },
    writeContent: (folder) => {
      writeTree(isSingleFile ? folder : join(folder, name), files)
      return folder
    },
    writeTorrent: (folder) => {
      writeFileSync(join(folder, `${name}.torrent`), bytes)
      return join(folder, `${name}.torrent`)
    },
  }
}
