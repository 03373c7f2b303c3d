import { describe, expect, test } from 'vitest'
import { SipHash } from '../base/siphash.ts'
import { type Instant, milliseconds, seconds } from '../base/time.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { SourceLimits } from './source-limits.ts'

const HASH = new SipHash(new Uint8Array(16).fill(3))
const START = seconds(100) as Instant

function limitsOf(requestsPerSecond: number, limitsLoopback = true): SourceLimits {
  return new SourceLimits(HASH, { requestsPerSecond, limitsLoopback })
}

/** How many of `tries` at once are served. */
function served(limits: SourceLimits, host: string, tries: number, now = START): number {
  const address = parseAddress(host)!
  return Array.from({ length: tries }, () => limits.take(now, address)).filter(Boolean).length
}

describe('requests of one source (S25)', () => {
  test('a second’s worth at once, then as time goes by', () => {
    const limits = limitsOf(10)
    expect(served(limits, '192.0.2.1', 50)).toBe(10)
    expect(served(limits, '192.0.2.1', 50)).toBe(0)
    const later = (START + milliseconds(300)) as Instant
    expect(served(limits, '192.0.2.1', 50, later)).toBe(3)
    expect(served(limits, '192.0.2.1', 50, seconds(500) as Instant)).toBe(10)
  })

  test('one source does not use up another’s', () => {
    const limits = limitsOf(10)
    served(limits, '192.0.2.1', 50)
    expect(served(limits, '192.0.2.2', 50)).toBe(10)
  })

  test('all addresses of one IPv6 network are one source', () => {
    const limits = limitsOf(10)
    expect(served(limits, '2001:db8::1', 6)).toBe(6)
    expect(served(limits, '2001:db8::ffff:2', 6)).toBe(4)
    expect(served(limits, '2001:db8:0:1::1', 6)).toBe(6)
  })

  test('this machine is exempt only where that is said', () => {
    expect(served(limitsOf(10, false), '127.0.0.1', 50)).toBe(50)
    expect(served(limitsOf(10, false), '::1', 50)).toBe(50)
    expect(served(limitsOf(10, false), '10.0.0.1', 50)).toBe(10)
    expect(served(limitsOf(10), '127.0.0.1', 50)).toBe(10)
  })

  test('no limit is none', () => {
    expect(served(limitsOf(Number.POSITIVE_INFINITY), '192.0.2.1', 50_000)).toBe(50_000)
  })
})
