import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Bitfield } from '../base/bitfield.ts'
import type { Fault } from '../base/result.ts'
import { Geometry } from '../swarm/geometry.ts'
import { CONTENT_GONE } from '../swarm/pause.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentFolder } from './content-folder.ts'
import { ContentGuard } from './content-guard.ts'
import { DiskPace } from './disk-pace.ts'
import { FileStore } from './file-store.ts'
import { findShortage, spaceNeeds } from './space-check.ts'
import { explainedError } from './storage-error.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'shoal faults '))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function metainfoOf(lengths: Record<string, number>): Metainfo {
  let offset = 0
  const files = Object.entries(lengths).map(([name, length]) => {
    offset += length
    return { path: [name], length, offset: offset - length, isPad: false, piecesRoot: null, pieceLayer: null }
  })
  return {
    format: 'v1',
    files,
    pieceLength: 1024,
    pieceCount: Math.ceil(offset / 1024),
  } as unknown as Metainfo
}

/** Quick or not, whatever anything takes. */
class FixedPace extends DiskPace {
  readonly #says: () => boolean

  constructor(says: () => boolean) {
    super(1)
    this.#says = says
  }

  override isQuick(): boolean {
    return this.#says()
  }
}

function storeOf(root: string, file: string, pace: DiskPace, isGone?: () => boolean): FileStore {
  const metainfo = metainfoOf({ [file]: 1024 })
  return new FileStore({
    metainfo,
    geometry: new Geometry(metainfo, 16_384),
    folder: new ContentFolder(root),
    pathOf: () => [file],
    selectedFiles: undefined,
    sideFile: ['x.parts'],
    paces: { ofReads: pace, ofWrites: pace },
    ...(isGone && { isGone }),
  })
}

const read = (store: FileStore) =>
  new Promise<Fault | undefined>((resolve) => store.read(0, 0, [new Uint8Array(1024)], resolve))
const write = (store: FileStore) =>
  new Promise<Fault | undefined>((resolve) => store.write(0, new Uint8Array(1024), resolve))

describe('what the system says', () => {
  test.each([
    ['ENOSPC', 'storage/disk-full', /disk is full/],
    ['EDQUOT', 'storage/quota-full', /quota/],
    ['EROFS', 'storage/read-only', /read-only/],
    ['EIO', 'storage/io-error', /disk reports an error/],
    ['EFBIG', 'storage/too-large', /too large/],
    ['EACCES', 'storage/unwritable', /may not be written/],
    ['ESTALE', 'storage/io-error', /ESTALE/],
  ])('%s becomes %s with a hint', (errno, code, says) => {
    const error = explainedError(errno, '/x', true)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(says)
    expect(error.hint).toMatch(/\S/)
  })
})

describe.each([
  ['on a quick disk', () => new FixedPace(() => true)],
  ['on a slow one', () => new FixedPace(() => false)],
])('a store %s', (_, paceOf) => {
  if (process.platform !== 'linux') console.log('skipped: needs Linux')
  // The first page of a process is no memory: the kernel answers EIO, from what passes for a regular file.
  test.skipIf(process.platform !== 'linux')(
    'tells a disk error, and opens the file anew after it',
    async () => {
      const store = storeOf('/proc/self', 'mem', paceOf())
      expect(await read(store)).toMatchObject({ code: 'storage/io-error' })
      expect(store.openFiles()).toEqual([])
      store.close()
    },
  )

  test('makes nothing where its content should be and is not', async () => {
    const store = storeOf(dir, 'a', paceOf(), () => true)
    expect(await write(store)).toMatchObject({ code: CONTENT_GONE, hint: expect.stringMatching(/\S/) })
    expect(await read(store)).toMatchObject({ code: CONTENT_GONE })
    expect(new ContentFolder(dir).statSync(['a'])).toBeUndefined()
    store.close()
  })

  test('knows what it wrote to, until that is taken', async () => {
    const store = storeOf(dir, 'a', paceOf())
    const writing = write(store)
    expect(store.isOurs(0)).toBe(true)
    await writing
    expect(store.isOurs(0)).toBe(true)
    expect(store.takeWritten(9)).toEqual([0])
    expect(store.takeWritten(9)).toEqual([])
    expect(store.isOurs(0)).toBe(false)
    store.close()
  })

  test('answers in a later turn, also when all is done on the spot', async () => {
    const store = storeOf(dir, 'a', paceOf())
    let isAnswered = false
    store.write(0, new Uint8Array(1024), () => (isAnswered = true))
    expect(isAnswered).toBe(false)
    expect(await read(store)).toBeUndefined()
    expect(isAnswered).toBe(true)
    store.close()
  })
})

test('what a slow disk has not finished is not taken for written', async () => {
  const store = storeOf(dir, 'a', new FixedPace(() => false))
  const writing = write(store)
  expect(store.takeWritten(9)).toEqual([])
  await writing
  expect(store.takeWritten(9)).toEqual([0])
  store.close()
})

test.each([
  ['done', false],
  ['failing', true],
])('writes that wait for one another are not %s inside one another', async (_, isFailing) => {
  const count = 20_000
  const metainfo = metainfoOf({ a: 1024 * count })
  let isQuick = false
  let isLost = false
  mkdirSync(path.join(dir, 'folder'))
  const pace = new FixedPace(() => isQuick)
  const store = new FileStore({
    metainfo,
    geometry: new Geometry(metainfo, 16_384),
    folder: new ContentFolder(dir),
    pathOf: () => [isLost ? 'folder' : 'a'],
    selectedFiles: undefined,
    sideFile: ['x.parts'],
    paces: { ofReads: pace, ofWrites: pace },
  })
  const piece = new Uint8Array(1024)
  const faults = await new Promise<(Fault | undefined)[]>((resolve) => {
    const told: (Fault | undefined)[] = []
    for (let index = 0; index < count; index++)
      store.write(index, piece, (fault) => told.push(fault) === count && resolve(told))
    isQuick = !isFailing
    isLost = isFailing
    if (isFailing) store.reopen()
  })
  const failedCount = faults.filter((fault) => fault !== undefined).length
  if (isFailing) expect(failedCount).toBeGreaterThan(count - 10)
  else expect(failedCount).toBe(0)
  store.close()
})

describe('a guard', () => {
  function guardOf(...names: string[]): ContentGuard {
    const paths = names.map((name) => [name])
    return new ContentGuard({ folder: new ContentFolder(dir), paths, isStored: () => true })
  }
  const put = (name: string, text: string) => writeFileSync(path.join(dir, name), text)

  test('notices what others do, and not what this program writes', () => {
    put('a', 'one')
    const guard = guardOf('a', 'b')
    expect([guard.hasChanged(0), guard.hasChanged(1)]).toEqual([false, false])
    put('a', 'other')
    expect([guard.hasChanged(0), guard.hasChanged(0)]).toEqual([true, false])
    put('a', 'ours now')
    expect([guard.hasChanged(0, true), guard.hasChanged(0)]).toEqual([false, false])
    put('b', 'new')
    expect(guard.hasChanged(1)).toBe(true)
    rmSync(path.join(dir, 'a'))
    expect([guard.hasChanged(0), guard.hasChanged(0)]).toEqual([true, false])
  })

  test('content is gone when none of it is there, and not before', () => {
    for (const name of ['a', 'b', 'c']) put(name, name)
    const guard = guardOf('a', 'b', 'c')
    for (const file of [0, 1, 2]) guard.hasChanged(file)
    for (const [file, name] of ['a', 'b'].entries()) {
      rmSync(path.join(dir, name))
      guard.hasChanged(file)
      expect(guard.isGone()).toBe(false)
    }
    rmSync(path.join(dir, 'c'))
    guard.hasChanged(2)
    expect(guard.isGone()).toBe(true)
    put('b', 'b')
    expect(guard.isGone()).toBe(false)
  })

  test('before there is any, another folder of the same name is not the one', () => {
    const guard = guardOf('a')
    expect(guard.isGone()).toBe(false)
    renameSync(dir, `${dir}.moved`)
    expect(guard.isGone()).toBe(true)
    renameSync(`${dir}.moved`, dir)
    expect(guard.isGone()).toBe(false)
  })
})

describe('space', () => {
  test('is needed for what is missing, as far as it is not on disk already', () => {
    const metainfo = metainfoOf({ whole: 2048, hole: 8192, absent: 4096, unwanted: 1 << 30 })
    const geometry = new Geometry(metainfo, 16_384)
    const found = new Bitfield(metainfo.pieceCount)
    for (const piece of [0, 1]) found.set(piece)
    const question = {
      geometry,
      found,
      isStored: (file: number) => file < 3,
      // The small file system of the first may keep short files elsewhere than in blocks.
      stat: (file: number) =>
        file === 2
          ? undefined
          : {
              size: 8192,
              allocatedBytes: file === 0 ? 0 : 3072,
              mtimeNs: 0n,
              ctimeNs: 0n,
              inode: 0n,
              isFile: true,
            },
      folder: dir,
    }
    expect(spaceNeeds(question)).toEqual([{ folder: dir, bytes: 8192 - 3072 + 4096 }])
    expect(findShortage([{ folder: dir, bytes: 1 }])).toBeUndefined()
    expect(findShortage([{ folder: dir, bytes: 2 ** 60 }])).toMatchObject({
      code: 'storage/not-enough-space',
      message: expect.stringMatching(/MiB free.*1099511627776\.0 MiB/),
    })
    // A folder that does not tell counts as large enough.
    expect(findShortage([{ folder: path.join(dir, 'none'), bytes: 2 ** 60 }])).toBeUndefined()
  })
})
