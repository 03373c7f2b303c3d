import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { Prng } from '../base/prng.ts'
import type { Format } from '../wire/metainfo.ts'
import { HashPool } from './hash-pool.ts'
import { createMetainfo } from './metainfo-creation.ts'
import { checkPieces } from './piece-check.ts'

const FORMATS = ['v1', 'v2', 'hybrid'] as const
const prng = new Prng(3)
let base: string
let tree: string

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'metainfo-creation-'))
  tree = path.join(base, 'tree')
})
afterEach(() => rmSync(base, { recursive: true }))
afterAll(() => HashPool.shared.close())

function make(lengths: Readonly<Record<string, number>>): void {
  for (const [file, length] of Object.entries(lengths)) {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true })
    writeFileSync(path.join(tree, file), prng.bytes(length))
  }
}

const LENGTHS = {
  a: 70_000,
  '.hidden': 5,
  'sub/\u00fc/x': 16_384,
  'sub/run': 33_000,
  'sub.txt': 1,
  empty: 0,
  z: 40_000,
}

describe.each(FORMATS)('%s', (format) => {
  test('what is hashed while files are still being found is the same', async () => {
    for (let i = 0; i < 900; i++) {
      mkdirSync(path.join(tree, `${i % 7}`), { recursive: true })
      writeFileSync(path.join(tree, `${i % 7}`, `${i}`), Buffer.alloc((i * 7919) % 40_000, i))
    }
    // What depends on all files is settled when all are found.
    const late = await createMetainfo({ paths: [tree], format })
    const { pieceLength } = late
    for (const usesOwnThread of [false, true]) {
      const early = await createMetainfo({ paths: [tree], format, pieceLength, usesOwnThread })
      expect([early.infoHashV1, early.infoHashV2]).toEqual([late.infoHashV1, late.infoHashV2])
    }
    const stopped = createMetainfo({
      paths: [tree],
      format,
      pieceLength,
      usesOwnThread: true,
      onFound: () => {
        throw new Error('enough')
      },
    })
    await expect(stopped).rejects.toThrow('enough')
  })

  test('reads back as it was made, and its own content verifies', async () => {
    make(LENGTHS)
    const made = await createMetainfo({ paths: [tree], format, pieceLength: 16_384 })
    const { metainfo } = made
    expect(metainfo).toMatchObject({
      format,
      name: 'tree',
      pieceLength: 16_384,
      pieceCount: made.pieceCount,
      warnings: [],
    })
    expect([metainfo.infoHashV1, metainfo.infoHashV2]).toEqual([made.infoHashV1, made.infoHashV2])
    const files = metainfo.files.filter((file) => !file.isPad)
    expect(files.map((file) => [file.path.join('/'), file.length])).toEqual(
      ['.hidden', 'a', 'empty', 'sub/run', 'sub/\u00fc/x', 'sub.txt', 'z'].map((name) => [
        name,
        LENGTHS[name as 'a'],
      ]),
    )
    expect((await checkPieces(metainfo, base)).isFull).toBe(true)
  })

  test('the same tree twice is the same torrent, whatever is said about it', async () => {
    make(LENGTHS)
    const first = await createMetainfo({ paths: [tree], format })
    const second = await createMetainfo({
      paths: [`${tree}/`],
      format,
      trackers: ['http://a/announce', 'udp://b'],
      comment: 'c',
      webSeeds: ['http://w/'],
      creationDate: 1,
      createdBy: 'x',
    })
    expect([second.infoHashV1, second.infoHashV2]).toEqual([first.infoHashV1, first.infoHashV2])
    expect(second.metainfo).toMatchObject({
      trackers: [['http://a/announce'], ['udp://b']],
      comment: 'c',
      webSeeds: ['http://w/'],
      creationDate: 1,
      createdBy: 'x',
    })
    expect((await createMetainfo({ paths: [tree], format })).bytes).toEqual(first.bytes)
    const isPrivate = await createMetainfo({ paths: [tree], format, private: true })
    expect(isPrivate.metainfo.private).toBe(true)
    expect([isPrivate.infoHashV1, isPrivate.infoHashV2]).not.toEqual([first.infoHashV1, first.infoHashV2])
  })

  test('a single file', async () => {
    make({ x: 100_000 })
    const made = await createMetainfo({ paths: [path.join(tree, 'x')], format })
    expect(made).toMatchObject({ name: 'x', fileCount: 1, contentLength: 100_000, contentFolder: tree })
    expect(made.metainfo).toMatchObject({
      isSingleFile: true,
      files: [{ path: ['x'], length: 100_000, offset: 0 }],
    })
    expect((await checkPieces(made.metainfo, tree)).isFull).toBe(true)
  })

  test('a file that is cut or vanishes while it is hashed is an error', async () => {
    make({ a: 3_000_000, b: 3_000_000 })
    const during = (change: () => void) => {
      let isDone = false
      const onProgress = () => {
        if (!isDone) change()
        isDone = true
      }
      return createMetainfo({ paths: [tree], format, pieceLength: 16_384, onProgress, pool })
    }
    const pool = new HashPool(1)
    make(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`c${i}`, 2_000_000])))
    await expect(during(() => truncateSync(path.join(tree, 'c9'), 10))).rejects.toMatchObject({
      code: 'storage/changed',
    })
    await expect(during(() => unlinkSync(path.join(tree, 'c9')))).rejects.toMatchObject({
      code: 'storage/changed',
    })
    await pool.close()
  })
})

describe('wishes', () => {
  test('--piece-length 256000 means v1, with a warning', async () => {
    make({ a: 600_000 })
    const made = await createMetainfo({ paths: [tree], pieceLength: 256_000 })
    expect(made).toMatchObject({
      format: 'v1',
      pieceLength: 256_000,
      pieceCount: 3,
      warnings: [{ code: 'metainfo/odd-piece-length' }],
    })
    expect((await checkPieces(made.metainfo, base)).isFull).toBe(true)
    await expect(createMetainfo({ paths: [tree], pieceLength: 256_000, format: 'v2' })).rejects.toMatchObject(
      { code: 'metainfo/bad-piece-length' },
    )
  })

  test('--align begins every file at a piece, and never pads after the last', async () => {
    make({ a: 10_000, b: 300_000, c: 5 })
    const made = await createMetainfo({ paths: [tree], format: 'v1', align: true, pieceLength: 256_000 })
    const { files } = made.metainfo
    expect(files.filter((file) => !file.isPad).map((file) => file.offset)).toEqual([0, 256_000, 768_000])
    expect(files.at(-1)!.isPad).toBe(false)
    expect((await checkPieces(made.metainfo, base)).isFull).toBe(true)
  })

  test('auto says why', async () => {
    make({ a: 3_000_000 })
    expect(await createMetainfo({ paths: [tree] })).toMatchObject({
      format: 'hybrid',
      reason: expect.stringMatching(/^hybrid: /),
      contentFolder: base,
    })
  })

  test('nothing to share', async () => {
    make({ empty: 0 })
    await expect(createMetainfo({ paths: [tree] })).rejects.toMatchObject({ code: 'create/no-content' })
    await expect(createMetainfo({ paths: [tree], excludes: ['*'] })).rejects.toMatchObject({
      code: 'create/no-content',
    })
  })

  test('aborting ends it', async () => {
    make({ a: 100_000 })
    const abort = new AbortController()
    const made = createMetainfo({ paths: [tree], signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(made).rejects.toThrow('enough')
  })
})

if (process.platform !== 'linux') console.warn('names that are not UTF-8: only Linux keeps them')

describe.skipIf(process.platform !== 'linux')('names that are not UTF-8', () => {
  test.each(FORMATS)('survive into the metainfo (%s), and are found again', async (format) => {
    mkdirSync(tree)
    const raw = Buffer.from([0x66, 0xff, 0x2e, 0x80])
    writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), raw]), 'content')
    writeFileSync(path.join(tree, 'turned\u202etxt.exe'), 'content')
    const { metainfo, bytes } = await createMetainfo({ paths: [tree], format })
    expect(Buffer.from(bytes).includes(raw)).toBe(true)
    expect(
      metainfo.files
        .filter((file) => !file.isPad)
        .map((file) => Buffer.from(file.rawPath?.[0] ?? file.path[0]!)),
    ).toEqual([raw, Buffer.from('turned\u202etxt.exe')])
    expect((await checkPieces(metainfo, base)).isFull).toBe(true)
  })
})

const PYTHON = '/usr/bin/python3'
const hasLibtorrent = spawnSync(PYTHON, ['-c', 'import libtorrent']).status === 0
const LIBTORRENT_SCRIPT = `
import libtorrent as lt, os, sys
top, piece, kind = os.fsencode(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
fs = lt.file_storage()
def add(at, name):
    if os.path.isdir(at):
        for child in sorted(os.listdir(at)): add(at + b'/' + child, name + b'/' + child)
    else: fs.add_file(name.decode(), os.path.getsize(at), int(lt.file_storage.flag_executable) if os.stat(at).st_mode & 0o100 else 0)
add(top, os.path.basename(top))
made = lt.create_torrent
flags = {'v1': made.v1_only, 'v2': made.v2_only | made.canonical_files_no_tail_padding, 'hybrid': made.canonical_files_no_tail_padding}[kind]
t = lt.create_torrent(fs, piece, flags)
lt.set_piece_hashes(t, os.fsdecode(os.path.dirname(top)))
hashes = lt.torrent_info(lt.bencode(t.generate())).info_hashes()
ours = lt.torrent_info(sys.argv[4]).info_hashes()
print(hashes.v1, hashes.v2, ours.v1, ours.v2)
`

if (!hasLibtorrent) console.warn('not compared with libtorrent: apt-get install python3-libtorrent')

describe.skipIf(!hasLibtorrent)('beside libtorrent', () => {
  test.each(FORMATS)('%s: the infohash is the same for the same tree', async (format: Format) => {
    const lengths = fc.array(fc.oneof(fc.nat(50_000), fc.constantFrom(0, 16_384, 32_768)), {
      minLength: 2,
      maxLength: 7,
    })
    await fc.assert(
      fc.asyncProperty(lengths, fc.constantFrom(16_384, 32_768), async (lengths, pieceLength) => {
        rmSync(tree, { recursive: true, force: true })
        make(
          Object.fromEntries(
            lengths.map((length, i) => [['a', 'b/c', 'b/d', 'b.x', 'e', 'f/g/h', 'i'][i]!, length]),
          ),
        )
        writeFileSync(path.join(tree, 'run'), 'x')
        chmodSync(path.join(tree, 'run'), 0o755)
        const made = await createMetainfo({ paths: [tree], format, pieceLength })
        const file = path.join(base, 'made.torrent')
        writeFileSync(file, made.bytes)
        const [v1, v2, readV1, readV2] = execFileSync(
          PYTHON,
          ['-c', LIBTORRENT_SCRIPT, tree, `${pieceLength}`, format, file],
          { encoding: 'utf8' },
        )
          .trim()
          .split(' ')
        const ours = [
          toHex(made.infoHashV1 ?? new Uint8Array(20)),
          toHex(made.infoHashV2 ?? new Uint8Array(32)),
        ]
        expect(ours).toEqual([v1, v2])
        expect(ours).toEqual([readV1, readV2])
      }),
      { numRuns: 5 },
    )
  })
})
