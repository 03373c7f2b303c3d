import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeWhole } from './whole-file.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'whole-file-'))
})
afterEach(() => rmSync(base, { recursive: true }))

test('writes and replaces, leaving nothing else', () => {
  writeWhole(path.join(base, 'a'), Buffer.from('one'))
  writeWhole(path.join(base, 'a'), Buffer.from('two'))
  expect(readFileSync(path.join(base, 'a'), 'utf8')).toBe('two')
  expect(readdirSync(base)).toEqual(['a'])
})

test('replaces a link, not what it points to', () => {
  writeFileSync(path.join(base, 'content'), 'content')
  symlinkSync('content', path.join(base, 'link'))
  writeWhole(path.join(base, 'link'), Buffer.from('new'))
  expect(readFileSync(path.join(base, 'content'), 'utf8')).toBe('content')
  expect(readFileSync(path.join(base, 'link'), 'utf8')).toBe('new')
})

test('fails without a trace', () => {
  mkdirSync(path.join(base, 'folder/below'), { recursive: true })
  expect(() => writeWhole(path.join(base, 'folder'), Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^storage\//) }),
  )
  expect(() => writeWhole(path.join(base, 'nowhere/x'), Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: 'storage/not-found' }),
  )
  expect(readdirSync(base)).toEqual(['folder'])
})
