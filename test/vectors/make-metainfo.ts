/**
 * Writes `metainfo/`: torrent files, most of them malformed in one way, and `index.json` that says of each where it
 * comes from, what Shoal makes of it and what libtorrent 2.0.8 makes of it. Run it after a change here:
 * `node test/vectors/make-metainfo.ts`. Written with the kit's own bencoder; nothing of the product takes part.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Bencodable, bencode } from '../kit/bencode.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'

export interface MetainfoVector {
  readonly file: string
  /** Where the case comes from. */
  readonly origin: string
  /** A fault's code, or null when it loads. */
  readonly fault: string | null
  /** Codes of warnings when it loads. */
  readonly warnings: readonly string[]
  /** Paths when it loads, padding left out; of a single file just its name. */
  readonly paths?: readonly string[]
  readonly libtorrent: 'loads' | 'refuses'
  /** Why Shoal and libtorrent differ, where they do. */
  readonly difference?: string
}

interface Case {
  bytes: Buffer
  origin: string
  fault?: string
  warnings?: string[]
  paths?: string[]
  libtorrent?: 'loads' | 'refuses'
  difference?: string
}

const PIECE = 16384
const HASH = Buffer.alloc(20, 0x61)
const ROOT = createHash('sha256').update('x').digest()
const B = (text: string) => Buffer.from(text, 'latin1')

/** A bencoded dictionary with its members as they come: unsorted, repeated, values raw where they are a `Raw`. */
class Raw {
  readonly bytes: Buffer
  constructor(bytes: Buffer | string) {
    this.bytes = typeof bytes === 'string' ? B(bytes) : bytes
  }
}
type Member = [string, Bencodable | Raw]
function dict(members: Member[]): Raw {
  const parts = members.flatMap(([key, value]) => [bencode(B(key)), value instanceof Raw ? value.bytes : bencode(value)])
  return new Raw(Buffer.concat([B('d'), ...parts, B('e')]))
}
const list = (items: Raw[]) => new Raw(Buffer.concat([B('l'), ...items.map(({ bytes }) => bytes), B('e')]))

/** A torrent file around an info dictionary. */
const around = (info: Raw, outer: Member[] = []) => dict([...outer, ['info', info]]).bytes

/** v1, one file of one byte; members replace or, when null, remove. */
function single(changes: Record<string, Bencodable | Raw | null> = {}, outer: Member[] = []): Buffer {
  return around(sorted({ length: 1, name: 'a', 'piece length': PIECE, pieces: HASH, ...changes }), outer)
}
/** v1, several files. */
function multi(files: Raw[], changes: Record<string, Bencodable | Raw | null> = {}): Buffer {
  return around(sorted({ files: list(files), name: 'n', 'piece length': PIECE, pieces: HASH, ...changes }))
}
function sorted(members: Record<string, Bencodable | Raw | null>): Raw {
  const present = Object.entries(members).filter((member): member is Member => member[1] !== null)
  return dict(present.sort(([a], [b]) => Buffer.compare(B(a), B(b))))
}
const file = (path: (string | Buffer)[], length = 1, more: Record<string, Bencodable> = {}) =>
  new Raw(bencode({ ...more, length, path: path as Bencodable[] }))

/** v2, one file of one byte. */
function v2(changes: Record<string, Bencodable | Raw | null> = {}, outer: Member[] = []): Buffer {
  const tree = new Raw(bencode({ a: leaf() }))
  return around(sorted({ 'file tree': tree, 'meta version': 2, name: 'a', 'piece length': PIECE, ...changes }), outer)
}
const leaf = (changes: Record<string, Bencodable | undefined> = {}) => ({
  '': { length: 1, 'pieces root': ROOT, ...changes } as Bencodable,
})
/** Hybrid of one file `a` of one byte in folder `n`, with a v1 list that may say something else. */
const hybrid = (files: Raw[], tree: Bencodable = { a: leaf() }, changes: Record<string, Bencodable | Raw | null> = {}) =>
  multi(files, { 'file tree': new Raw(bencode(tree)), 'meta version': 2, ...changes })

/** A good v2 torrent with layers, whose outer dictionary is changed. */
function layered(change: (layers: Map<string, Bencodable>, root: string) => Bencodable): Buffer {
  const blocks = ['one', 'two', 'three'].map((text) => createHash('sha256').update(text).digest())
  const join2 = (a: Buffer, b: Buffer) => createHash('sha256').update(Buffer.concat([a, b])).digest()
  const root = join2(join2(blocks[0]!, blocks[1]!), join2(blocks[2]!, Buffer.alloc(32)))
  const info = sorted({
    'file tree': new Raw(bencode({ a: leaf({ length: 3 * PIECE, 'pieces root': root }) })),
    'meta version': 2,
    name: 'a',
    'piece length': PIECE,
  })
  const key = root.toString('latin1')
  const layers = change(new Map([[key, Buffer.concat(blocks)]]), key)
  return dict([
    ['info', info],
    ['piece layers', layers],
  ]).bytes
}

const nested = (depth: number) => new Raw(`${'l'.repeat(depth)}${'e'.repeat(depth)}`)
const fixture = (format: 'v1' | 'v2' | 'hybrid') => torrentFixture({ format, trackers: ['http://tracker.example/announce'] }).bytes
const BIDI = Buffer.from('\u202egpj.exe')
const FIXTURE_PATHS = ['a.bin', 'b/c.bin', 'd.bin']
const OVERFLOW = 'libtorrent counts a number beyond 64 bits as 0; a length nobody meant is refused here'
const UNCHECKED = 'libtorrent checks piece layers only when the torrent is added; here nothing unchecked is loaded (S12)'

const CASES: Record<string, Case> = {
  // What must load.
  'v1-folder': { bytes: fixture('v1'), origin: 'BEP 3', paths: FIXTURE_PATHS },
  'v2-folder': { bytes: fixture('v2'), origin: 'BEP 52', paths: FIXTURE_PATHS },
  'hybrid-folder': { bytes: fixture('hybrid'), origin: 'BEP 52', paths: FIXTURE_PATHS },
  'v1-file': { bytes: single(), origin: 'BEP 3', paths: ['a'] },
  'v2-file': { bytes: v2(), origin: 'BEP 52', paths: ['a'] },
  'hybrid-file-in-folder': { bytes: hybrid([file(['a'])]), origin: 'BEP 52', paths: ['a'] },
  'v1-unsorted': {
    bytes: around(
      dict([
        ['pieces', HASH],
        ['piece length', PIECE],
        ['name', 'a'],
        ['length', 1],
      ]),
    ),
    origin: 'S08: the hash is over the bytes as they are',
    warnings: ['metainfo/unsorted'],
  },
  'v1-repeated-key': {
    bytes: around(
      dict([
        ['length', 1],
        ['length', 2],
        ['name', 'a'],
        ['piece length', PIECE],
        ['pieces', HASH],
      ]),
    ),
    origin: 'S08: the first of equal keys counts',
    warnings: ['metainfo/unsorted'],
  },
  'v1-leading-zeros': { bytes: single({ length: new Raw('i0001e'), name: new Raw('01:a') }), origin: 'S07, S08' },
  'v1-negative-zero': { bytes: single({ private: new Raw('i-0e') }), origin: 'S07, S08' },
  'v1-piece-length-256000': {
    bytes: single({ 'piece length': 256_000 }),
    origin: 'a piece length in use that is no power of two',
    warnings: ['metainfo/odd-piece-length'],
  },
  'v1-piece-length-1': {
    bytes: single({ 'piece length': 1 }),
    origin: 'S09',
    warnings: ['metainfo/odd-piece-length'],
  },
  'v1-any-order': { bytes: multi([file(['z']), file(['a']), file(['m', 'b'])]), origin: 'BEP 3', paths: ['z', 'a', 'm/b'] },
  'v1-utf8-names-preferred': {
    bytes: multi([file(['a'], 1, { 'path.utf-8': ['ä'] })], { 'name.utf-8': 'ü' }),
    origin: 'BEP 3 in the wild',
    paths: ['ä'],
  },
  'v1-trailing-bytes': {
    bytes: Buffer.concat([single(), B('\r\n')]),
    origin: 'edited by hand',
    warnings: ['metainfo/trailing-bytes'],
  },
  'v1-empty-files': { bytes: multi([file(['e'], 0), file(['a']), file(['f'], 0)]), origin: 'BEP 3', paths: ['e', 'a', 'f'] },
  'v1-padding': { bytes: multi([file(['a']), file(['.pad', '9'], 9, { attr: 'p' })]), origin: 'BEP 47', paths: ['a'] },
  'v1-padding-without-path': {
    bytes: multi([file(['a']), new Raw(bencode({ attr: 'p', length: 9 }))]),
    origin: 'BEP 47; libtorrent',
    paths: ['a'],
  },
  'v1-padding-bitcomet': {
    bytes: multi([file(['a']), file(['_____padding_file_0_if you see this'], 9)]),
    origin: 'BitComet',
    paths: ['a'],
  },
  'v1-attributes-odd': { bytes: single({ attr: 'hxqz', sha1: B('short') }), origin: 'BEP 47', paths: ['a'] },
  'v1-announce-odd': {
    bytes: around(sorted({ length: 1, name: 'a', 'piece length': PIECE, pieces: HASH }), [
      ['announce', 5],
      ['announce-list', ['x', [7, ' http://a/ '], []]],
      ['comment', B('\xff\x1b[31m')],
      ['creation date', -4],
    ]),
    origin: 'nothing outside the info dictionary makes a torrent unreadable',
  },
  'v2-missing-layers': {
    bytes: around(
      sorted({
        'file tree': new Raw(bencode({ a: leaf({ length: 3 * PIECE }) })),
        'meta version': 2,
        name: 'a',
        'piece length': PIECE,
      }),
    ),
    origin: 'BEP 52: layers can come from peers',
    warnings: ['metainfo/missing-piece-layers'],
  },
  'v2-layers': { bytes: layered((layers) => layers), origin: 'BEP 52', paths: ['a'] },
  'v2-layers-of-strangers': {
    bytes: layered((layers) => layers.set('s'.repeat(32), Buffer.alloc(64))),
    origin: 'BEP 52; libtorrent ignores them',
    paths: ['a'],
  },
  'v2-no-dictionary-of-layers': {
    bytes: layered(() => 7),
    origin: 'libtorrent takes it for missing',
    warnings: ['metainfo/missing-piece-layers'],
  },
  'v2-empty-file-and-folder': {
    bytes: v2({ 'file tree': new Raw(bencode({ a: leaf(), d: {}, e: { '': { length: 0 } } })), name: 'n' }),
    origin: 'BEP 52',
    paths: ['a', 'e'],
  },
  'v2-folder-with-one-file': {
    bytes: v2({ name: 'n' }),
    origin: 'BEP 52',
    paths: ['a'],
    difference: 'libtorrent drops the folder when it reads such a torrent, though it writes it',
  },
  'hybrid-without-v1-hashes': {
    bytes: hybrid([file(['a'])], undefined, { pieces: null }),
    origin: 'S10; libtorrent PR 8759',
    warnings: ['metainfo/missing-pieces'],
    paths: ['a'],
    difference: 'libtorrent keeps the v1 infohash, with no v1 hash to check a piece against; here it is read as v2',
  },
  'hybrid-tail-padding': {
    bytes: hybrid([file(['a']), file(['.pad', '16383'], PIECE - 1, { attr: 'p' })]),
    origin: 'libtorrent before 2.0.4',
    paths: ['a'],
  },
  'meta-version-1': { bytes: single({ 'meta version': 1 }), origin: 'libtorrent' },

  // Names (S01, S03, S04, S05).
  'name-traversal': {
    bytes: multi([file(['..', '..', 'etc', 'passwd']), file(['a', '..', 'b']), file(['../../c'])]),
    origin: 'S01; CVE-2009-1760, CVE-2026-57079',
    paths: ['etc/passwd', 'a/b', '....c'],
  },
  'name-absolute': { bytes: multi([file(['/etc/passwd']), file(['', 'x'])]), origin: 'S01', paths: ['etcpasswd', '_/x'] },
  'name-backslash': { bytes: multi([file(['..\\..\\x']), file(['C:\\y'])]), origin: 'S03; qBittorrent 18618', paths: ['....x', 'C:y'] },
  'name-nul': { bytes: multi([file(['a\0b']), file(['\0'])]), origin: 'S03', paths: ['ab', '_'] },
  'name-control': {
    bytes: multi([file(['a\x1b[2Jb']), file(['c\x7fd'])]),
    origin: 'S03',
    paths: ['a_[2Jb', 'c_d'],
    difference: 'libtorrent keeps DEL and C1 controls',
  },
  'name-bidi': {
    bytes: multi([file([BIDI]), file([Buffer.from('\u2066x\u2069')])]),
    origin: 'S03',
    paths: ['gpj.exe', 'x'],
    difference: 'libtorrent keeps isolates and spaces without width',
  },
  'name-not-utf8': { bytes: multi([file([B('\xff\xfe')]), file([B('\xe9t\xe9')])]), origin: 'names of another encoding', paths: ['__', '_'] },
  'name-dots-only': { bytes: multi([file(['.']), file(['..', '.']), file(['...'])]), origin: 'S01', warnings: ['metainfo/renamed'], paths: ['_', '_.1', '...'] },
  'name-of-torrent-traversal': { bytes: multi([file(['a'])], { name: '..' }), origin: 'S01', paths: ['a'] },
  'name-of-torrent-nested': { bytes: single({ name: '../../x' }), origin: 'S01', paths: ['....x'] },
  'name-of-our-notes': {
    bytes: multi([file(['a'])], { name: '.shoal' }),
    origin: 'a torrent must not write among our resume notes',
    paths: ['a'],
    difference: 'a folder of that name means nothing to libtorrent',
  },
  'name-too-long': {
    bytes: multi([file([`${'x'.repeat(300)}.jpeg`])]),
    origin: 'names end at 255 bytes on disk',
    paths: [`${'x'.repeat(240)}.jpeg`],
  },
  'name-tree-traversal': {
    bytes: v2({ 'file tree': new Raw(bencode({ '..': { '..': { x: leaf() } } })), name: 'n' }),
    origin: 'S01: v2 keys are names too',
    paths: ['x'],
  },
  'names-equal': {
    bytes: multi([file(['a.txt']), file(['a.txt']), file(['a.1.txt'])]),
    origin: 'S04',
    warnings: ['metainfo/renamed'],
    paths: ['a.txt', 'a.1.txt', 'a.1.1.txt'],
  },
  'names-file-and-folder': {
    bytes: multi([file(['a']), file(['a', 'b'])]),
    origin: 'S04',
    warnings: ['metainfo/renamed'],
    paths: ['a.1', 'a/b'],
  },
  'names-equal-once-safe': {
    bytes: multi([file(['a/b']), file(['ab'])]),
    origin: 'S04',
    warnings: ['metainfo/renamed'],
    paths: ['ab', 'ab.1'],
  },
  'names-differ-in-case': { bytes: multi([file(['A']), file(['a'])]), origin: 'S03: two files on a case-sensitive disk', paths: ['A', 'a'] },
  'names-equal-too-many': {
    bytes: multi(Array.from({ length: 600 }, () => file(['a'], 1))),
    origin: 'S04; libtorrent 2.1 max_duplicate_filenames',
    fault: 'names/too-many-duplicates',
    libtorrent: 'loads',
    difference: 'libtorrent 2.0 goes on renaming; 2.1 has the same limit',
  },
  'link-inside': {
    bytes: multi([file(['a']), file(['l'], 0, { attr: 'l', 'symlink path': ['a'] })]),
    origin: 'BEP 47',
    warnings: ['metainfo/links'],
    paths: ['a', 'l'],
  },
  'link-escapes': {
    bytes: multi([file(['a']), file(['l'], 0, { attr: 'l', 'symlink path': ['..', '..', 'etc', 'passwd'] })]),
    origin: 'S05; CVE-2017-1000420',
    warnings: ['metainfo/links'],
    paths: ['a', 'l'],
  },
  'link-with-length': {
    bytes: multi([file(['a']), file(['l'], 99_999, { attr: 'l', 'symlink path': ['a'] })]),
    origin: 'BEP 47: a link is of length 0',
    warnings: ['metainfo/links'],
    paths: ['a', 'l'],
  },
  'link-without-target': { bytes: multi([file(['a']), file(['l'], 0, { attr: 'l' })]), origin: 'libtorrent takes it for an empty file', paths: ['a', 'l'] },

  // Bencode (S06, S07).
  empty: { bytes: Buffer.alloc(0), origin: 'S07', fault: 'bencode/truncated' },
  'not-bencode': { bytes: B('<html>'), origin: 'a web page saved as a torrent', fault: 'bencode/unexpected-byte' },
  'cut-off': { bytes: single().subarray(0, 40), origin: 'S07: half a download', fault: 'bencode/truncated' },
  'no-dictionary': { bytes: B('li1ee'), origin: 'BEP 3', fault: 'metainfo/no-dictionary' },
  'nested-too-deeply': { bytes: single({}, [['announce', nested(100)]]), origin: 'S06; GO-2026-6894', fault: 'bencode/too-deep' },
  'nested-just-enough': { bytes: single({}, [['announce', nested(98)]]), origin: 'S06', paths: ['a'] },
  'integer-empty': { bytes: single({ length: new Raw('ie') }), origin: 'S07', fault: 'bencode/bad-integer' },
  'integer-minus': { bytes: single({ length: new Raw('i-e') }), origin: 'S07', fault: 'bencode/bad-integer' },
  'integer-plus': { bytes: single({ length: new Raw('i+1e') }), origin: 'S07', fault: 'bencode/bad-integer' },
  'integer-space': { bytes: single({ length: new Raw('i 1e') }), origin: 'S07', fault: 'bencode/bad-integer' },
  'integer-fraction': { bytes: single({ length: new Raw('i1.5e') }), origin: 'S07', fault: 'bencode/bad-integer' },
  'integer-21-digits': { bytes: single({ length: new Raw(`i${'1'.repeat(21)}e`) }), origin: 'S07', fault: 'bencode/bad-integer' },
  'integer-open': { bytes: B('d4:infod6:lengthi1'), origin: 'S07', fault: 'bencode/truncated' },
  'string-longer-than-data': { bytes: B('d4:infod6:length9999999999:x'), origin: 'S07', fault: 'bencode/bad-length' },
  'string-length-overflows': { bytes: B('d18446744073709551617:ae'), origin: 'S07; CVE-2021-40839', fault: 'bencode/bad-length' },
  'string-length-negative': { bytes: B('d-1:ae'), origin: 'S07; EDB-44894', fault: 'bencode/unexpected-byte' },
  'string-without-colon': { bytes: B('d4infode'), origin: 'S07', fault: 'bencode/unexpected-byte' },
  'key-is-number': { bytes: B('di1e1:ae'), origin: 'S07', fault: 'bencode/unexpected-byte' },
  'key-without-value': { bytes: B('d4:infoe'), origin: 'S07', fault: 'bencode/missing-value' },
  'list-never-ends': { bytes: B('l'.repeat(60)), origin: 'S06', fault: 'bencode/truncated' },
  'end-without-begin': { bytes: B('e'), origin: 'S07', fault: 'bencode/unexpected-byte' },

  // Info dictionaries.
  'info-missing': { bytes: B('d8:announce9:http://a/e'), origin: 'BEP 3', fault: 'metainfo/missing-info' },
  'info-is-list': { bytes: B('d4:infolee'), origin: 'BEP 3', fault: 'metainfo/missing-info' },
  'info-empty': { bytes: B('d4:infodee'), origin: 'BEP 3', fault: 'metainfo/bad-piece-length' },
  'name-missing': { bytes: single({ name: null }), origin: 'BEP 3', fault: 'metainfo/missing-name' },
  'name-is-number': { bytes: single({ name: 7 }), origin: 'BEP 3', fault: 'metainfo/missing-name' },
  'name-empty': { bytes: single({ name: '' }), origin: 'libtorrent', fault: 'metainfo/missing-name' },
  'name-dots-of-file': { bytes: single({ name: '..' }), origin: 'S01; libtorrent', fault: 'metainfo/missing-name' },
  'piece-length-missing': { bytes: single({ 'piece length': null }), origin: 'BEP 3', fault: 'metainfo/bad-piece-length' },
  'piece-length-0': { bytes: single({ 'piece length': 0 }), origin: 'S07', fault: 'metainfo/bad-piece-length' },
  'piece-length-negative': { bytes: single({ 'piece length': -16384 }), origin: 'S07', fault: 'metainfo/bad-piece-length' },
  'piece-length-2-gib': { bytes: single({ 'piece length': 2 ** 31 }), origin: 'S09', fault: 'metainfo/bad-piece-length' },
  'piece-length-over-512-mib': {
    bytes: single({ 'piece length': 600_000_000 }),
    origin: 'S09',
    fault: 'metainfo/bad-piece-length',
    libtorrent: 'loads',
    difference: 'a named limit, pieceLengthMax; libtorrent 2.0 goes to 1 GiB',
  },
  'length-missing': { bytes: single({ length: null }), origin: 'BEP 3', fault: 'metainfo/bad-length' },
  'length-negative': { bytes: single({ length: -1 }), origin: 'S07; rTorrent 0.9.6', fault: 'metainfo/bad-length' },
  'length-huge': { bytes: single({ length: 2 ** 45 }), origin: 'S07', fault: 'metainfo/bad-length' },
  'length-beyond-64-bits': {
    bytes: multi([file(['a']), new Raw('d6:lengthi99999999999999999999e4:pathl1:bee')]),
    origin: 'S07',
    fault: 'metainfo/bad-length',
    libtorrent: 'loads',
    difference: OVERFLOW,
  },
  'length-0': { bytes: single({ length: 0, pieces: '' }), origin: 'libtorrent', fault: 'metainfo/no-content' },
  'lengths-overflow': {
    bytes: multi(Array.from({ length: 17 }, (_, i) => file([`${i}`], 2 ** 44 - 2 ** 14)), { 'piece length': 2 ** 29 }),
    origin: 'S07',
    fault: 'metainfo/bad-pieces',
  },
  'files-empty': { bytes: multi([]), origin: 'BEP 3', fault: 'metainfo/no-files' },
  'files-all-empty': { bytes: multi([file(['a'], 0)], { pieces: '' }), origin: 'libtorrent', fault: 'metainfo/no-content' },
  'files-hold-number': { bytes: multi([new Raw('i1e')]), origin: 'BEP 3', fault: 'metainfo/bad-file-list' },
  'files-is-number': { bytes: multi([], { files: 5 }), origin: 'BEP 3', fault: 'metainfo/bad-length' },
  'path-missing': { bytes: multi([new Raw('d6:lengthi1ee')]), origin: 'BEP 3', fault: 'metainfo/missing-name' },
  'path-empty': { bytes: multi([file([])]), origin: 'BEP 3', fault: 'metainfo/missing-name' },
  'path-is-text': { bytes: multi([new Raw('d6:lengthi1e4:path1:ae')]), origin: 'BEP 3', fault: 'metainfo/missing-name' },
  'path-holds-number': { bytes: multi([new Raw('d6:lengthi1e4:pathli1eee')]), origin: 'BEP 3', fault: 'metainfo/bad-path' },
  'path-of-101-folders': {
    bytes: multi([file(Array.from({ length: 101 }, () => 'd'))]),
    origin: 'S09; libtorrent 2.1 max_directory_depth',
    fault: 'metainfo/path-too-deep',
    libtorrent: 'loads',
    difference: 'a named limit, pathDepthMax; libtorrent has it from 2.1 on',
  },
  'link-target-holds-number': {
    bytes: multi([file(['a']), new Raw('d4:attr1:l6:lengthi0e4:pathl1:be12:symlink pathli1eee')]),
    origin: 'S05',
    fault: 'metainfo/bad-path',
  },
  'pieces-missing': { bytes: single({ pieces: null }), origin: 'BEP 3', fault: 'metainfo/missing-pieces' },
  'pieces-short': { bytes: single({ pieces: HASH.subarray(1) }), origin: 'S09', fault: 'metainfo/bad-pieces' },
  'pieces-too-many': { bytes: single({ pieces: Buffer.concat([HASH, HASH]) }), origin: 'S09', fault: 'metainfo/bad-pieces' },
  'pieces-too-few': { bytes: single({ length: PIECE + 1 }), origin: 'S09', fault: 'metainfo/bad-pieces' },
  'too-many-pieces': {
    bytes: single({ length: 5_000_000, 'piece length': 1 }),
    origin: 'S09; libtorrent max_pieces',
    fault: 'metainfo/too-many-pieces',
  },
  'meta-version-3': { bytes: v2({ 'meta version': 3 }), origin: 'BEP 52', fault: 'metainfo/unknown-version' },
  'tree-without-version': { bytes: v2({ 'meta version': null }), origin: 'libtorrent', fault: 'metainfo/unknown-version' },
  'v2-without-tree': { bytes: v2({ 'file tree': null }), origin: 'BEP 52', fault: 'metainfo/bad-file-tree' },
  'v2-tree-is-list': { bytes: v2({ 'file tree': [] }), origin: 'BEP 52', fault: 'metainfo/bad-file-tree' },
  'v2-tree-empty': { bytes: v2({ 'file tree': {} }), origin: 'BEP 52', fault: 'metainfo/no-files' },
  'v2-tree-empty-key': { bytes: v2({ 'file tree': leaf() }), origin: 'BEP 52', fault: 'metainfo/bad-file-tree' },
  'v2-tree-holds-number': { bytes: v2({ 'file tree': { a: 1 } }), origin: 'BEP 52', fault: 'metainfo/bad-file-tree' },
  'v2-file-is-folder-too': {
    bytes: v2({ 'file tree': { a: { ...leaf(), b: leaf() } } }),
    origin: 'BEP 52',
    fault: 'metainfo/bad-file-tree',
  },
  'v2-file-is-number': { bytes: v2({ 'file tree': { a: { '': 1 } } }), origin: 'BEP 52', fault: 'metainfo/bad-file-tree' },
  'v2-padding': { bytes: v2({ 'file tree': { a: leaf({ attr: 'p' }) } }), origin: 'BEP 52', fault: 'metainfo/bad-file-tree' },
  'v2-root-missing': {
    bytes: v2({ 'file tree': { a: leaf({ 'pieces root': undefined }) } }),
    origin: 'BEP 52',
    fault: 'metainfo/missing-pieces-root',
  },
  'v2-root-short': {
    bytes: v2({ 'file tree': { a: leaf({ 'pieces root': ROOT.subarray(1) }) } }),
    origin: 'S12',
    fault: 'metainfo/missing-pieces-root',
  },
  'v2-root-zero': {
    bytes: v2({ 'file tree': { a: leaf({ 'pieces root': Buffer.alloc(32) }) } }),
    origin: 'S12; libtorrent',
    fault: 'metainfo/missing-pieces-root',
  },
  'v2-length-missing': {
    bytes: v2({ 'file tree': { a: leaf({ length: undefined }) } }),
    origin: 'BEP 52',
    fault: 'metainfo/bad-length',
  },
  'v2-piece-length-odd': { bytes: v2({ 'piece length': 256_000 }), origin: 'BEP 52', fault: 'metainfo/bad-piece-length' },
  'v2-piece-length-8-kib': { bytes: v2({ 'piece length': 8192 }), origin: 'BEP 52', fault: 'metainfo/bad-piece-length' },
  'v2-unsorted': {
    bytes: around(
      dict([
        ['name', 'a'],
        ['file tree', { a: leaf() }],
        ['meta version', 2],
        ['piece length', PIECE],
      ]),
    ),
    origin: 'S08; BEP 52',
    fault: 'metainfo/not-canonical',
  },
  'v2-tree-unsorted': {
    bytes: v2({ 'file tree': dict([['b', leaf()], ['a', leaf()]]) }),
    origin: 'S08; BEP 52',
    fault: 'metainfo/not-canonical',
  },
  'v2-leading-zero': { bytes: v2({ 'piece length': new Raw('i016384e') }), origin: 'S08', fault: 'metainfo/not-canonical' },
  'v2-negative-zero': {
    bytes: v2({ private: new Raw('i-0e') }),
    origin: 'S08',
    fault: 'metainfo/not-canonical',
    libtorrent: 'loads',
    difference: 'libtorrent overlooks this one form that is not canonical',
  },
  'layer-wrong': {
    bytes: layered((layers, root) => layers.set(root, Buffer.alloc(96, 1))),
    origin: 'S12',
    fault: 'metainfo/bad-piece-layer',
    libtorrent: 'loads',
    difference: UNCHECKED,
  },
  'layer-short': { bytes: layered((layers, root) => layers.set(root, Buffer.alloc(64))), origin: 'S12', fault: 'metainfo/bad-piece-layer' },
  'layer-padded': {
    bytes: layered((layers, root) => layers.set(root, Buffer.concat([layers.get(root) as Buffer, Buffer.alloc(32)]))),
    origin: 'S12: pad hashes are not part of a layer',
    fault: 'metainfo/bad-piece-layer',
  },
  'layer-odd-length': { bytes: layered((layers, root) => layers.set(root, Buffer.alloc(95))), origin: 'S12', fault: 'metainfo/bad-piece-layer' },
  'layer-odd-key': { bytes: layered((layers) => layers.set('short', Buffer.alloc(32))), origin: 'S12', fault: 'metainfo/bad-piece-layer' },
  'layer-is-list': { bytes: layered((layers, root) => layers.set(root, [])), origin: 'S12', fault: 'metainfo/bad-piece-layer' },

  // Hybrids whose two halves disagree (S10).
  'hybrid-other-name': { bytes: hybrid([file(['b'])]), origin: 'S10', fault: 'metainfo/inconsistent-hybrid' },
  'hybrid-other-length': { bytes: hybrid([file(['a'], 2)]), origin: 'S10', fault: 'metainfo/inconsistent-hybrid' },
  'hybrid-other-count': { bytes: hybrid([file(['a']), file(['b'])]), origin: 'S10', fault: 'metainfo/inconsistent-hybrid' },
  'hybrid-other-order': {
    bytes: hybrid([file(['b']), file(['.pad', '16383'], PIECE - 1, { attr: 'p' }), file(['a'])], { a: leaf(), b: leaf() }, { pieces: Buffer.concat([HASH, HASH]) }),
    origin: 'S10',
    fault: 'metainfo/inconsistent-hybrid',
  },
  'hybrid-not-aligned': {
    bytes: hybrid([file(['a']), file(['b'])], { a: leaf(), b: leaf() }),
    origin: 'S10',
    fault: 'metainfo/inconsistent-hybrid',
  },
  'hybrid-padding-short': {
    bytes: hybrid([file(['a']), file(['.pad', '9'], 9, { attr: 'p' }), file(['b'])], { a: leaf(), b: leaf() }),
    origin: 'S10',
    fault: 'metainfo/inconsistent-hybrid',
  },
  'hybrid-single-and-folder': {
    bytes: v2({ length: 1, name: 'n', pieces: HASH }),
    origin: 'S10',
    fault: 'metainfo/inconsistent-hybrid',
  },
  'hybrid-list-empty': {
    bytes: hybrid([]),
    origin: 'S10',
    fault: 'metainfo/inconsistent-hybrid',
    libtorrent: 'loads',
    difference: 'libtorrent compares only lists that have files; an empty list disagrees with every tree',
  },
  'hybrid-empty-file-renamed': {
    bytes: hybrid([file(['a']), file(['e'], 0)], { a: leaf(), f: { '': { length: 0 } } }),
    origin: 'S10',
    fault: 'metainfo/inconsistent-hybrid',
    libtorrent: 'loads',
    difference: 'libtorrent compares only files that have bytes',
  },
  'magnet-instead-of-info': {
    bytes: B(`d10:magnet-uri60:magnet:?xt=urn:btih:${'a'.repeat(40)}e`),
    origin: 'libtorrent',
    fault: 'metainfo/missing-info',
    libtorrent: 'loads',
    difference: 'a file without an info dictionary describes no content; the link in it can be used directly',
  },
}

const folder = join(import.meta.dirname, 'metainfo')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder)
const index = Object.entries(CASES).map(([name, { bytes, origin, fault, warnings, paths, libtorrent, difference }]) => {
  writeFileSync(join(folder, `${name}.torrent`), bytes)
  const vector: MetainfoVector = {
    file: `${name}.torrent`,
    origin,
    fault: fault ?? null,
    warnings: warnings ?? [],
    ...(paths !== undefined && { paths }),
    libtorrent: libtorrent ?? (fault === undefined ? 'loads' : 'refuses'),
    ...(difference !== undefined && { difference }),
  }
  return vector
})
writeFileSync(join(folder, 'index.json'), `${JSON.stringify(index, null, 2)}\n`)
