import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { readInputFile } from './input-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-input-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function codeOf(path: string): unknown {
  try {
    return readInputFile(path).length
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('reads a file whole, whatever its length', () => {
  for (const length of [0, 1, 65_535, 65_536, 200_001]) {
    const bytes = Buffer.alloc(length, length & 255)
    writeFileSync(join(folder, 'x'), bytes)
    expect(readInputFile(join(folder, 'x')).equals(bytes)).toBe(true)
  }
})

test('what is too large is refused', () => {
  const path = join(folder, 'x')
  writeFileSync(path, '')
  truncateSync(path, LIMITS.metainfoBytesMax.value + 1)
  expect(codeOf(path)).toBe('input/too-large')
})

test.skipIf(process.platform !== 'linux')('a file that claims to be empty is read to its end', () => {
  expect(codeOf('/proc/self/maps')).toBeGreaterThan(0)
})

test.skipIf(process.platform === 'win32')('devices, pipes and folders are refused at once', () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of ['/dev/zero', '/dev/null', pipe, folder]) expect(codeOf(path)).toBe('input/not-a-file')
  expect(codeOf(join(folder, 'none'))).toBe('storage/not-found')
})
