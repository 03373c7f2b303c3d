import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HeldLines } from './held-lines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function gathered() {
  const writes: string[] = []
  return { writes, lines: new HeldLines((text) => writes.push(text)) }
}

describe('held lines', () => {
  it('go out at once when there was none a moment ago, and else together', () => {
    const { writes, lines } = gathered()
    lines.hold('a\n')
    expect(writes).toEqual(['a\n'])
    lines.hold('b\n')
    vi.advanceTimersByTime(60)
    lines.hold('c\n')
    expect(writes).toEqual(['a\n'])
    vi.advanceTimersByTime(40)
    expect(writes).toEqual(['a\n', 'b\nc\n'])
    vi.advanceTimersByTime(1000)
    lines.hold('d\n')
    expect(writes).toEqual(['a\n', 'b\nc\n', 'd\n'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('go out before one that does not wait', () => {
    const { writes, lines } = gathered()
    for (const line of ['a\n', 'b\n']) lines.hold(line)
    lines.add('c\n')
    lines.add('d\n')
    expect(writes).toEqual(['a\n', 'b\nc\n', 'd\n'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('do not grow without bound', () => {
    const { writes, lines } = gathered()
    for (let i = 0; i < 300; i++) lines.hold(`${'x'.repeat(99)}\n`)
    expect(writes).toHaveLength(2)
    expect(writes[1]!.length).toBeLessThan(17_000)
    lines.flush()
    expect(writes.join('')).toHaveLength(30_000)
  })
})
