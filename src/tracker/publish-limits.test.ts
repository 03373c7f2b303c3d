import { expect, test } from 'vitest'
import { SipHash } from '../base/siphash.ts'
import { type Instant, seconds } from '../base/time.ts'
import { PublishLimits, publishLimitOptions } from './publish-limits.ts'

const at = (second: number): Instant => seconds(second) as Instant
const SOMEBODY = Uint8Array.of(10, 0, 0, 1)
const OTHER = Uint8Array.of(10, 0, 0, 2)
const LOOPBACK = Uint8Array.of(127, 0, 0, 1)

function limitsOf(perHour: number | 'off' | undefined): PublishLimits {
  return new PublishLimits(new SipHash(new Uint8Array(16).fill(3)), publishLimitOptions(perHour))
}

/** How many single things are taken at that time. */
function taken(limits: PublishLimits, second: number, address = SOMEBODY): number {
  for (let count = 0; ; count++) {
    if (count >= 1000 || limits.waitSeconds(at(second), address) > 0) return count
    limits.charge(at(second), address, 1)
  }
}

test('an hour’s worth at once, then what the hour gives back; others are not touched', () => {
  const limits = limitsOf(60)
  expect(taken(limits, 0)).toBe(60)
  expect(limits.waitSeconds(at(0), SOMEBODY)).toBe(60)
  expect(limits.waitSeconds(at(45), SOMEBODY)).toBe(15)
  expect(taken(limits, 60)).toBe(1)
  expect(taken(limits, 660)).toBe(10)
  expect(taken(limits, 660, OTHER)).toBe(60)
  expect(taken(limits, 100_000)).toBe(60)
})

test('a batch larger than what is left passes whole, and is waited out', () => {
  const limits = limitsOf(60)
  limits.charge(at(0), SOMEBODY, 59)
  expect(limits.waitSeconds(at(0), SOMEBODY)).toBe(0)
  limits.charge(at(0), SOMEBODY, 100)
  expect(limits.waitSeconds(at(0), SOMEBODY)).toBe(100 * 60)
})

test('what is large counts as several', () => {
  const limits = limitsOf(60)
  limits.charge(at(0), SOMEBODY, 1, 1024 * 1024)
  expect(taken(limits, 0)).toBe(60 - 17)
})

test('a whole /64 is one source', () => {
  const limits = limitsOf(60)
  const host = (last: number) => Uint8Array.from([0x20, 1, 13, 184, ...Array(11).fill(0), last])
  expect(taken(limits, 0, host(1))).toBe(60)
  expect(taken(limits, 0, host(2))).toBe(0)
})

test('this machine is limited only when the operator says how much', () => {
  expect(taken(limitsOf(undefined), 0, LOOPBACK)).toBe(1000)
  expect(taken(limitsOf(5), 0, LOOPBACK)).toBe(5)
  expect(taken(limitsOf('off'), 0, SOMEBODY)).toBe(1000)
})
