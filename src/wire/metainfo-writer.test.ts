import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BencodedDictionary, bdecode, bencode } from '../../test/kit/bencode.ts'
import { type TorrentFixture, torrentFixture } from '../../test/kit/torrent-fixture.ts'
import { toHex } from '../base/bytes.ts'
import { encodeUtf8, fromLatin1, toLatin1 } from '../base/text.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { MERKLE_BLOCK_LENGTH, MERKLE_HASH_LENGTH, merkleRoot } from './merkle.ts'
import { type Format, parseMetainfo } from './metainfo.ts'
import {
  buildInfo,
  type ContentFile,
  encodeMetainfo,
  type InfoDictionary,
  type PlacedFile,
  placeFiles,
} from './metainfo-writer.ts'

const PIECE = 32 * 1024

function places(files: readonly PlacedFile[]): string[] {
  return files.map(({ path, offset, length }) => `${textOf(path)} ${offset} ${length}`)
}

function content(...files: [path: string, length: number][]): ContentFile[] {
  // Text and bytes in turns: both are names.
  return files.map(([path, length], index) => {
    const names = path.split('/')
    return { path: index % 2 === 0 ? names : names.map(encodeUtf8), length }
  })
}

/** The info dictionary over the content of a fixture, hashed here. */
function infoOf(fixture: TorrentFixture, format: Format, change: { private?: boolean } = {}): InfoDictionary {
  const placed = placeFiles(
    content(...[...fixture.files].map(([path, bytes]): [string, number] => [path, bytes.length])),
    fixture.pieceLength,
    format !== 'v1',
  )
  const bytesOf = (file: PlacedFile) =>
    file.isPad ? Buffer.alloc(file.length) : fixture.files.get(textOf(file.path))!
  const stream = Buffer.concat(placed.map(bytesOf))
  const info = buildInfo(
    {
      format,
      name: encodeUtf8(fixture.name),
      isSingleFile: fixture.isSingleFile,
      pieceLength: fixture.pieceLength,
      files: placed,
      hashes: {
        pieceHashesV1: Buffer.concat(slices(stream, fixture.pieceLength).map((piece) => sha('sha1', piece))),
        pieceLayers: placed.map((file) =>
          file.isPad || file.length === 0 ? null : layerOf(bytesOf(file), fixture.pieceLength),
        ),
      },
      ...change,
    },
    nodeCrypto,
  )
  if (!info.ok) throw new Error(info.error.code)
  return info.value
}

function textOf(path: PlacedFile['path']): string {
  return path.map((part) => Buffer.from(part).toString()).join('/')
}

function layerOf(bytes: Buffer, pieceLength: number): Uint8Array {
  const roots = slices(bytes, pieceLength).map((piece) => {
    const blocks = Buffer.concat(slices(piece, MERKLE_BLOCK_LENGTH).map((block) => sha('sha256', block)))
    const width = bytes.length > pieceLength ? pieceLength / MERKLE_BLOCK_LENGTH : undefined
    return merkleRoot(blocks, nodeCrypto, 0, width)
  })
  return new Uint8Array(Buffer.concat(roots))
}

function slices(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
    bytes.subarray(i * length, (i + 1) * length),
  )
}

function sha(algorithm: string, bytes: Uint8Array): Buffer {
  return createHash(algorithm).update(bytes).digest()
}

describe('placing', () => {
  test('orders by raw bytes of each component', () => {
    const files = content(
      ['b', 1],
      ['a/z', 1],
      ['a b', 1],
      ['a.txt', 1],
      ['ä', 1],
      ['B', 1],
      ['a/y/x', 1],
      ['日', 1],
    )
    expect(
      places(placeFiles(files, PIECE, false)).map((place) => place.split(' ').slice(0, -2).join(' ')),
    ).toEqual(['B', 'a/y/x', 'a/z', 'a b', 'a.txt', 'b', 'ä', '日'])
  })

  test('pads up to the next file with bytes, not after the last', () => {
    const files = content(['a', 1], ['b', 0], ['c', PIECE], ['d', PIECE + 1], ['e', 5], ['f', 0])
    expect(places(placeFiles(files, PIECE, true))).toEqual([
      'a 0 1',
      'b 1 0',
      '.pad/32767 1 32767',
      'c 32768 32768',
      'd 65536 32769',
      '.pad/32767 98305 32767',
      'e 131072 5',
      'f 131077 0',
    ])
    expect(places(placeFiles(files, PIECE, false))).toEqual([
      'a 0 1',
      'b 1 0',
      'c 1 32768',
      'd 32769 32769',
      'e 65538 5',
      'f 65543 0',
    ])
  })

  test('aligned files begin pieces, whatever the piece length', () => {
    const lengths = fc.array(fc.nat({ max: 1_000_000 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(lengths, fc.constantFrom(16_384, 256_000, 1_048_576), (list, pieceLength) => {
        const placed = placeFiles(
          content(...list.map((length, i): [string, number] => [`${i}`, length])),
          pieceLength,
          true,
        )
        let next = 0
        for (const file of placed) {
          expect(file.offset).toBe(next)
          next += file.length
          if (!file.isPad && file.length > 0) expect(file.offset % pieceLength).toBe(0)
          if (file.isPad) expect(file.length).toBeLessThan(pieceLength)
        }
        expect(placed.findLast((file) => file.length > 0)?.isPad ?? false).toBe(false)
      }),
    )
  })
})

describe.each<Format>(['v1', 'v2', 'hybrid'])('a %s info dictionary', (format) => {
  test.each([
    ['folder', torrentFixture({ format })],
    ['one file', torrentFixture({ format, name: 'x', files: { x: 3 * PIECE + 1 } })],
    ['one short file', torrentFixture({ format, name: 'x', files: { x: 20_000 } })],
    ['folder with one file', torrentFixture({ format, name: 'f', files: { x: 20_000 } })],
    [
      'many shapes',
      torrentFixture({ format, files: { 'a/b/c': PIECE, 'a/b.c': 0, 'a b': 2 * PIECE, z: 1, ä: 40_000 } }),
    ],
  ])('over a %s is byte for byte the one that the test kit makes from the BEPs', (_, fixture) => {
    const info = infoOf(fixture, format)
    expect(Buffer.from(info.infoBytes)).toEqual(fixture.infoBytes)
    expect(info.infoHashV1 === null ? undefined : toHex(info.infoHashV1)).toBe(
      fixture.infoHashV1?.toString('hex'),
    )
    expect(info.infoHashV2 === null ? undefined : toHex(info.infoHashV2)).toBe(
      fixture.infoHashV2?.toString('hex'),
    )
    const parsed = parseMetainfo(encodeMetainfo(info, {}), nodeCrypto)
    expect(parsed.ok && parsed.value).toMatchObject({
      format,
      warnings: [],
      isSingleFile: fixture.isSingleFile,
    })
  })

  test('is that of a private torrent when asked', () => {
    const fixture = torrentFixture({ format, private: true })
    expect(Buffer.from(infoOf(fixture, format, { private: true }).infoBytes)).toEqual(fixture.infoBytes)
  })
})

describe('info dictionaries', () => {
  function build(files: ContentFile[], format: Format = 'v1') {
    const placed = placeFiles(files, PIECE, format !== 'v1')
    const last = placed.at(-1)
    const pieceCount = last === undefined ? 0 : Math.ceil((last.offset + last.length) / PIECE)
    return buildInfo(
      {
        format,
        name: encodeUtf8('n'),
        isSingleFile: false,
        pieceLength: PIECE,
        files: placed,
        hashes: {
          pieceHashesV1: new Uint8Array(20 * pieceCount),
          pieceLayers: placed.map((file) =>
            file.isPad || file.length === 0
              ? null
              : new Uint8Array(MERKLE_HASH_LENGTH * Math.ceil(file.length / PIECE)).fill(1),
          ),
        },
      },
      nodeCrypto,
    )
  }

  test('mark executable files in both halves, as libtorrent does', () => {
    const files = content(['a', 1], ['b', PIECE]).map((file) => ({
      ...file,
      isExecutable: file.length === 1,
    }))
    const info = build(files, 'hybrid')
    const root = '\x01'.repeat(32)
    expect(info.ok && toLatin1(info.value.infoBytes)).toBe(
      `d9:file treed1:ad0:d4:attr1:x6:lengthi1e11:pieces root32:${root}ee1:bd0:d6:lengthi32768e11:pieces root32:${root}eee` +
        '5:filesld4:attr1:x6:lengthi1e4:pathl1:aeed4:attr1:p6:lengthi32767e4:pathl4:.pad5:32767eed6:lengthi32768e4:pathl1:beee' +
        `12:meta versioni2e4:name1:n12:piece lengthi32768e6:pieces40:${'\0'.repeat(40)}e`,
    )
  })

  test('refuse a path that stands twice or is file and folder', () => {
    for (const format of ['v1', 'v2', 'hybrid'] as const)
      for (const files of [
        content(['a', 1], ['a', 2]),
        content(['a', 1], ['a/b', 1]),
        content(['a/b', 1], ['a', 0]),
      ]) {
        const info = build(files, format)
        expect(info.ok ? undefined : info.error.code).toBe('metainfo/name-conflict')
      }
  })

  test('refuse content without a byte', () => {
    for (const files of [content(), content(['a', 0])]) {
      const info = build(files)
      expect(info.ok ? undefined : info.error.code).toBe('metainfo/no-content')
    }
  })

  test('keep names byte for byte', () => {
    const raw = fromLatin1('\xff\xfe..\\\n')
    const info = build([{ path: [raw], length: 1 }])
    const parsed = info.ok ? parseMetainfo(encodeMetainfo(info.value, {}), nodeCrypto) : info
    expect(parsed.ok && parsed.value.files[0]!.rawPath).toEqual([raw])
  })

  test('share the layer of equal files', () => {
    const info = build(content(['a', 2 * PIECE], ['b', 2 * PIECE]), 'v2')
    const parsed = info.ok ? parseMetainfo(encodeMetainfo(info.value, {}), nodeCrypto) : info
    expect(parsed.ok && parsed.value.files.map(({ pieceLayer }) => pieceLayer?.length)).toEqual([64, 64])
  })
})

describe('around the info dictionary', () => {
  const info = infoOf(torrentFixture(), 'v1')
  const decoded = (announcement: Parameters<typeof encodeMetainfo>[1]) => {
    const root = bdecode(Buffer.from(encodeMetainfo(info, announcement)))
    if (!(root instanceof Map)) throw new Error('no dictionary')
    root.delete('info')
    return root
  }

  test('stands what was asked for and nothing else', () => {
    expect(decoded({})).toEqual(new Map())
    expect(
      decoded({
        trackers: [['http://a/']],
        webSeeds: ['http://w/'],
        comment: 'ä',
        createdBy: 'me',
        creationDate: 7,
      }),
    ).toEqual(
      new Map<string, unknown>([
        ['announce', Buffer.from('http://a/')],
        ['comment', Buffer.from('ä')],
        ['created by', Buffer.from('me')],
        ['creation date', 7],
        ['url-list', Buffer.from('http://w/')],
      ]),
    )
  })

  test('tiers and several web seeds are lists', () => {
    const root = decoded({
      trackers: [[], ['http://a/', 'http://b/'], ['http://c/']],
      webSeeds: ['http://w/', 'http://v/'],
    })
    expect(root.get('announce')).toEqual(Buffer.from('http://a/'))
    expect(root.get('announce-list')).toEqual([
      [Buffer.from('http://a/'), Buffer.from('http://b/')],
      [Buffer.from('http://c/')],
    ])
    expect(root.get('url-list')).toEqual([Buffer.from('http://w/'), Buffer.from('http://v/')])
  })

  test('is read back as it was', () => {
    const announcement = {
      trackers: [['http://a/', 'http://b/'], ['udp://c:1']],
      webSeeds: ['http://w/', 'http://v/'],
      comment: 'x',
      createdBy: 'y',
      creationDate: 1,
    }
    const parsed = parseMetainfo(encodeMetainfo(info, announcement), nodeCrypto)
    expect(parsed.ok && parsed.value).toMatchObject({ ...announcement, infoHashV1: info.infoHashV1 })
  })
})

describe('the file tree', () => {
  type Tree = Map<string, unknown>
  const name = fc.constantFrom('a', 'a.b', 'ab', 'b', 'é', 'z')
  const file = fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
    length: fc.constantFrom(0, 1, PIECE),
    isExecutable: fc.boolean(),
  })
  const files = fc.uniqueArray(file, { minLength: 1, maxLength: 12, selector: ({ path }) => path })

  function built(found: readonly { path: string; length: number; isExecutable: boolean }[]) {
    const named = content(...found.map(({ path, length }): [string, number] => [path, length]))
    const marked = named.map((one, index) => ({ ...one, isExecutable: found[index]!.isExecutable }))
    const placed = placeFiles(marked, PIECE, true)
    const pieceLayers = placed.map(({ isPad, length }, index) =>
      isPad || length === 0 ? null : Buffer.alloc(MERKLE_HASH_LENGTH, index + 1),
    )
    const about = { format: 'v2', name: encodeUtf8('x'), isSingleFile: false, pieceLength: PIECE } as const
    const info = buildInfo({ ...about, files: placed, hashes: { pieceLayers } }, nodeCrypto)
    return { placed, pieceLayers, info }
  }

  test('has every file in its folder, in the order of raw names, whatever the names', () => {
    fc.assert(
      fc.property(files, (found) => {
        const { placed, pieceLayers, info } = built(found)
        if (!info.ok) return
        const tree: Tree = new Map()
        for (const [index, { path, length, isPad, isExecutable }] of placed.entries()) {
          if (isPad) continue
          const keys = path.map((part) => Buffer.from(part).toString('latin1'))
          let folder = tree
          for (const key of keys.slice(0, -1)) {
            if (!folder.has(key)) folder.set(key, new Map())
            folder = folder.get(key) as Tree
          }
          const leaf: Tree = new Map(isExecutable ? [['attr', Buffer.from('x')]] : [])
          leaf.set('length', length)
          if (length > 0) leaf.set('pieces root', pieceLayers[index])
          folder.set(keys.at(-1)!, new Map([['', leaf]]))
        }
        const bytes = Buffer.from(info.value.infoBytes)
        const decoded = bdecode(bytes) as BencodedDictionary
        expect(decoded.get('file tree')).toEqual(tree)
        expect(bencode(decoded).equals(bytes)).toBe(true)
      }),
    )
  })

  test('is refused exactly where a file stands twice, is a folder too, or there is no byte', () => {
    fc.assert(
      fc.property(files, (found) => {
        const paths = found.map(({ path }) => path)
        const isTorn = paths.some((path) => paths.some((other) => other.startsWith(`${path}/`)))
        const isEmpty = found.every(({ length }) => length === 0)
        expect(built(found).info.ok).toBe(!isTorn && !isEmpty)
      }),
    )
  })
})
