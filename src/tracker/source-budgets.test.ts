import { describe, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { SipHash } from '../base/siphash.ts'
import { type Instant, instant, milliseconds, seconds } from '../base/time.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { type SourceBudget, SourceBudgets } from './source-budgets.ts'
import {
  joinBudget,
  publishBudget,
  REPORT_BUDGET,
  requestBudget,
  WRONG_SECRET_BUDGET,
} from './source-rules.ts'

const START = instant(seconds(100))
const SOMEBODY = parseAddress('192.0.2.1')!
const later = (by: number): Instant => instant(START + by)

function budgets(budget: SourceBudget): SourceBudgets {
  return new SourceBudgets(new SipHash(new Uint8Array(16).fill(3)), budget)
}

/** How many of many requests at once are served. */
function served(limits: SourceBudgets, host: string, now = START, tries = 1000): number {
  const address = parseAddress(host)!
  return Array.from({ length: tries }, () => limits.take(now, address)).filter(Boolean).length
}

describe('the budget of one source', () => {
  test('is whole at first, then comes back as time goes by', () => {
    const limits = budgets(requestBudget(10))
    expect(served(limits, '192.0.2.1')).toBe(10)
    expect(served(limits, '192.0.2.1')).toBe(0)
    expect(served(limits, '192.0.2.1', later(milliseconds(300)))).toBe(3)
    expect(served(limits, '192.0.2.1', later(seconds(500)))).toBe(10)
  })

  test('is not used up by others', () => {
    const limits = budgets(requestBudget(10))
    served(limits, '192.0.2.1')
    expect(served(limits, '192.0.2.2')).toBe(10)
  })

  test('is that of a whole IPv6 network', () => {
    const limits = budgets(requestBudget(10))
    expect(served(limits, '2001:db8::1', START, 6)).toBe(6)
    expect(served(limits, '2001:db8::ffff:2')).toBe(4)
    expect(served(limits, '2001:db8:0:1::1')).toBe(10)
    const joins = budgets(joinBudget(10))
    expect(served(joins, '2001:db8::1', START, 6)).toBe(6)
    expect(served(joins, '2001:db8:0:1::1')).toBe(4)
    expect(served(joins, '2001:db8:1::1')).toBe(10)
  })

  test('binds this machine only where the operator says how much', () => {
    for (const host of ['127.0.0.1', '::1']) {
      expect(served(budgets(requestBudget(undefined)), host, START, 5000)).toBe(5000)
      expect(served(budgets(requestBudget(10)), host)).toBe(10)
    }
    expect(served(budgets(publishBudget(undefined)), '10.0.0.1', START, 50_000)).toBe(
      LIMITS.publicationsPerSourceMax.value,
    )
  })

  test('may have no end', () => {
    expect(served(budgets(requestBudget('off')), '192.0.2.1', START, 50_000)).toBe(50_000)
  })

  test('is overdrawn by a large charge, which is waited out', () => {
    const limits = budgets(publishBudget(60))
    limits.charge(START, SOMEBODY, 59)
    expect(limits.readyAt(START, SOMEBODY)).toBe(START)
    limits.charge(START, SOMEBODY, 100)
    expect(limits.readyAt(START, SOMEBODY)).toBe(later(seconds(100 * 60)))
    expect(limits.take(later(seconds(100 * 60 - 1)), SOMEBODY)).toBe(false)
    expect(limits.take(later(seconds(100 * 60)), SOMEBODY)).toBe(true)
  })

  test('of a rate that is no whole number of microseconds is given whole', () => {
    for (const rate of [3, 7, 999, 6007])
      expect(served(budgets(requestBudget(rate)), '192.0.2.1', START, 9000)).toBe(rate)
  })
})

test('after so many wrong secrets a source has to wait, one at a time', () => {
  const wrong = budgets(WRONG_SECRET_BUDGET)
  expect(served(wrong, '10.0.0.1')).toBe(LIMITS.wrongSecretsMax.value)
  expect(served(wrong, '10.0.0.1', later(seconds(1)))).toBe(0)
  expect(served(wrong, '10.0.0.1', later(seconds(7)))).toBe(1)
})

test('reports are acted on a few at once, then at a rate', () => {
  const reports = budgets(REPORT_BUDGET)
  expect(served(reports, '127.0.0.1')).toBe(20)
  expect(served(reports, '127.0.0.1', later(seconds(1)))).toBe(LIMITS.trackerReportersPerSecondMax.value)
})
