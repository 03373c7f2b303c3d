import { spawnSync } from 'node:child_process'
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

test('removes what a killed process left of the same file, and nothing else', () => {
  const file = path.join(base, 'a.torrent')
  const script = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    fs.renameSync = () => process.kill(process.pid, 'SIGKILL')
    syncBuiltinESMExports()
    const { writeWhole } = await import(${JSON.stringify(new URL('./whole-file.ts', import.meta.url).href)})
    writeWhole(process.argv[1], Buffer.from('half'))`
  const kill = (target: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script, target], { encoding: 'utf8' })
  expect(kill(file).signal).toBe('SIGKILL')
  expect(kill(path.join(base, 'b.torrent')).signal).toBe('SIGKILL')
  const [one, other] = readdirSync(base)
  expect([one, other].every((name) => name?.endsWith('.tmp'))).toBe(true)
  // Another process that writes the same file now.
  const busy = one!.replace(/-\d+-/, `-${process.ppid}-`)
  writeFileSync(path.join(base, busy), '')
  const busyOther = other!.replace(/-\d+-/, `-${process.ppid}-`)
  writeFileSync(path.join(base, busyOther), '')
  writeWhole(file, Buffer.from('whole'))
  expect(readFileSync(file, 'utf8')).toBe('whole')
  writeWhole(path.join(base, 'b.torrent'), Buffer.from('whole'))
  expect(readdirSync(base).sort()).toEqual([busy, busyOther, 'a.torrent', 'b.torrent'].sort())
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
