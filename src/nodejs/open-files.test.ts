import { existsSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DescriptorPool, OpenFiles } from './open-files.ts'
import { ShoalError } from './shoal-error.ts'

let folder: string
const opened: number[] = []

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'shoal-open-files-'))
  for (let file = 0; file < 9; file++) writeFileSync(path.join(folder, String(file)), '')
  opened.length = 0
})
afterEach(() => rmSync(folder, { recursive: true }))

function filesOf(pool: DescriptorPool): OpenFiles<number> {
  return new OpenFiles((file) => {
    const fd = openSync(path.join(folder, String(file)), 'r+')
    opened.push(fd)
    return fd
  }, pool)
}

const isOpen = (fd: number) => {
  try {
    return fstatSync(fd).isFile() && existsSync(`/proc/self/fd/${fd}`)
  } catch {
    return false
  }
}

test('two torrents share one pool: the least recently used file is closed, whoever has it', async () => {
  const pool = new DescriptorPool(2)
  const [one, other] = [filesOf(pool), filesOf(pool)]
  one.use(0, false).release()
  other.use(1, false).release()
  one.use(2, false).release()
  expect(one.keys()).toEqual([2])
  expect(other.keys()).toEqual([1])
  await vi.waitFor(() => expect(isOpen(opened[0]!)).toBe(false))
  one.closeAll()
  other.closeAll()
})

test('who finds all descriptors in use waits, in order, and gets one when it is released', async () => {
  const pool = new DescriptorPool(2)
  const files = filesOf(pool)
  const first = files.use(0, true)
  files.use(1, true)
  expect(files.mustWait(1, true)).toBe(false)
  expect(files.mustWait(2, true)).toBe(true)
  const served: number[] = []
  for (const file of [2, 3])
    files.wait(
      () => served.push(files.use(file, true).fd),
      () => {},
    )
  expect(served).toEqual([])
  first.release()
  await vi.waitFor(() => expect(served).toHaveLength(1))
  expect(files.keys()).toEqual([1, 2])
})

test('after `leave` nobody is served, and each is told; `closeAll` alone drops nobody', () => {
  const pool = new DescriptorPool(1)
  const [files, other] = [filesOf(pool), filesOf(pool)]
  const held = files.use(0, true)
  const news: string[] = []
  for (const [name, who] of Object.entries({ files, other }))
    who.wait(
      () => news.push(`${name} now`),
      () => news.push(`${name} never`),
    )
  files.closeAll()
  expect(news).toEqual([])
  files.leave()
  expect(news).toEqual(['files never'])
  held.release()
  return vi.waitFor(() => expect(news).toEqual(['files never', 'other now']))
})

test('when the system has no descriptor left, idle ones are let go before it is an error', () => {
  const pool = new DescriptorPool(9)
  let left = 3
  const files = new OpenFiles<number>((file) => {
    if ([...new Set(opened)].filter(isOpen).length >= left)
      throw new ShoalError('storage/too-many-files', 'too many', '')
    const fd = openSync(path.join(folder, String(file)), 'r+')
    opened.push(fd)
    return fd
  }, pool)
  for (let file = 0; file < 6; file++) files.use(file, false).release()
  expect(files.keys()).toEqual([3, 4, 5])
  left = 0
  expect(() => files.use(6, false)).toThrow('too many')
  expect(opened.filter(isOpen)).toEqual([])
})

test('who was served is not held while others go on waiting', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const pool = new DescriptorPool(1)
  const files = filesOf(pool)
  const served: WeakRef<object>[] = []
  let release = files.use(0, true).release
  const enter = () => {
    const waiter = { name: `waiter ${served.length}` }
    served.push(new WeakRef(waiter))
    files.wait(
      () => {
        expect(waiter.name).not.toBe('')
        release = files.use(0, true).release
      },
      () => {},
    )
  }
  enter()
  for (let i = 0; i < 1000; i++) {
    enter()
    release()
  }
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(served.filter((waiter) => waiter.deref() !== undefined).length).toBeLessThan(200)
  files.leave()
  files.closeAll()
})
