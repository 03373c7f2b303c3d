import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Prng } from '../../src/base/prng.ts'
import type { Fault } from '../../src/base/result.ts'
import { ContentFolder } from '../../src/nodejs/content-folder.ts'
import { FileStore } from '../../src/nodejs/file-store.ts'
import { Geometry } from '../../src/swarm/geometry.ts'
import type { FileEntry, Metainfo } from '../../src/wire/metainfo.ts'

const PIECE = 32 * 1024
const CONTENT = new Prng(1).bytes(3 * PIECE)
const FILES: readonly (readonly [string, number])[] = [
  ['a.bin', 10_000],
  ['empty', 0],
  ['album/b.bin', 40_000],
  ['', 15_536],
  ['album/c.bin', 3 * PIECE - 65_536],
]

const METAINFO = ((): Metainfo => {
  let offset = 0
  const files = FILES.map(([name, length]): FileEntry => {
    const entry = {
      path: name.split('/'),
      rawPath: [],
      length,
      offset,
      isPad: name === '',
      piecesRoot: null,
      pieceLayer: null,
    }
    offset += length
    return entry
  })
  return { format: 'v1', name: 'lib', files, pieceLength: PIECE, pieceCount: 3 } as unknown as Metainfo
})()
CONTENT.fill(0, 50_000, 65_536)

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'shoal store '))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function open(selectedFiles?: ReadonlySet<number>): FileStore {
  return new FileStore({
    metainfo: METAINFO,
    geometry: new Geometry(METAINFO, 16_384),
    folder: new ContentFolder(dir),
    pathOf: (file) => ['lib', ...METAINFO.files[file]!.path],
    selectedFiles,
    sideFile: ['.shoal', 'x.parts'],
  })
}

function write(store: FileStore, piece: number): Promise<Fault | undefined> {
  return new Promise((resolve) =>
    store.write(piece, CONTENT.slice(piece * PIECE, (piece + 1) * PIECE), resolve),
  )
}

async function read(
  store: FileStore,
  piece: number,
  begin: number,
  lengths: number[],
): Promise<Uint8Array | Fault> {
  const views = lengths.map((length) => new Uint8Array(length).fill(0xaa))
  const fault = await new Promise<Fault | undefined>((resolve) => store.read(piece, begin, views, resolve))
  return fault ?? Buffer.concat(views)
}

describe('FileStore', () => {
  it('puts pieces into their files and gives them back, in any cut', async () => {
    const store = open()
    for (const piece of [2, 0, 1]) expect(await write(store, piece)).toBeUndefined()
    store.finish(true)
    expect(readFileSync(path.join(dir, 'lib/a.bin'))).toEqual(Buffer.from(CONTENT.subarray(0, 10_000)))
    expect(readFileSync(path.join(dir, 'lib/album/b.bin'))).toEqual(
      Buffer.from(CONTENT.subarray(10_000, 50_000)),
    )
    expect(statSync(path.join(dir, 'lib/empty')).size).toBe(0)
    expect(await read(store, 0, 0, [PIECE])).toEqual(Buffer.from(CONTENT.subarray(0, PIECE)))
    expect(await read(store, 1, 5, [1, 20_000, 9])).toEqual(
      Buffer.from(CONTENT.subarray(PIECE + 5, PIECE + 20_015)),
    )
    store.close()
  })

  it('never writes padding to disk and reads it as zeros', async () => {
    const store = open()
    await write(store, 1)
    expect(existsSync(path.join(dir, 'lib/'))).toBe(true)
    expect(await read(store, 1, 20_000, [5000])).toEqual(Buffer.alloc(5000))
    store.close()
  })

  it('keeps bytes of unselected files apart', async () => {
    const store = open(new Set([2]))
    await write(store, 0)
    await write(store, 1)
    store.finish(false)
    expect(existsSync(path.join(dir, 'lib/a.bin'))).toBe(false)
    expect(existsSync(path.join(dir, 'lib/empty'))).toBe(false)
    expect(await read(store, 0, 0, [PIECE])).toEqual(Buffer.from(CONTENT.subarray(0, PIECE)))
    store.close()
  })

  it('cuts a file that was longer before', async () => {
    mkdirSync(path.join(dir, 'lib'))
    writeFileSync(path.join(dir, 'lib/a.bin'), Buffer.alloc(20_000))
    const store = open()
    await write(store, 0)
    store.finish(false)
    expect(statSync(path.join(dir, 'lib/a.bin')).size).toBe(10_000)
    store.close()
  })

  it('answers with a fault where a file is short, missing or a link (S05)', async () => {
    const store = open()
    expect(await read(store, 0, 0, [100])).toMatchObject({ code: 'storage/not-found' })
    await write(store, 0)
    expect(await read(store, 1, 0, [100])).toMatchObject({ code: 'storage/short-file' })
    store.close()
    rmSync(path.join(dir, 'lib'), { recursive: true })
    const outside = mkdtempSync(path.join(tmpdir(), 'shoal outside '))
    symlinkSync(outside, path.join(dir, 'lib'))
    const second = open()
    expect(await write(second, 0)).toMatchObject({ code: 'storage/symlink' })
    expect(existsSync(path.join(outside, 'a.bin'))).toBe(false)
    second.close()
    rmSync(outside, { recursive: true })
  })
})
