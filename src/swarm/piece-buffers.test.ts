/** Whose turn it is when one piece needs the whole pool. */
import { describe, expect, it } from 'vitest'
import { instant, seconds } from '../base/time.ts'
import { PieceBuffers } from './piece-buffers.ts'

const BUDGET = 100
const LONG = 500

function pool(): { buffers: PieceBuffers; small: object; large: object; other: object } {
  return { buffers: new PieceBuffers(BUDGET), small: { n: 1 }, large: { n: 2 }, other: { n: 3 } }
}

describe('an oversized piece', () => {
  it('is next once it has asked, however eager the others are', () => {
    const { buffers, small, large, other } = pool()
    expect(buffers.reserve(60, small)).toBe(true)
    expect(buffers.reserve(LONG, large)).toBe(false)
    expect([buffers.reserve(40, small), buffers.reserve(40, other)]).toEqual([false, false])
    // Nor may its own torrent spend the turn on less.
    expect(buffers.reserve(10, large)).toBe(false)
    buffers.release(60, undefined)
    expect(buffers.reserve(60, small)).toBe(false)
    expect(buffers.reserve(LONG, large)).toBe(true)
  })

  it('takes turns with those who waited for it', () => {
    const { buffers, small, large } = pool()
    expect(buffers.reserve(LONG, large)).toBe(true)
    expect([buffers.reserve(60, small), buffers.reserve(LONG, large)]).toEqual([false, false])
    buffers.release(LONG, undefined)
    expect(buffers.reserve(LONG, large)).toBe(false)
    expect(buffers.reserve(60, small)).toBe(true)
    expect(buffers.reserve(40, small)).toBe(true)
    expect([buffers.reserve(LONG, large), buffers.reserve(1, small)]).toEqual([false, false])
    buffers.release(60, undefined)
    buffers.release(40, undefined)
    expect([buffers.reserve(60, small), buffers.reserve(LONG, large)]).toEqual([false, true])
  })

  it('goes on at once when nobody else wants anything', () => {
    const { buffers, large } = pool()
    for (let i = 0; i < 3; i++) {
      expect(buffers.reserve(LONG, large)).toBe(true)
      expect(buffers.reserve(LONG, large)).toBe(false)
      buffers.release(LONG, undefined)
    }
  })

  it('loses its place when it does not ask again', () => {
    const { buffers, small, large } = pool()
    buffers.reserve(60, small)
    buffers.reserve(LONG, large)
    let rounds = 0
    for (; !buffers.reserve(40, small) && rounds < 100; rounds++) buffers.round(instant(rounds))
    expect(rounds).toBeGreaterThan(4)
    expect(rounds).toBeLessThan(20)
  })

  it('says when it has waited too long, as long as it asks', () => {
    const { buffers, small, large } = pool()
    buffers.reserve(60, small)
    let waited = 0
    for (; !buffers.isOverdue(instant(seconds(waited))) && waited < 1000; waited++) {
      buffers.reserve(LONG, large)
      buffers.round(instant(seconds(waited)))
    }
    expect(waited).toBeGreaterThan(30)
    expect(waited).toBeLessThan(200)
  })
})
