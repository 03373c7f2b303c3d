import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HeldLines } from './held-lines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function gathered() {
  const writes: string[] = []
  return { writes, lines: new HeldLines((text) => writes.push(text)) }
}

describe('held lines', () => {
  it('go out together after a tenth of a second, once', () => {
    const { writes, lines } = gathered()
    lines.hold('a\n')
    vi.advanceTimersByTime(60)
    lines.hold('b\n')
    expect(writes).toEqual([])
    vi.advanceTimersByTime(40)
    expect(writes).toEqual(['a\nb\n'])
    vi.advanceTimersByTime(1000)
    expect(writes).toEqual(['a\nb\n'])
    lines.hold('c\n')
    vi.advanceTimersByTime(100)
    expect(writes).toEqual(['a\nb\n', 'c\n'])
  })

  it('go out before one that does not wait', () => {
    const { writes, lines } = gathered()
    lines.hold('a\n')
    lines.add('b\n')
    lines.add('c\n')
    expect(writes).toEqual(['a\nb\n', 'c\n'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('do not grow without bound', () => {
    const { writes, lines } = gathered()
    for (let i = 0; i < 300; i++) lines.hold(`${'x'.repeat(99)}\n`)
    expect(writes).toHaveLength(1)
    expect(writes[0]!.length).toBeLessThan(17_000)
    lines.flush()
    expect(writes.join('')).toHaveLength(30_000)
  })
})
