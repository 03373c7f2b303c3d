import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import {
  connectionsWithin,
  contentFilesWithin,
  foldersWithin,
  refuseTooFewDescriptors,
} from './descriptor-limit.ts'

const THREADS = 4

test('as many connections as wished, if the system has descriptors for them', () => {
  expect(connectionsWithin(200, 20_000, THREADS)).toBe(200)
  expect(connectionsWithin(200, 1024, THREADS)).toBe(200)
  expect(connectionsWithin(1000, 1024, THREADS)).toBe(512)
  expect(connectionsWithin(200, 256, THREADS)).toBe(125)
  expect(connectionsWithin(5, 100, THREADS)).toBe(5)
})

test('where the limit cannot be told the wish counts', () => {
  expect(connectionsWithin(1000, undefined)).toBeLessThanOrEqual(1000)
})

test('connections, files and folders together stay below the limit, with room for Node.js and its threads', () => {
  for (const threads of [3, 4, 10, 18])
    for (const limit of [200, 256, 1024, 4096, 1_048_576]) {
      const own = 24 + 6 * threads
      const content = 1.5 * contentFilesWithin(limit, threads) + threads * foldersWithin(limit, threads)
      expect(own + content + connectionsWithin(100_000, limit, threads)).toBeLessThanOrEqual(limit)
    }
  expect(contentFilesWithin(20_000, THREADS)).toBe(256)
  expect(foldersWithin(20_000, THREADS)).toBe(LIMITS.foldersOpenMax.value)
})

test('a limit too low for any peer is said at once, with the least that works', () => {
  expect(() => refuseTooFewDescriptors(87, THREADS)).toThrow('87 open files, and a peer needs at least 88')
  expect(() => refuseTooFewDescriptors(88, THREADS)).not.toThrow()
  expect(() => refuseTooFewDescriptors(1024, 18)).not.toThrow()
})
