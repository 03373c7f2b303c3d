import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LogFile } from './log-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const numbers = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).n)

test('every event is a line with its time, after what was there', () => {
  const path = join(folder, 'log')
  for (const n of [1, 2]) {
    const log = new LogFile(path, 5)
    log.write({ event: 'checked', n })
    log.close()
  }
  const [first] = readFileSync(path, 'utf8').split('\n')
  expect(JSON.parse(first!)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    event: 'checked',
    n: 1,
  })
  expect(numbers(path)).toEqual([1, 2])
})

test('full files move up and the oldest goes', () => {
  const path = join(folder, 'log')
  const log = new LogFile(path, 3, 150)
  for (let n = 0; n < 10; n++) log.write({ event: 'x', n })
  log.close()
  const kept = [`${path}.2`, `${path}.1`, path].flatMap(numbers)
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 10 - kept.length + i))
  expect(kept.length).toBeLessThan(10)
  expect(existsSync(`${path}.3`)).toBe(false)
})

test('one kept file is begun anew', () => {
  const path = join(folder, 'log')
  const log = new LogFile(path, 1, 100)
  for (let n = 0; n < 5; n++) log.write({ event: 'x', n })
  log.close()
  expect(numbers(path).at(-1)).toBe(4)
  expect(existsSync(`${path}.1`)).toBe(false)
})

test('writing after the end is nothing', () => {
  const log = new LogFile(join(folder, 'log'), 1)
  log.close()
  log.write({ event: 'late' })
  log.close()
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('')
})
