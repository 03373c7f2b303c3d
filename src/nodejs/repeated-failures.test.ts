import { expect, test } from 'vitest'
import { RepeatedFailures } from './repeated-failures.ts'

const MINUTE = 60_000

test('a failure is told at once, then every ten minutes', () => {
  const failures = new RepeatedFailures()
  const told = [...Array(25).keys()].filter((minute) => failures.isNews('no room', minute * MINUTE))
  expect(told).toEqual([0, 10, 20])
})

test('another failure is told beside it, but not any number of them', () => {
  const failures = new RepeatedFailures()
  expect(failures.isNews('one', 0)).toBe(true)
  expect(failures.isNews('other', 1)).toBe(true)
  const told = [...Array(1000).keys()].filter((i) => failures.isNews(`failure ${i}`, 2))
  expect(told).toHaveLength(6)
  expect(failures.isNews('another day', 11 * MINUTE)).toBe(true)
})
