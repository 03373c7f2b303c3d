import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fail, ok, type Result } from '../base/result.ts'
import type { AnnounceReply, TrackerFault } from '../wire/tracker-announce.ts'
import { type Family, FamilyAnnounces } from './tracker-families.ts'

type Answer = Result<AnnounceReply, TrackerFault>

const V4 = { host: '1.2.3.4', port: 1 }
const V6 = { host: '2001:db8::1', port: 1 }
const SHARED = { host: '5.6.7.8', port: 1 }
const OVER_4: Answer = ok({
  intervalSeconds: 60,
  peers: [V4, SHARED],
  from: '192.168.1.1',
  externalIp: '9.9.9.9',
})
const OVER_6: Answer = ok({ intervalSeconds: 90, peers: [SHARED, V6], from: '2001:db8::9' })
const FAULT: Answer = fail('tracker/unreachable', 'no such family here')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function begin() {
  const answer = new Map<Family, (answer: Answer) => void>()
  const cancelled: Family[] = []
  const heard: Answer[] = []
  const announces = new FamilyAnnounces(
    (family, done) => {
      answer.set(family, done)
      return () => void cancelled.push(family)
    },
    (result) => heard.push(result),
  )
  return { announces, over4: answer.get(4)!, over6: answer.get(6)!, cancelled, heard }
}

describe('an announce over both families', () => {
  test('is answered with the peers of both, once both have answered', () => {
    const { over4, over6, heard } = begin()
    over4(OVER_4)
    expect(heard).toEqual([])
    over6(OVER_6)
    expect(heard).toEqual([
      ok({ intervalSeconds: 60, peers: [V4, SHARED, V6], from: '2001:db8::9', externalIp: '9.9.9.9' }),
    ])
    vi.advanceTimersByTime(60_000)
    expect(heard).toHaveLength(1)
  })

  test('waits no more than a moment for the second family, and then gives it up', () => {
    const { over6, over4, heard, cancelled } = begin()
    over6(OVER_6)
    vi.advanceTimersByTime(1999)
    expect(heard).toEqual([])
    vi.advanceTimersByTime(1)
    expect(heard).toEqual([OVER_6])
    expect(cancelled).toContain(4)
    over4(OVER_4)
    expect(heard).toEqual([OVER_6])
  })

  test.each([
    ['first', (over4: (a: Answer) => void, over6: (a: Answer) => void) => [over6(FAULT), over4(OVER_4)]],
    ['last', (over4: (a: Answer) => void, over6: (a: Answer) => void) => [over4(OVER_4), over6(FAULT)]],
  ])('works where one family fails, %s', (_when, run) => {
    const { over4, over6, heard } = begin()
    run(over4, over6)
    expect(heard).toEqual([OVER_4])
  })

  test('fails when both do, however long the second takes', () => {
    const { over4, over6, heard } = begin()
    over4(FAULT)
    vi.advanceTimersByTime(14_000)
    expect(heard).toEqual([])
    over6(FAULT)
    expect(heard).toEqual([FAULT])
  })

  test('is silent once cancelled', () => {
    const { announces, over4, over6, heard, cancelled } = begin()
    over4(OVER_4)
    announces.cancel()
    over6(OVER_6)
    vi.advanceTimersByTime(60_000)
    expect(heard).toEqual([])
    expect(cancelled.sort()).toEqual([4, 6])
  })
})
