import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Bitfield } from '../base/bitfield.ts'
import type { ContentStat } from './content-folder.ts'
import { saveResume, takeResume } from './resume-file.ts'
import { TransferState } from './transfer-state.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'shoal state '))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const stat = (size: number): ContentStat => ({
  size,
  mtimeNs: 5n,
  ctimeNs: 6n,
  inode: 7n,
  isFile: true,
  blocks: 8,
})

describe('the lock of a transfer', () => {
  it('keeps a second holder out, and leaves nothing behind', () => {
    const state = TransferState.open(dir, 'abc')
    expect(() => TransferState.open(dir, 'abc')).toThrow(expect.objectContaining({ code: 'transfer/locked' }))
    const other = TransferState.open(dir, 'def')
    state.close(true)
    other.close(true)
    expect(readdirSync(dir)).toEqual([])
    TransferState.open(dir, 'abc').close(true)
  })

  it('is not lost when the same process tries to take it twice', () => {
    const state = TransferState.open(dir, 'abc')
    expect(() => TransferState.open(dir, 'abc')).toThrow(expect.objectContaining({ code: 'transfer/locked' }))
    const url = new URL('./transfer-state.ts', import.meta.url).href
    const script = `const { TransferState } = await import(${JSON.stringify(url)})
      try { TransferState.open(${JSON.stringify(dir)}, 'abc'); console.log('taken') } catch (e) { console.log(e.code) }`
    const other = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(other.stdout.trim()).toBe('transfer/locked')
    state.close(true)
  })

  it('is let go of by a process that is killed', async () => {
    const url = new URL('./transfer-state.ts', import.meta.url).href
    const script = `const { TransferState } = await import(${JSON.stringify(url)})
      TransferState.open(${JSON.stringify(dir)}, 'abc'); console.log('held'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    expect(() => TransferState.open(dir, 'abc')).toThrow(expect.objectContaining({ code: 'transfer/locked' }))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    TransferState.open(dir, 'abc').close(true)
  })
})

describe('resume data', () => {
  const pieces = new Bitfield(20)
  pieces.set(3)
  pieces.set(19)

  it('comes back once, with what changed pointed out', () => {
    const file = path.join(dir, 'r')
    saveResume(file, pieces, [stat(1), undefined, stat(3)])
    const resume = takeResume(file, 20, 3)
    if (resume === undefined || resume === 'corrupt') throw new Error('it was saved')
    expect([...resume.pieces.ones()]).toEqual([3, 19])
    expect(resume.isUnchanged(0, () => stat(1))).toBe(true)
    expect(resume.isUnchanged(0, () => stat(2))).toBe(false)
    expect(resume.isUnchanged(0, () => undefined)).toBe(false)
    expect(resume.isUnchanged(1, () => undefined)).toBe(true)
    expect(resume.isUnchanged(1, () => stat(0))).toBe(false)
    expect(takeResume(file, 20, 3)).toBeUndefined()
  })

  it('is refused when any byte of it changed, or it belongs to another torrent', () => {
    const file = path.join(dir, 'r')
    saveResume(file, pieces, [stat(1)])
    const content = readFileSync(file)
    for (let at = 0; at < content.length; at += 7) {
      const damaged = Buffer.from(content)
      damaged[at]! ^= 1
      writeFileSync(file, damaged)
      expect(takeResume(file, 20, 1)).toBe('corrupt')
    }
    writeFileSync(file, '')
    expect(takeResume(file, 20, 1)).toBe('corrupt')
    saveResume(file, pieces, [stat(1)])
    expect(takeResume(file, 29, 1)).toBe('corrupt')
  })

  it('is never half written', () => {
    const file = path.join(dir, 'r')
    saveResume(file, pieces, [])
    expect(existsSync(`${file}.new`)).toBe(false)
    expect(statSync(file).size).toBeGreaterThan(0)
  })
})
