import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import { instant } from '../base/time.ts'
import { FailureLimits } from './failure-limits.ts'

const HERE = Uint8Array.of(10, 0, 0, 1)

test('after so many wrong secrets a source has to wait, one at a time', () => {
  const limits = new FailureLimits(new SipHash(new Uint8Array(SIPHASH_KEY_LENGTH)))
  let wrong = 0
  for (; limits.mayTry(instant(0), HERE) && wrong < 1000; wrong++) limits.failed(instant(0), HERE)
  expect(wrong).toBe(LIMITS.wrongSecretsMax.value)
  expect(limits.mayTry(instant(1_000_000), HERE)).toBe(false)
  expect(limits.mayTry(instant(7_000_000), HERE)).toBe(true)
  limits.failed(instant(7_000_000), HERE)
  expect(limits.mayTry(instant(7_000_000), HERE)).toBe(false)
  expect(limits.mayTry(instant(0), Uint8Array.of(10, 0, 0, 2))).toBe(true)
})
