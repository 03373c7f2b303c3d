/** Torrent files: whatever is read has safe names, places without overlap and as many hashes as pieces. */
import { fromLatin1, toLatin1 } from '../../../src/base/text.ts'
import { nodeCrypto } from '../../../src/nodejs/node-crypto.ts'
import type { Format } from '../../../src/wire/metainfo.ts'
import { type Metainfo, parseInfoDictionary, parseMetainfo } from '../../../src/wire/metainfo.ts'
import { buildInfo, encodeMetainfo, placeFiles } from '../../../src/wire/metainfo-writer.ts'

const PIECE_LENGTH = 16 * 1024

export default {
  name: 'metainfo',

  seeds: (): Uint8Array[] => [
    torrent('v1'),
    torrent('v2'),
    torrent('hybrid'),
    fromLatin1(
      'd13:announce-listll1:aee4:infod5:filesld4:attr1:l6:lengthi0e4:pathl1:ae12:symlink pathl2:..1:beed6:lengthi9e10:path.utf-8l3:a/be4:pathl1:beee4:name2:..12:piece lengthi9e6:pieces20:aaaaaaaaaaaaaaaaaaaae8:url-list8:http://ae',
    ),
    fromLatin1(
      'd4:infod6:lengthi1e4:name1:a12:piece lengthi256000e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1eee',
    ),
  ],

  run(bytes: Uint8Array): void {
    const metainfo = parseMetainfo(bytes, nodeCrypto)
    if (!metainfo.ok) return
    check(metainfo.value)
    const alone = parseInfoDictionary(metainfo.value.infoBytes, nodeCrypto)
    if (!alone.ok) throw new Error(`the info dictionary alone is refused: ${alone.error.message}`)
    if (alone.value.pieceCount !== metainfo.value.pieceCount) throw new Error('alone it has other pieces')
  },
}

function check(metainfo: Metainfo): void {
  checkName(metainfo.name)
  const paths = new Set<string>()
  let next = 0
  let length = 0
  for (const file of metainfo.files) {
    if (file.path.length === 0) throw new Error('a file without a path')
    for (const component of [...file.path, ...(file.symlink ?? [])]) checkName(component)
    if (file.offset < next) throw new Error('files overlap')
    next = file.offset + file.length
    if (file.isPad) continue
    if (paths.has(file.path.join('/'))) throw new Error('two files have one path')
    paths.add(file.path.join('/'))
    length += file.length
    const pieceCount = Math.ceil(file.length / metainfo.pieceLength)
    if (file.pieceLayer !== null && file.pieceLayer.length !== 32 * pieceCount)
      throw new Error('a layer of another length')
    if (metainfo.format !== 'v1' && file.length > 0 && file.piecesRoot?.length !== 32)
      throw new Error('a file without root')
    if (metainfo.format !== 'v1' && file.length > 0 && file.offset % metainfo.pieceLength !== 0)
      throw new Error('a file that begins inside a piece')
  }
  if (length !== metainfo.contentLength || next > metainfo.pieceCount * metainfo.pieceLength)
    throw new Error('lengths differ')
  if ((metainfo.format === 'v2') !== (metainfo.pieceHashesV1 === null)) throw new Error('v1 hashes of v2')
  if (metainfo.pieceHashesV1 !== null && metainfo.pieceHashesV1.length !== 20 * metainfo.pieceCount)
    throw new Error('more or fewer hashes than pieces')
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\\\p{Control}\u202e]/u.test(name))
    throw new Error(`unsafe name ${JSON.stringify(name)}`)
}

function torrent(format: Format): Uint8Array {
  const files = placeFiles(
    [
      { path: [fromLatin1('a'), fromLatin1('b.txt')], length: 2 * PIECE_LENGTH + 5 },
      { path: [fromLatin1('empty')], length: 0 },
      { path: [fromLatin1('z')], length: 7, isExecutable: true },
    ],
    PIECE_LENGTH,
    format !== 'v1',
  )
  const last = files.at(-1)!
  const info = buildInfo(
    {
      format,
      name: fromLatin1('folder'),
      isSingleFile: false,
      pieceLength: PIECE_LENGTH,
      files,
      hashes: {
        pieceHashesV1: new Uint8Array(20 * Math.ceil((last.offset + last.length) / PIECE_LENGTH)).fill(1),
        pieceLayers: files.map((file) =>
          file.isPad || file.length === 0
            ? null
            : new Uint8Array(32 * Math.ceil(file.length / PIECE_LENGTH)).fill(2),
        ),
      },
    },
    nodeCrypto,
  )
  if (!info.ok) throw new Error(toLatin1(fromLatin1(info.error.message)))
  return encodeMetainfo(info.value, { trackers: [['http://a/'], ['udp://b:1']], comment: 'c' })
}
