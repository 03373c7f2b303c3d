import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bencode } from '../../test/kit/bencode.ts'
import { torrentFixture } from '../../test/kit/torrent-fixture.ts'
import type { MetainfoVector } from '../../test/vectors/make-metainfo.ts'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { encodeUtf8 } from '../base/text.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { handshakeHash, type Metainfo, parseInfoDictionary, parseMetainfo } from './metainfo.ts'

const VECTORS = join(import.meta.dirname, '../../test/vectors/metainfo')

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(join(VECTORS, file)))
}

function parse(bytes: Uint8Array): Metainfo {
  const metainfo = parseMetainfo(bytes, nodeCrypto)
  if (!metainfo.ok) throw new Error(`${metainfo.error.code}: ${metainfo.error.message}`)
  return metainfo.value
}

function faultOf(bytes: Uint8Array): string | undefined {
  const metainfo = parseMetainfo(bytes, nodeCrypto)
  return metainfo.ok ? undefined : metainfo.error.code
}

function vector(name: string): Metainfo {
  return parse(read(`${name}.torrent`))
}

describe('vectors', () => {
  const vectors = JSON.parse(readFileSync(join(VECTORS, 'index.json'), 'utf8')) as MetainfoVector[]

  test.each(vectors)('$file ($origin)', ({ file, fault, warnings, paths }) => {
    const metainfo = parseMetainfo(read(file), nodeCrypto)
    expect(metainfo.ok ? null : metainfo.error.code).toBe(fault)
    if (!metainfo.ok) {
      expect(metainfo.error.message).toMatch(/^[^\n]+$/)
      return
    }
    expect(metainfo.value.warnings.map(({ code }) => code)).toEqual(warnings)
    const files = metainfo.value.files.filter((entry) => !entry.isPad).map((entry) => entry.path.join('/'))
    if (paths !== undefined) expect(files).toEqual(paths)
  })

  test('every difference from libtorrent has its reason', () => {
    const differing = vectors.filter(({ fault, libtorrent }) => (fault === null) !== (libtorrent === 'loads'))
    expect(differing.filter(({ difference }) => difference === undefined)).toEqual([])
    // The other way round there is nothing: what libtorrent refuses is refused here.
    expect(differing.filter(({ libtorrent }) => libtorrent === 'refuses')).toEqual([])
  })
})

describe.each(['v1', 'v2', 'hybrid'] as const)('a %s torrent', (format) => {
  const files = { 'a/one': 100_000, 'a/two': 0, b: 32_768, c: 7, d: 200_001 }
  const fixture = torrentFixture({
    format,
    files,
    name: 'Ünï',
    private: true,
    trackers: ['http://a/', 'udp://b:1'],
  })
  const metainfo = parse(new Uint8Array(fixture.bytes))

  test('has the infohashes of its bytes', () => {
    const hex = (bytes: Uint8Array | undefined | null) =>
      bytes === undefined || bytes === null ? null : toHex(bytes)
    expect([hex(metainfo.infoHashV1), hex(metainfo.infoHashV2)]).toEqual([
      hex(fixture.infoHashV1),
      hex(fixture.infoHashV2),
    ])
    expect(toHex(handshakeHash(metainfo))).toBe(hex(fixture.infoHash))
    expect(handshakeHash(metainfo)).toHaveLength(20)
    expect(Buffer.from(metainfo.infoBytes)).toEqual(fixture.infoBytes)
  })

  test('has its fields', () => {
    expect(metainfo).toMatchObject({
      format,
      name: 'Ünï',
      pieceLength: 32_768,
      pieceCount: fixture.pieceCount,
      contentLength: 332_776,
      isSingleFile: false,
      private: true,
      trackers: [['http://a/'], ['udp://b:1']],
      webSeeds: [],
      warnings: [],
    })
    expect(metainfo.rawName).toEqual(encodeUtf8('Ünï'))
  })

  test('has hashes that the content passes', () => {
    const sha1 = (bytes: Uint8Array) => toHex(createHash('sha1').update(bytes).digest())
    for (let piece = 0; piece < metainfo.pieceCount && metainfo.pieceHashesV1 !== null; piece++)
      expect(toHex(metainfo.pieceHashesV1.subarray(20 * piece, 20 * piece + 20))).toBe(
        sha1(fixture.piece(piece)),
      )
    expect(metainfo.pieceHashesV1 === null).toBe(format === 'v2')
    const layers = metainfo.files.map((file) => file.pieceLayer?.length ?? 0)
    const roots = metainfo.files.map((file) => file.piecesRoot?.length ?? 0)
    expect([layers, roots]).toEqual(
      {
        v1: [
          [0, 0, 0, 0, 0],
          [0, 0, 0, 0, 0],
        ],
        v2: [
          [128, 0, 0, 0, 224],
          [32, 0, 32, 32, 32],
        ],
        hybrid: [
          [128, 0, 0, 0, 0, 0, 224],
          [32, 0, 0, 32, 32, 0, 32],
        ],
      }[format],
    )
  })

  test('has its files in their places', () => {
    const places = metainfo.files.map(
      (file) => `${file.isPad ? 'pad' : file.path.join('/')} ${file.offset} ${file.length}`,
    )
    expect(places).toEqual(
      {
        v1: ['a/one 0 100000', 'a/two 100000 0', 'b 100000 32768', 'c 132768 7', 'd 132775 200001'],
        v2: ['a/one 0 100000', 'a/two 131072 0', 'b 131072 32768', 'c 163840 7', 'd 196608 200001'],
        hybrid: [
          'a/one 0 100000',
          'pad 100000 31072',
          'a/two 131072 0',
          'b 131072 32768',
          'c 163840 7',
          'pad 163847 32761',
          'd 196608 200001',
        ],
      }[format],
    )
  })

  test('can be read from its info dictionary alone', () => {
    const alone = parseInfoDictionary(new Uint8Array(fixture.infoBytes), nodeCrypto)
    expect(
      alone.ok && { ...alone.value, files: alone.value.files.map(({ offset }) => offset) },
    ).toMatchObject({
      format,
      infoHashV1: metainfo.infoHashV1,
      infoHashV2: metainfo.infoHashV2,
      files: metainfo.files.map(({ offset }) => offset),
      trackers: [],
      warnings: [],
    })
    expect(parseInfoDictionary(new Uint8Array(fixture.infoBytes).subarray(1), nodeCrypto).ok).toBe(false)
  })
})

test.each([
  ['name-of-torrent-nested', '....x'],
  ['name-of-our-notes', '_.shoal'],
  ['name-of-torrent-traversal', toHex(vector('name-of-torrent-traversal').infoHashV1!)],
])('the name of %s is %s, and a single file has it too', (file, name) => {
  const metainfo = vector(file)
  expect(metainfo.name).toBe(name)
  if (metainfo.isSingleFile) expect(metainfo.files[0]!.path).toEqual([name])
})

test('an entry of a list that has nothing but a length and a path is read like any other', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[a-c.]{0,3}$/).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(Buffer.from('_____padding_file_0'), Buffer.from('x'.repeat(300))),
  )
  const entry = fc.record({
    length: fc.oneof(fc.nat(70_000), fc.constantFrom(-1, 2 ** 44, 2 ** 53 - 1, 10n ** 18n)),
    path: fc.oneof(
      { weight: 9, arbitrary: fc.array(name, { minLength: 1, maxLength: 3 }) },
      fc.constantFrom(
        [],
        [5],
        [[Buffer.from('a')]],
        Array(LIMITS.pathDepthMax.value + 1).fill(Buffer.from('a')),
      ),
    ),
  })
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (files) => {
      const total = files.reduce((sum, { length }) => sum + Math.max(0, Number(length)), 0)
      const pieces = Buffer.alloc(20 * Math.min(Math.ceil(total / 16_384), 100))
      const read = (rest: object) => {
        const list = files.map((file) => ({ ...file, ...rest }))
        const info = { files: list, name: 'n', 'piece length': 16_384, pieces }
        const metainfo = parseMetainfo(new Uint8Array(bencode({ info })), nodeCrypto)
        if (!metainfo.ok) return metainfo.error
        return metainfo.value.files.map((file) => ({
          ...file,
          rawPath: file.rawPath ?? file.path.map((component) => encodeUtf8(component)),
        }))
      }
      expect(read({})).toEqual(read({ zz: 1 }))
    }),
    { numRuns: 500 },
  )
})

describe('single files', () => {
  test.each(['v1', 'v2', 'hybrid'] as const)(
    '%s: the file stands under the name of the torrent',
    (format) => {
      const metainfo = parse(
        new Uint8Array(torrentFixture({ format, name: 'x.bin', files: { 'x.bin': 40_000 } }).bytes),
      )
      expect(metainfo.isSingleFile).toBe(true)
      expect(metainfo.files.map(({ path, length }) => ({ path, length }))).toEqual([
        { path: ['x.bin'], length: 40_000 },
      ])
    },
  )

  test('a v2 torrent whose name differs from that of its only file is a folder', () => {
    expect(vector('v2-folder-with-one-file')).toMatchObject({
      name: 'n',
      isSingleFile: false,
      files: [{ path: ['a'] }],
    })
    expect(vector('v2-file')).toMatchObject({ name: 'a', isSingleFile: true })
  })
})

describe('infohashes', () => {
  test.each(['v1-unsorted', 'v1-repeated-key', 'v1-leading-zeros', 'v1-negative-zero'])(
    'are over the bytes as they are: %s (S08)',
    (name) => {
      const bytes = Buffer.from(read(`${name}.torrent`))
      const info = bytes.subarray(bytes.indexOf('4:info') + 6, -1)
      expect(toHex(vector(name).infoHashV1!)).toBe(createHash('sha1').update(info).digest('hex'))
      expect(Buffer.from(vector(name).infoBytes)).toEqual(info)
    },
  )

  test('do not change with what stands around the info dictionary', () => {
    const fixture = torrentFixture()
    const around = (members: Record<string, string>) =>
      parse(
        new Uint8Array(
          Buffer.concat([
            bencode(members).subarray(0, -1),
            Buffer.from('4:info'),
            fixture.infoBytes,
            Buffer.from('e'),
          ]),
        ),
      )
    expect(around({ comment: 'x', announce: 'http://a/' }).infoHashV1).toEqual(around({}).infoHashV1)
    expect(around({ comment: 'x' })).toMatchObject({ comment: 'x' })
  })
})

describe('links (S05)', () => {
  const links = (name: string) =>
    vector(name)
      .files.filter((file) => file.symlink !== undefined)
      .map(({ path, symlink, length }) => ({ path, symlink, length }))

  test('point to a file or folder of the torrent', () => {
    expect(links('link-inside')).toEqual([{ path: ['l'], symlink: ['a'], length: 0 }])
  })

  test('that point anywhere else point to themselves', () => {
    expect(links('link-escapes')).toEqual([{ path: ['l'], symlink: ['l'], length: 0 }])
  })

  test('take no bytes, whatever length they claim', () => {
    expect(links('link-with-length')).toEqual([{ path: ['l'], symlink: ['a'], length: 0 }])
    expect(vector('link-with-length').contentLength).toBe(1)
  })

  test('without a target are empty files', () => {
    expect(links('link-without-target')).toEqual([])
  })

  test('may be told from their own folder', () => {
    const link = (target: string[]) =>
      bencode({ attr: 'l', length: 0, path: ['d', 'l'], 'symlink path': target })
    const torrent = (target: string[]) =>
      parse(
        new Uint8Array(
          Buffer.concat([
            Buffer.from('d4:infod5:filesl'),
            bencode({ length: 1, path: ['d', 'a'] }),
            link(target),
            Buffer.from(`e4:name1:n12:piece lengthi16384e6:pieces20:${'a'.repeat(20)}ee`),
          ]),
        ),
      ).files[1]!.symlink
    expect(torrent(['a'])).toEqual(['d', 'a'])
    expect(torrent(['d', 'a'])).toEqual(['d', 'a'])
    expect(torrent(['d'])).toEqual(['d'])
    expect(torrent(['..', 'd', 'a'])).toEqual(['d', 'a'])
    expect(torrent(['nowhere'])).toEqual(['d', 'l'])
  })

  test('whose name is taken get a number and still point where they say', () => {
    const torrent = (target: string) =>
      parse(
        new Uint8Array(
          bencode({
            info: {
              files: [
                { length: 1, path: ['d', 'a'] },
                { attr: 'l', length: 0, path: ['d'], 'symlink path': [target] },
              ],
              name: 'n',
              'piece length': 16_384,
              pieces: 'a'.repeat(20),
            },
          }),
        ),
      ).files[1]!
    for (const target of ['d', 'nowhere'])
      expect(torrent(target)).toMatchObject({ path: ['d.1'], symlink: ['d'] })
  })
})

describe('attributes (BEP 47)', () => {
  test('are read where they are known', () => {
    const sha1 = Buffer.alloc(20, 1)
    const bytes = bencode({
      info: { attr: 'xhq', length: 1, name: 'a', 'piece length': 16_384, pieces: Buffer.alloc(20), sha1 },
    })
    expect(parse(new Uint8Array(bytes)).files[0]).toEqual({
      path: ['a'],
      rawPath: [encodeUtf8('a')],
      length: 1,
      offset: 0,
      isPad: false,
      isExecutable: true,
      isHidden: true,
      sha1: new Uint8Array(sha1),
      piecesRoot: null,
      pieceLayer: null,
    })
  })
})

describe('around the info dictionary', () => {
  const withFields = (fields: Parameters<typeof bencode>[0] & object) =>
    parse(
      new Uint8Array(
        bencode({
          ...fields,
          info: { length: 1, name: 'a', 'piece length': 16_384, pieces: Buffer.alloc(20) },
        }),
      ),
    )

  test('tiers are kept in order, each tracker once; announce counts only without them (BEP 12)', () => {
    const metainfo = withFields({
      announce: 'http://z/',
      'announce-list': [['http://a/', 'http://b/'], [], ['http://a/', ' udp://c:1 '], ['http://bad/\n/', '']],
    })
    expect(metainfo.trackers).toEqual([['http://a/', 'http://b/'], ['udp://c:1']])
    expect(withFields({ announce: 'http://z/', 'announce-list': [[]] }).trackers).toEqual([['http://z/']])
    expect(withFields({}).trackers).toEqual([])
  })

  test('web seeds may be one address or a list (BEP 19)', () => {
    expect(withFields({ 'url-list': 'http://w/' }).webSeeds).toEqual(['http://w/'])
    expect(withFields({ 'url-list': ['http://w/', 7, 'http://w/', ''] }).webSeeds).toEqual(['http://w/'])
    expect(withFields({ 'url-list': 7 }).webSeeds).toEqual([])
  })

  test('text is one safe line', () => {
    expect(
      withFields({
        comment: 'a\n\u202eb',
        'created by': Buffer.from('\xffx', 'latin1'),
        'creation date': 1_700_000_000,
      }),
    ).toMatchObject({ comment: 'a b', createdBy: '_x', creationDate: 1_700_000_000 })
    expect(withFields({ 'comment.utf-8': 'ä', comment: 'a' }).comment).toBe('ä')
    expect(withFields({ 'creation date': -1 })).not.toHaveProperty('creationDate')
  })

  test('nodes are host and port (BEP 5)', () => {
    const nodes = [['router.example', 6881], ['x', 0], ['y', 70_000], ['z'], 'w', [1, 2]]
    expect(withFields({ nodes }).nodes).toEqual([{ host: 'router.example', port: 6881 }])
  })

  test('no more trackers than the limit', () => {
    const many = Array.from({ length: 500 }, (_, i) => [`http://${i}/`])
    expect(withFields({ 'announce-list': many }).trackers).toHaveLength(LIMITS.trackersMax.value)
  })
})

describe('limits (S09)', () => {
  test('a file that is too large is not even decoded', () => {
    expect(faultOf(new Uint8Array(LIMITS.metainfoBytesMax.value + 1))).toBe('metainfo/too-large')
  })

  test('a torrent with more files than the limit is refused', () => {
    const entry = 'd6:lengthi0e4:pathl1:aee'
    const files = entry.repeat(LIMITS.filesMax.value + 1)
    const bytes = Buffer.from(`d4:infod5:filesl${files}e4:name1:n12:piece lengthi16384e6:pieces0:ee`)
    expect(faultOf(new Uint8Array(bytes))).toBe('metainfo/too-many-files')
  })
})
