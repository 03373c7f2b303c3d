import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compareBytes } from '../base/bytes.ts'
import { findContent, type WalkOptions } from './folder-walk.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'folder-walk-'))
})
afterEach(() => rmSync(base, { recursive: true }))

function make(...files: string[]): void {
  for (const file of files) {
    mkdirSync(path.dirname(path.join(base, file)), { recursive: true })
    writeFileSync(path.join(base, file), file)
  }
}

const find = (paths: readonly string[], options?: WalkOptions) =>
  findContent(
    paths.map((name) => path.join(base, name)),
    options,
  )
const names = (found: Awaited<ReturnType<typeof find>>) =>
  found.files.map((file) => file.torrentPath.map(String).join('/'))
const codeOf = (found: Promise<unknown>) =>
  found.then(
    () => 'found',
    (error) => error.code ?? error.message,
  )

describe('one folder', () => {
  test('is taken whole, hidden and empty files too, sorted name by name', async () => {
    make('t/b', 't/a.txt', 't/a/z', 't/a/b/c', 't/.hidden', 't/.h/x', 't/B', 't/\u00fc', 't/z', 't/a b')
    writeFileSync(path.join(base, 't/empty'), '')
    const found = await find(['t'])
    expect(names(found)).toEqual([
      '.h/x',
      '.hidden',
      'B',
      'a/b/c',
      'a/z',
      'a b',
      'a.txt',
      'b',
      'empty',
      'z',
      '\u00fc',
    ])
    expect(found).toMatchObject({
      name: 't',
      isSingleFile: false,
      folders: [path.join(base, 't')],
      contentFolder: base,
      skipped: [],
    })
    expect(found.files[3]).toMatchObject({ path: ['a', 'b', 'c'], length: 7, isExecutable: false })
  })

  test('is followed when it is a link itself, and keeps the name of the link', async () => {
    make('t/a')
    symlinkSync('t', path.join(base, 'link'))
    expect(await find(['link'])).toMatchObject({
      name: 'link',
      contentFolder: base,
      files: [{ path: ['a'] }],
    })
  })

  test('knows its name from wherever it is called', async () => {
    make('t/sub/a')
    expect(await find(['t/sub/..'])).toMatchObject({ name: 't' })
    expect(await find(['t/'])).toMatchObject({ name: 't' })
    expect(await find(['t'], { name: 'other' })).toMatchObject({ name: 'other', contentFolder: undefined })
  })

  test('special files are left out and told, and never followed', async () => {
    make('t/a', 'outside/secret')
    symlinkSync('../outside', path.join(base, 't/folder-link'))
    symlinkSync('a', path.join(base, 't/link'))
    symlinkSync('.', path.join(base, 't/loop'))
    execFileSync('mkfifo', [path.join(base, 't/pipe')])
    const server = net.createServer().listen(path.join(base, 't/socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    const found = await find(['t'])
    server.close()
    expect(names(found)).toEqual(['a'])
    expect(found.skipped).toEqual([
      { file: 'folder-link', reason: 'symbolic link' },
      { file: 'link', reason: 'symbolic link' },
      { file: 'loop', reason: 'symbolic link' },
      { file: 'pipe', reason: 'pipe' },
      { file: 'socket', reason: 'socket' },
    ])
  })

  const isRoot = process.getuid?.() === 0
  if (isRoot) console.warn('unreadable files are not tried: this is root, who may read everything')
  test.skipIf(isRoot)('what may not be read is left out and told', async () => {
    make('t/a', 't/closed/b', 't/secret')
    chmodSync(path.join(base, 't/secret'), 0)
    chmodSync(path.join(base, 't/closed'), 0)
    const found = await find(['t'])
    chmodSync(path.join(base, 't/closed'), 0o700)
    expect(names(found)).toEqual(['a'])
    expect(found.skipped).toEqual([
      { file: 'closed', reason: 'unreadable' },
      { file: 'secret', reason: 'unreadable' },
    ])
  })

  test('who may execute a file is kept', async () => {
    make('t/run')
    chmodSync(path.join(base, 't/run'), 0o755)
    expect((await find(['t'])).files).toMatchObject([{ isExecutable: true }])
  })

  test('resume data and the file to be written are no content', async () => {
    make('t/a', 't/.shoal/resume', 't/sub/.shoal/resume', 't/t.torrent')
    const found = await find(['t'], { outputFile: (name) => path.join(base, 't', `${name}.torrent`) })
    expect(names(found)).toEqual(['a'])
    expect(found.skipped).toEqual([{ file: 't.torrent', reason: 'output file' }])
  })

  test('patterns exclude files and folders', async () => {
    make('t/a.tmp', 't/b', 't/cache/x', 't/deep/cache/y', 't/deep/z.tmp', 't/deep/z')
    expect(names(await find(['t'], { excludes: ['*.tmp', '/cache'] }))).toEqual([
      'b',
      'deep/cache/y',
      'deep/z',
    ])
    expect(names(await find(['t'], { excludes: ['cache'] }))).toEqual(['a.tmp', 'b', 'deep/z', 'deep/z.tmp'])
  })

  test('is left when aborted', async () => {
    make('t/a')
    expect(await codeOf(find(['t'], { signal: AbortSignal.abort(new Error('enough')) }))).toBe('enough')
  })
})

describe.skipIf(process.platform !== 'linux')('names that are not UTF-8', () => {
  test('come byte for byte, in the order of their bytes', async () => {
    const folder = path.join(base, 't')
    mkdirSync(folder)
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 12 })
      .filter(
        (bytes) => !bytes.includes(0) && !bytes.includes(47) && !/^\.+$/.test(String.fromCharCode(...bytes)),
      )
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { maxLength: 8, selector: (bytes) => bytes.join() }),
        async (names) => {
          rmSync(folder, { recursive: true })
          mkdirSync(folder)
          for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), 'x')
          const found = await find(['t'])
          const found1 = found.files.map((file) => Buffer.from(file.path[0] as string))
          expect(found1).toEqual(names.toSorted(compareBytes).map((name) => Buffer.from(name)))
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('other paths', () => {
  test('one file', async () => {
    make('a.txt')
    expect(await find(['a.txt'])).toMatchObject({
      name: 'a.txt',
      isSingleFile: true,
      contentFolder: base,
      files: [{ path: ['a.txt'], torrentPath: ['a.txt'] }],
    })
    expect(await find(['a.txt'], { name: 'b' })).toMatchObject({
      name: 'b',
      files: [{ path: ['a.txt'], torrentPath: ['b'] }],
    })
  })

  test('a link to a file stands for the file', async () => {
    make('real/a.txt')
    symlinkSync('real/a.txt', path.join(base, 'link'))
    expect(await find(['link'])).toMatchObject({
      name: 'link',
      files: [{ path: ['a.txt'], torrentPath: ['link'] }],
      folders: [expect.stringContaining('real')],
    })
  })

  test('several, side by side under the name of their folder', async () => {
    make('pics/b.jpg', 'pics/a.jpg', 'pics/sub/x', 'pics/not')
    const found = await find(['pics/sub', 'pics/b.jpg', 'pics/a.jpg'])
    expect(names(found)).toEqual(['a.jpg', 'b.jpg', 'sub/x'])
    expect(found).toMatchObject({ name: 'pics', isSingleFile: false, contentFolder: base })
    expect(
      found.files.map((file) => path.join(found.folders[file.folder]!, ...(file.path as string[]))),
    ).toEqual(['a.jpg', 'b.jpg', 'sub/x'].map((name) => path.join(base, 'pics', name)))
  })

  test('several from different folders need a name', async () => {
    make('a/1', 'b/2')
    expect(await codeOf(find(['a/1', 'b/2']))).toBe('create/no-name')
    expect(await find(['a/1', 'b/2'], { name: 'both' })).toMatchObject({
      name: 'both',
      contentFolder: undefined,
    })
  })

  test('what cannot be a torrent', async () => {
    make('a/x', 'b/x')
    expect(await codeOf(find(['nothing']))).toBe('create/not-found')
    expect(await codeOf(find(['a/x', 'b/x'], { name: 'n' }))).toBe('create/same-name')
    expect(await codeOf(find(['a'], { name: '../a' }))).toBe('create/bad-name')
    expect(await codeOf(findContent(['/']))).toBe('create/bad-name')
    expect(await codeOf(findContent(['/dev/null']))).toBe('create/not-a-file')
  })
})
