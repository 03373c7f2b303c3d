import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HeldLines } from './held-lines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const AT_ONCE = 50

function gathered() {
  const writes: string[] = []
  const lines = new HeldLines((text) => writes.push(text))
  const hold = (count: number) => {
    for (let i = 0; i < count; i++) lines.hold('x\n')
  }
  return { writes, lines, hold }
}

describe('lines of which many come', () => {
  it('go out one by one at first, and when they come seldom', () => {
    const { writes, hold } = gathered()
    hold(AT_ONCE)
    expect(writes).toHaveLength(AT_ONCE)
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(101)
      hold(1)
    }
    expect(writes).toHaveLength(AT_ONCE + 100)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('then go out together, no more than a tenth of a second late', () => {
    const { writes, hold } = gathered()
    hold(AT_ONCE)
    for (let i = 0; i < 300; i++) {
      hold(1)
      vi.advanceTimersByTime(10)
    }
    vi.advanceTimersByTime(100)
    expect(writes.join('')).toBe('x\n'.repeat(AT_ONCE + 300))
    expect(writes.length - AT_ONCE).toBeLessThanOrEqual(31)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('go out before one that does not wait', () => {
    const { writes, lines, hold } = gathered()
    hold(AT_ONCE + 2)
    expect(writes).toHaveLength(AT_ONCE)
    lines.add('y\n')
    expect(writes.at(-1)).toBe('x\nx\ny\n')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('do not grow without bound', () => {
    const { writes, lines, hold } = gathered()
    hold(AT_ONCE)
    for (let i = 0; i < 300; i++) lines.hold(`${'x'.repeat(99)}\n`)
    expect(writes).toHaveLength(AT_ONCE + 1)
    expect(writes.at(-1)!.length).toBeLessThan(17_000)
    lines.flush()
    expect(writes.slice(AT_ONCE).join('')).toHaveLength(30_000)
  })
})
