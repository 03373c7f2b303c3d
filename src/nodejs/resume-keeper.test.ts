/** The journal on real files, in a time that the test makes. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Bitfield } from '../base/bitfield.ts'
import { Prng } from '../base/prng.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import { ContentCheck } from './content-check.ts'
import { ContentFolder } from './content-folder.ts'
import { FileStore } from './file-store.ts'
import { digestPiece } from './piece-digests.ts'
import { SETTLE_MS } from './resume-journal.ts'
import { type KeptResume, ResumeKeeper, readResume } from './resume-keeper.ts'

const PIECE = 16_384
const BYTES = new Prng(4).bytes(6 * PIECE)
/** Three files of two pieces each. */
const METAINFO = ((): Metainfo => {
  const files = ['a', 'b', 'c'].map(
    (name, index): FileEntry => ({
      path: [name],
      rawPath: [Buffer.from(name)],
      length: 2 * PIECE,
      offset: index * 2 * PIECE,
      isPad: false,
      piecesRoot: null,
      pieceLayer: null,
    }),
  )
  const hashes = Array.from({ length: 6 }, (_, piece) => digestPiece(pieceOf(piece), true, undefined).sha1!)
  return {
    format: 'v1',
    name: 'lib',
    files,
    pieceLength: PIECE,
    pieceCount: 6,
    contentLength: 6 * PIECE,
    pieceHashesV1: Buffer.concat(hashes),
    infoHashV2: null,
  } as unknown as Metainfo
})()
const GEOMETRY = new Geometry(METAINFO, PIECE)
const PATHS = METAINFO.files.map(({ path: [name] }) => ['lib', name!])

function pieceOf(piece: number): Uint8Array {
  return BYTES.subarray(piece * PIECE, (piece + 1) * PIECE)
}

let dir: string
let log: string
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  dir = mkdtempSync(path.join(tmpdir(), 'shoal keeper '))
  log = path.join(dir, 'log')
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(dir, { recursive: true, force: true })
})

const file = (name: string) => path.join(dir, 'lib', name)

function begin(resume?: KeptResume) {
  const folder = new ContentFolder(dir)
  const content = new ContentCheck({
    metainfo: METAINFO,
    geometry: GEOMETRY,
    folder: () => folder,
    paths: PATHS,
    selectedFiles: undefined,
    signal: new AbortController().signal,
  })
  const options = { metainfo: METAINFO, geometry: GEOMETRY, content, folder, paths: PATHS }
  const keeper = new ResumeKeeper(log, options)
  const store = new FileStore({
    metainfo: METAINFO,
    geometry: GEOMETRY,
    folder,
    pathOf: (index) => PATHS[index]!,
    selectedFiles: undefined,
    sideFile: ['side'],
  })
  const watched = keeper.watch(store)
  const write = (piece: number) =>
    new Promise<void>((resolve, reject) =>
      watched.write(piece, pieceOf(piece), (fault) => (fault ? reject(fault) : resolve())),
    )
  return { keeper, content, write, find: () => content.find(resume, false, false) }
}

/** Time goes on, and what is asked of the disk is done meanwhile. */
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 500) {
    await vi.advanceTimersByTimeAsync(500)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

const nothing = () => ({ found: new Bitfield(6), changed: new Set([0, 1, 2]) })

/** Pieces 0, 1 and 2, left alone for a while; and then whatever is done to the process. */
async function afterThreePieces(): Promise<KeptResume> {
  const { keeper, write } = begin()
  keeper.begin(nothing(), undefined)
  for (const piece of [0, 1, 2]) await write(piece)
  await pass(SETTLE_MS + 3000)
  await vi.waitFor(() => expect(unchanged(read())).toEqual([0, 1]))
  await keeper.close()
  return read()
}

function read(): KeptResume {
  const resume = readResume(log, 6, 3)
  if (resume === undefined || resume === 'corrupt') throw new Error(`resume data: ${resume}`)
  return resume
}

const look = (index: number) => new ContentFolder(dir).statSync(PATHS[index]!)
const unchanged = (resume: KeptResume) =>
  [0, 1, 2].filter((index) => resume.isUnchanged(index, () => look(index)))

describe('the journal of a download that was killed', () => {
  it('vouches for files that were left alone, and they are not read again', async () => {
    const resume = await afterThreePieces()
    expect([...resume.pieces.ones()]).toEqual([0, 1, 2])
    const { content, find } = begin(resume)
    const check = vi.spyOn(content, 'check')
    const { found, changed } = await find()
    expect([...found.ones()]).toEqual([0, 1, 2])
    expect([...changed]).toEqual([2])
    expect(check.mock.calls.map(([pieces]) => [...pieces!.ones()])).toEqual([[4, 5]])
  })

  it('reads everything where the download seems complete and that is to be proved', async () => {
    const first = begin()
    first.keeper.begin(nothing(), undefined)
    for (let piece = 0; piece < 6; piece++) await first.write(piece)
    await pass(1000)
    await first.keeper.close()
    first.keeper.save()
    const resume = read()
    expect(unchanged(resume)).toEqual([0, 1, 2])
    const { content } = begin(resume)
    const check = vi.spyOn(content, 'check')
    expect((await content.find(resume, false, true)).found.count).toBe(6)
    expect(check.mock.calls.flatMap(([pieces]) => [...pieces!.ones()])).toEqual([0, 1, 2, 3, 4, 5])
  })

  const CHANGES: [string, (name: string) => void][] = [
    [
      'changed in one byte, with its old date',
      (name) => {
        const { atime, mtime } = statSync(name)
        const bytes = readFileSync(name)
        bytes[5]! ^= 1
        writeFileSync(name, bytes)
        utimesSync(name, atime, mtime)
      },
    ],
    [
      'replaced by another of the same size and date',
      (name) => {
        const { atime, mtime } = statSync(name)
        copyFileSync(name, `${name}.new`)
        writeFileSync(`${name}.new`, Buffer.alloc(2 * PIECE))
        utimesSync(`${name}.new`, atime, mtime)
        renameSync(`${name}.new`, name)
      },
    ],
    ['cut short', (name) => truncateSync(name, PIECE)],
    ['gone', (name) => rmSync(name)],
  ]
  it.each(CHANGES)('does not vouch for a file that is %s', async (_, change) => {
    const resume = await afterThreePieces()
    change(file('a'))
    expect(unchanged(resume)).toEqual([1])
    const { found } = await begin(resume).find()
    expect(found.has(2)).toBe(true)
    expect(found.has(0) && found.has(1)).toBe(false)
  })

  it('goes on with what is still true, and forgets the rest', async () => {
    const resume = await afterThreePieces()
    writeFileSync(file('a'), Buffer.alloc(2 * PIECE))
    const { keeper, find, write } = begin(resume)
    keeper.begin(await find(), resume)
    await write(4)
    await pass(1500)
    await vi.waitFor(() => expect([...read().pieces.ones()]).toEqual([2, 4]))
    expect(unchanged(read())).toEqual([1])
    keeper.lost([2])
    await vi.waitFor(() => expect([...read().pieces.ones()]).toEqual([4]))
    await keeper.close()
    keeper.save()
    expect([...read().pieces.ones()]).toEqual([4])
    expect(readdirSync(dir).sort()).toEqual(['lib', 'log'])
  })
})

it('a piece that is padding alone is found without any file, also by way of a journal', async () => {
  const pad: FileEntry = { ...METAINFO.files[1]!, path: ['.pad'], isPad: true }
  const zeros = digestPiece(new Uint8Array(PIECE), true, undefined).sha1!
  const hashes = Buffer.from(METAINFO.pieceHashesV1!)
  for (const piece of [2, 3]) hashes.set(zeros, 20 * piece)
  const files = [METAINFO.files[0]!, pad, METAINFO.files[2]!]
  const metainfo = { ...METAINFO, files, pieceHashesV1: hashes }
  const { write } = begin()
  for (const piece of [0, 1, 4, 5]) await write(piece)
  const folder = new ContentFolder(dir)
  const content = new ContentCheck({
    metainfo,
    geometry: new Geometry(metainfo, PIECE),
    folder: () => folder,
    paths: PATHS,
    selectedFiles: undefined,
    signal: new AbortController().signal,
  })
  const pieces = new Bitfield(6)
  for (const piece of [0, 1]) pieces.set(piece)
  expect((await content.find(undefined, false, false)).found.count).toBe(6)
  const { found, changed } = await content.find({ pieces, isUnchanged: (index) => index === 0 }, false, false)
  expect(found.count).toBe(6)
  expect([...changed]).toEqual([2])
})

it('an orderly stop leaves a log without marks that need time, and none when nothing is there', async () => {
  const { keeper, write } = begin()
  keeper.begin(nothing(), undefined)
  await write(5)
  await keeper.close()
  keeper.save()
  expect(unchanged(read())).toEqual([2])
  const empty = begin()
  empty.keeper.begin(nothing(), undefined)
  expect(existsSync(log)).toBe(false)
  await empty.keeper.close()
  empty.keeper.save()
  expect(existsSync(log)).toBe(false)
})

it('a log that cannot be written stops nothing', async () => {
  const { keeper, write } = begin()
  rmSync(dir, { recursive: true })
  keeper.begin(nothing(), undefined)
  const lost = new ResumeKeeper(path.join(dir, 'no', 'such', 'log'), {
    metainfo: METAINFO,
    geometry: GEOMETRY,
    content: begin().content,
    folder: new ContentFolder(dir),
    paths: PATHS,
  })
  lost.begin({ found: full(), changed: new Set() }, undefined)
  await write(0)
  await pass(3000)
  await keeper.close()
  await lost.close()
  expect(() => lost.save()).toThrow(/ENOENT/)
})

function full(): Bitfield {
  const field = new Bitfield(6)
  field.fill()
  return field
}
