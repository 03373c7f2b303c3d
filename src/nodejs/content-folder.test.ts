import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { ContentFolder } from './content-folder.ts'

let base: string
let root: string
let outside: string

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'content-folder-'))
  root = path.join(base, 'root')
  outside = path.join(base, 'outside')
  mkdirSync(root)
  mkdirSync(outside)
  writeFileSync(path.join(outside, 'secret'), 'secret')
})
afterEach(() => {
  new ContentFolder(root).close()
  rmSync(base, { recursive: true })
})

function readAll(fd: number): string {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  readSync(fd, bytes, 0, bytes.length, 0)
  closeSync(fd)
  return bytes.toString()
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'no error'
}

for (const byDescriptor of process.platform === 'linux' ? [true, false] : [false]) {
  describe(byDescriptor ? 'by descriptor' : 'by checked path', () => {
    const open = () => new ContentFolder(root, byDescriptor)

    test('creates a file with its folders, finds it again, moves it and deletes it', () => {
      const folder = open()
      const fd = folder.openSync(['a', 'ü', 'file'], 'create')
      writeSync(fd, 'content')
      closeSync(fd)
      expect(readFileSync(path.join(root, 'a', 'ü', 'file'), 'utf8')).toBe('content')
      expect(readAll(folder.openSync(['a', 'ü', 'file'], 'read'))).toBe('content')
      expect(folder.statSync(['a', 'ü', 'file'])).toMatchObject({ size: 7, isFile: true })
      folder.rename(['a', 'ü', 'file'], ['b', 'moved'])
      expect(folder.statSync(['a', 'ü', 'file'])).toBeUndefined()
      expect(readAll(folder.openSync(['b', 'moved'], 'write'))).toBe('content')
      folder.unlink(['b', 'moved'])
      expect(readdirSync(path.join(root, 'b'))).toEqual([])
    })

    test('makes folders, the root too', () => {
      const below = new ContentFolder(path.join(root, 'x', 'y'), byDescriptor)
      below.mkdirsSync(['z'])
      below.mkdirsSync(['z'])
      expect(existsSync(path.join(root, 'x', 'y', 'z'))).toBe(true)
    })

    test('the root may be a link, nothing below it', () => {
      symlinkSync(root, path.join(base, 'link'))
      writeFileSync(path.join(root, 'file'), 'content')
      symlinkSync(outside, path.join(root, 'folder-link'))
      symlinkSync(path.join(outside, 'secret'), path.join(root, 'file-link'))
      symlinkSync('nowhere', path.join(root, 'dangling'))
      const folder = new ContentFolder(path.join(base, 'link'), byDescriptor)
      expect(readAll(folder.openSync(['file'], 'read'))).toBe('content')
      for (const mode of ['read', 'write', 'create'] as const) {
        expect(codeOf(() => folder.openSync(['folder-link', 'secret'], mode))).toBe('storage/symlink')
        expect(codeOf(() => folder.openSync(['file-link'], mode))).toBe('storage/symlink')
        expect(codeOf(() => folder.openSync(['dangling'], mode))).toBe('storage/symlink')
      }
      expect(codeOf(() => folder.mkdirsSync(['folder-link', 'new']))).toBe('storage/symlink')
      expect(codeOf(() => folder.unlink(['folder-link', 'secret']))).toBe('storage/symlink')
      expect(codeOf(() => folder.rename(['file'], ['folder-link', 'file']))).toBe('storage/symlink')
      expect(codeOf(() => folder.statSync(['folder-link', 'secret']))).toBe('storage/symlink')
      expect(folder.statSync(['file-link'])?.isFile).toBe(false)
      expect(readdirSync(outside)).toEqual(['secret'])
      expect(existsSync(path.join(root, 'nowhere'))).toBe(false)
      folder.close()
    })

    test('cuts, lengthens and makes files', () => {
      const folder = open()
      folder.truncate(['a', 'new'], 3)
      expect(readFileSync(path.join(root, 'a', 'new'))).toEqual(Buffer.alloc(3))
      writeFileSync(path.join(root, 'a', 'new'), 'content')
      folder.truncate(['a', 'new'], 4)
      expect(readFileSync(path.join(root, 'a', 'new'), 'utf8')).toBe('cont')
    })

    test('moves files to another root, also one on another file system', () => {
      const roots = [path.join(base, 'other')]
      if (existsSync('/dev/shm')) roots.push(mkdtempSync('/dev/shm/content-folder-'))
      for (const other of roots) {
        const target = new ContentFolder(other, byDescriptor)
        mkdirSync(path.join(root, 'a'), { recursive: true })
        writeFileSync(path.join(root, 'a', 'file'), 'content')
        open().moveTo(['a', 'file'], target)
        expect(existsSync(path.join(root, 'a', 'file'))).toBe(false)
        expect(readFileSync(path.join(other, 'a', 'file'), 'utf8')).toBe('content')
        target.close()
        rmSync(other, { recursive: true })
      }
    })

    test('names that climb or carry separators are refused', () => {
      for (const name of [
        '..',
        '.',
        '',
        'a/b',
        '../outside',
        'a\0b',
        Buffer.from('..'),
        Buffer.from('a/b'),
      ]) {
        expect(codeOf(() => open().openSync([name], 'create'))).toBe('storage/bad-name')
        expect(codeOf(() => open().openSync([name, 'secret'], 'create'))).toBe('storage/bad-name')
        expect(codeOf(() => open().rename(['x'], [name]))).toBe('storage/bad-name')
      }
      expect(codeOf(() => open().openSync([], 'read'))).toBe('storage/not-a-file')
    })

    test('every obstacle has its code', () => {
      const folder = open()
      mkdirSync(path.join(root, 'folder'))
      writeFileSync(path.join(root, 'file'), '')
      expect(codeOf(() => folder.openSync(['nothing'], 'read'))).toBe('storage/not-found')
      expect(codeOf(() => folder.openSync(['no', 'thing'], 'write'))).toBe('storage/not-found')
      expect(codeOf(() => folder.openSync(['folder'], 'read'))).toBe('storage/not-a-file')
      expect(codeOf(() => folder.openSync(['folder'], 'write'))).toBe('storage/not-a-file')
      expect(codeOf(() => folder.openSync(['file', 'below'], 'create'))).toBe('storage/not-a-folder')
      expect(codeOf(() => folder.openSync(['n'.repeat(300)], 'create'))).toBe('storage/name-too-long')
      expect(folder.statSync(['no', 'thing'])).toBeUndefined()
    })

    test.skipIf(process.platform === 'win32')(
      'a pipe in the place of a file neither blocks nor opens',
      () => {
        execFileSync('mkfifo', [path.join(root, 'pipe')])
        for (const mode of ['read', 'write', 'create'] as const) {
          expect(codeOf(() => open().openSync(['pipe'], mode))).toBe('storage/not-a-file')
        }
      },
    )

    test.skipIf(process.platform !== 'linux')('names that are not UTF-8 are opened byte for byte', () => {
      const raw = Buffer.from([0x66, 0xff, 0x80])
      closeSync(open().openSync([raw, raw], 'create'))
      expect(readdirSync(root, { encoding: 'buffer' })).toEqual([raw])
      expect(open().statSync([raw, raw])).toMatchObject({ size: 0, isFile: true })
      expect(open().statSync(['f\ufffd\ufffd', raw])).toBeUndefined()
    })

    test('a folder that was deleted and made again is found at once', () => {
      const folder = open()
      closeSync(folder.openSync(['a', 'one'], 'create'))
      rmSync(path.join(root, 'a'), { recursive: true })
      closeSync(folder.openSync(['a', 'two'], 'create'))
      expect(readdirSync(path.join(root, 'a'))).toEqual(['two'])
      rmSync(root, { recursive: true })
      mkdirSync(path.join(root, 'b'), { recursive: true })
      writeFileSync(path.join(root, 'b', 'file'), 'content')
      expect(folder.statSync(['b', 'file'])?.size).toBe(7)
      rmSync(root, { recursive: true })
      folder.mkdirsSync(['c', 'd'])
      expect(existsSync(path.join(root, 'c', 'd'))).toBe(true)
    })
  })
}

describe.skipIf(process.platform !== 'linux')('descriptors', () => {
  const openCount = () => readdirSync('/proc/self/fd').length

  test('deep and wide trees keep few folders open, close lets go of them', () => {
    const folder = new ContentFolder(root)
    const before = openCount()
    for (let i = 0; i < 200; i++) closeSync(folder.openSync([`folder-${i}`, 'file'], 'create'))
    closeSync(folder.openSync([...Array.from({ length: 90 }, (_, i) => `${i}`), 'file'], 'create'))
    folder.rename(['folder-0', 'file'], ['folder-1', 'other'])
    expect(readdirSync(path.join(root, 'folder-1')).sort()).toEqual(['file', 'other'])
    expect(openCount() - before).toBeLessThanOrEqual(LIMITS.foldersOpenMax.value)
    folder.close()
    expect(openCount()).toBeLessThanOrEqual(before)
  })

  test('a folder swapped for a link at any moment never leads outside', async () => {
    const swapper = new Worker(
      `const fs = require('node:fs'), { workerData: [a, outside], parentPort } = require('node:worker_threads')
       let isStopped = false
       parentPort.on('message', () => { isStopped = true })
       const swap = (make) => { try { fs.rmSync(a, { recursive: true, force: true }); make() } catch {} }
       const step = () => {
         swap(() => { fs.mkdirSync(a); fs.writeFileSync(a + '/secret', 'public') })
         swap(() => fs.symlinkSync(outside, a))
         if (isStopped) parentPort.close(); else setImmediate(step)
       }
       step()`,
      { eval: true, workerData: [path.join(root, 'a'), outside] },
    )
    await new Promise((resolve) => swapper.once('online', resolve))
    const seen = new Map<string, number>()
    for (let i = 0; i < 8000; i++) {
      const folder = new ContentFolder(root)
      const result = codeOf(() => {
        const text = readAll(folder.openSync(['a', 'secret'], 'read'))
        throw Object.assign(new Error(), { code: text })
      })
      seen.set(result, (seen.get(result) ?? 0) + 1)
      closeIfOpened(() => folder.openSync(['a', `new-${i % 10}`], 'create'))
      folder.close()
    }
    swapper.postMessage('stop')
    await new Promise((resolve) => swapper.once('exit', resolve))
    expect([...seen.keys()].sort()).toEqual(expect.arrayContaining(['public', 'storage/symlink']))
    expect(seen.has('secret')).toBe(false)
    expect(readdirSync(outside)).toEqual(['secret'])
  })

  test('a replaced folder is noticed within the time the old one is kept open', async () => {
    const folder = new ContentFolder(root)
    closeSync(folder.openSync(['a', 'file'], 'create'))
    renameSync(path.join(root, 'a'), path.join(root, 'old'))
    symlinkSync(outside, path.join(root, 'a'))
    await expect
      .poll(() => codeOf(() => closeSync(folder.openSync(['a', 'file'], 'read'))), { timeout: 10_000 })
      .toBe('storage/symlink')
  })
})

function closeIfOpened(open: () => number): void {
  try {
    closeSync(open())
  } catch {}
}
