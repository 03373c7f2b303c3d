import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readConfigFile } from './config-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('stands below XDG_CONFIG_HOME and need not exist', () => {
  const path = join(folder, 'shoal', 'config.json')
  expect(readConfigFile({ XDG_CONFIG_HOME: folder })).toEqual({ path, isPresent: false, values: {} })
  mkdirSync(join(folder, 'shoal'))
  writeFileSync(path, '\ufeff{"max-peers": 3}')
  expect(readConfigFile({ XDG_CONFIG_HOME: folder })).toEqual({
    path,
    isPresent: true,
    values: { 'max-peers': 3 },
  })
})

test.each([
  [undefined, 'usage/config-unreadable'],
  ['{', 'usage/config-not-json'],
  ['[]', 'usage/config-not-object'],
  ['null', 'usage/config-not-object'],
])('a named file that holds %j is refused', (text, code) => {
  const path = join(folder, 'my.json')
  if (text !== undefined) writeFileSync(path, text)
  expect(() => readConfigFile({ SHOAL_CONFIG: path })).toThrowError(expect.objectContaining({ code }))
})
