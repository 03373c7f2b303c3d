import { expect, test } from 'vitest'
import { connectionsWithin } from './descriptor-limit.ts'

test('as many connections as wished, if the system has descriptors for them', () => {
  expect(connectionsWithin(200, 20_000)).toBe(200)
  expect(connectionsWithin(200, 1024)).toBe(200)
  expect(connectionsWithin(1000, 1024)).toBe(512)
  expect(connectionsWithin(200, 256)).toBe(128)
  expect(connectionsWithin(200, 20)).toBe(16)
  expect(connectionsWithin(5, 20)).toBe(5)
})

test('where the limit cannot be told the wish counts', () => {
  expect(connectionsWithin(1000, undefined)).toBeLessThanOrEqual(1000)
})
