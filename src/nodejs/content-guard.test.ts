import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ContentFolder, type ContentStat, type PathComponent } from './content-folder.ts'
import { ContentGuard } from './content-guard.ts'
import { explainedError } from './storage-error.ts'

/** Where nothing can be opened for a while. */
class CrowdedFolder extends ContentFolder {
  errno: string | undefined

  override statSync(components: readonly PathComponent[]): ContentStat | undefined {
    if (this.errno !== undefined) throw explainedError(this.errno, 'a', false)
    return super.statSync(components)
  }
}

let folder: CrowdedFolder
let guard: ContentGuard

beforeEach(() => {
  folder = new CrowdedFolder(mkdtempSync(path.join(tmpdir(), 'shoal-guard-')))
  writeFileSync(path.join(folder.root, 'a'), 'content')
  guard = new ContentGuard({ folder, paths: [['a']], isStored: () => true })
  guard.trust(0, folder.statSync(['a']))
})
afterEach(() => rmSync(folder.root, { recursive: true, force: true }))

test('content is neither gone nor changed for want of descriptors', () => {
  folder.errno = 'EMFILE'
  expect(guard.isGone()).toBe(false)
  expect(guard.hasChanged(0)).toBe(false)
  folder.errno = undefined
  expect(guard.hasChanged(0)).toBe(false)
  writeFileSync(path.join(folder.root, 'a'), 'other content')
  expect(guard.hasChanged(0)).toBe(true)
})

test('content that cannot be looked at for another reason counts as gone', () => {
  folder.errno = 'EACCES'
  expect(guard.isGone()).toBe(true)
  expect(guard.hasChanged(0)).toBe(true)
})

test('a folder kept open below one that was moved away does not pass for content that is there', () => {
  mkdirSync(path.join(folder.root, 'below'))
  writeFileSync(path.join(folder.root, 'below', 'b'), 'content')
  const paths = [['a'], ['below', 'b']]
  guard = new ContentGuard({ folder, paths, isStored: () => true })
  folder.close()
  const startMs = performance.now()
  const now = vi.spyOn(performance, 'now')
  const openAt = (ms: number, file: number) => {
    now.mockReturnValue(startMs + ms)
    guard.trust(file, folder.statSync(paths[file]!))
  }
  openAt(0, 0)
  openAt(600, 1)
  renameSync(folder.root, `${folder.root}-moved`)
  now.mockReturnValue(startMs + 1100)
  expect(guard.isGone()).toBe(true)
  renameSync(`${folder.root}-moved`, folder.root)
  expect(guard.isGone()).toBe(false)
  now.mockRestore()
})
