import { describe, expect, it } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { instant, seconds } from '../base/time.ts'
import { WalkBudget } from './walk-budget.ts'

function walksIn(secondsLong: number, pieceCount: number, perSecond: number): number {
  const budget = new WalkBudget(instant(0))
  let count = 0
  for (let i = 0; i < secondsLong * perSecond; i++)
    if (budget.take(instant(Math.floor(seconds(i / perSecond))), pieceCount)) count++
  return count
}

describe('WalkBudget', () => {
  it('lets what honest peers send pass', () => {
    expect(walksIn(60, 1000, 50)).toBe(60 * 50)
    expect(walksIn(1, LIMITS.piecesMax.value, 2)).toBe(2)
  })

  it('bounds the pieces that a flood makes us walk over', () => {
    for (const pieceCount of [1000, 100_000, LIMITS.piecesMax.value]) {
      const walked = walksIn(100, pieceCount, 1000) * pieceCount
      expect(walked).toBeLessThanOrEqual(100 * LIMITS.walkedPiecesPerSecondMax.value + 8 * pieceCount)
      expect(walked).toBeGreaterThanOrEqual(8 * pieceCount)
    }
  })
})
