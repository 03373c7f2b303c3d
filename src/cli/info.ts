/**
 * `shoal info`: what a `.torrent` file or a magnet link says. With `--json` one event for each
 * file, with `--pieces` one for each piece, and last an `info` event with everything else; people
 * get the same as lines and a table.
 */
import { toHex } from '../base/bytes.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { Geometry } from '../swarm/geometry.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { formatMagnet, type Magnet, parseMagnet } from '../wire/magnet.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import type { Output } from './output.ts'
import { shareLink } from './share-link.ts'
import { readTorrent } from './torrent-source.ts'
import { formatBytes } from './units.ts'

/** SHA-1 can be made to collide, so that one piece passes for another (S11). */
const HASHES = {
  v1: 'SHA-1 only: whoever made the torrent could have made two contents for it',
  v2: 'SHA-256',
  hybrid: 'SHA-1 and SHA-256',
}

/** One line for people; those without a value are left out. */
type Line = readonly [label: string, value: string | number | null | undefined]

export async function run({ args, options, output }: CommandContext): Promise<number> {
  const [source] = args as [string]
  if (/^magnet:/i.test(source)) showMagnet(readMagnet(source), output)
  else showTorrent(readTorrent(source, output), options.pieces === true, output)
  return 0
}

function readMagnet(link: string): Magnet {
  const magnet = parseMagnet(link)
  if (!magnet.ok) throw ShoalError.from(magnet.error)
  return magnet.value
}

function showMagnet(magnet: Magnet, output: Output): void {
  const { name, trackers, webSeeds, exactSources, selectOnly } = magnet
  const peers = magnet.peers.map(formatEndpoint)
  const hashes = hexHashes(magnet)
  showLines(output, [
    ['name', name],
    ...hashLines(hashes),
    ...trackers.map((url): Line => ['tracker', url]),
    ...webSeeds.map((url): Line => ['web seed', url]),
    ...exactSources.map((url): Line => ['source', url]),
    ...peers.map((address): Line => ['peer', address]),
    [
      'files wanted',
      selectOnly.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(', '),
    ],
  ])
  output.event(
    {
      event: 'info',
      name: name ?? null,
      ...hashes,
      trackers,
      webSeeds,
      exactSources,
      peers,
      selectOnly,
      magnet: formatMagnet(magnet),
    },
    '',
  )
}

function showTorrent(metainfo: Metainfo, hasPieces: boolean, output: Output): void {
  const geometry = new Geometry(metainfo, MERKLE_BLOCK_LENGTH)
  const info = infoEvent(metainfo)
  showLines(output, infoLines(metainfo, info))
  showFiles(metainfo, geometry, output)
  if (hasPieces) showPieces(metainfo, geometry, output)
  output.event(info, '')
}

function infoEvent(metainfo: Metainfo) {
  const { name, format, contentLength: bytes, pieceLength, pieceCount: pieces, trackers, webSeeds } = metainfo
  return {
    event: 'info',
    name,
    format,
    ...hexHashes(metainfo),
    bytes,
    pieceLength,
    pieces,
    files: contentFiles(metainfo).length,
    aligned: metainfo.files.every(
      (file) => file.isPad || file.length === 0 || file.offset % pieceLength === 0,
    ),
    private: metainfo.private,
    tracker: trackers[0]?.[0] ?? null,
    trackers,
    webSeeds,
    comment: metainfo.comment ?? null,
    createdBy: metainfo.createdBy ?? null,
    creationDate: metainfo.creationDate ?? null,
    magnet: shareLink(metainfo),
  } as const
}

function infoLines(metainfo: Metainfo, info: ReturnType<typeof infoEvent>): Line[] {
  return [
    ['name', info.name],
    ...hashLines(info),
    ['format', info.format],
    ['hashes', HASHES[info.format]],
    ['size', `${formatBytes(info.bytes)} (${info.bytes} B)`],
    ['pieces', `${info.pieces} of ${info.pieceLength} B`],
    ['files', info.files],
    ['aligned', info.aligned ? 'yes' : 'no'],
    ['private', info.private ? 'yes' : undefined],
    ...metainfo.trackers.map((tier): Line => ['tracker', tier.join(', ')]),
    ...info.webSeeds.map((url): Line => ['web seed', url]),
    ['comment', info.comment],
    ['created by', info.createdBy],
    ['created', dateText(info.creationDate)],
    ['magnet', info.magnet],
  ]
}

/** ISO 8601; nothing for a date that no calendar has. */
function dateText(seconds: number | null): string | undefined {
  const date = new Date((seconds ?? Number.NaN) * 1000)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().replace('.000', '')
}

function contentFiles(metainfo: Metainfo) {
  return [...metainfo.files.entries()].filter(([, file]) => !file.isPad)
}

function showFiles(metainfo: Metainfo, geometry: Geometry, output: Output): void {
  const rows: (string | number)[][] = []
  for (const [index, file] of contentFiles(metainfo)) {
    const { first, end } = geometry.filePieces(index)
    const path = file.path.join('/')
    const link = file.symlink?.join('/')
    const piecesRoot = file.piecesRoot && toHex(file.piecesRoot)
    const event = {
      event: 'file',
      index,
      path,
      length: file.length,
      offset: file.offset,
      firstPiece: first,
      pieces: end - first,
      piecesRoot,
    }
    const attributes = {
      executable: file.isExecutable === true,
      symlink: link ?? null,
      sha1: file.sha1 ? toHex(file.sha1) : null,
    }
    output.event({ ...event, ...attributes }, '')
    rows.push([first, file.length, link === undefined ? path : `${path} -> ${link}`])
  }
  output.text('')
  output.table(
    [
      { title: 'first piece', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'file', isFlexible: true },
    ],
    rows,
  )
}

function showPieces(metainfo: Metainfo, geometry: Geometry, output: Output): void {
  const { pieceHashesV1, pieceCount, infoHashV2 } = metainfo
  output.text('')
  for (let piece = 0; piece < pieceCount; piece++) {
    const sha1 = pieceHashesV1 && toHex(pieceHashesV1.subarray(20 * piece, 20 * (piece + 1)))
    const merkle = infoHashV2 === null ? undefined : geometry.merkleHash(piece)
    const sha256 = merkle === undefined ? null : toHex(merkle)
    output.event(
      { event: 'piece', piece, length: geometry.pieceSize(piece), sha1, sha256 },
      [piece, sha1, sha256].filter((text) => text !== null).join(' '),
    )
  }
}

function hexHashes({ infoHashV1, infoHashV2 }: Pick<Metainfo, 'infoHashV1' | 'infoHashV2'>) {
  return { infoHash: infoHashV1 && toHex(infoHashV1), infoHashV2: infoHashV2 && toHex(infoHashV2) }
}

function hashLines({ infoHash, infoHashV2 }: ReturnType<typeof hexHashes>): Line[] {
  return [
    ['infohash', infoHash],
    ['infohash v2', infoHashV2],
  ]
}

function showLines(output: Output, lines: readonly Line[]): void {
  for (const [label, value] of lines)
    if (value !== undefined && value !== null && value !== '') output.text(`${label}: ${value}`)
}
