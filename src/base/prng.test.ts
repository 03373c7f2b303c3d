import { describe, expect, it } from 'vitest'
import { Prng } from './prng.ts'

describe('Prng', () => {
  it('gives the same numbers for the same seed, others for another', () => {
    const draw = (seed: number) =>
      Array.from(
        { length: 8 },
        (
          (prng) => () =>
            prng.uint32()
        )(new Prng(seed)),
      )
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  it('forks streams that do not depend on what was drawn', () => {
    const fresh = new Prng(7)
    const used = new Prng(7)
    for (let i = 0; i < 100; i++) used.uint32()
    expect(used.fork('picker').uint32()).toBe(fresh.fork('picker').uint32())
    expect(fresh.fork('picker').uint32()).not.toBe(fresh.fork('choker').uint32())
  })

  it('is uniform below a bound', () => {
    const prng = new Prng(3)
    const counts = new Array<number>(6).fill(0)
    for (let i = 0; i < 60_000; i++) counts[prng.below(6)]!++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  })

  it('shuffles into every order', () => {
    const prng = new Prng(5)
    const seen = new Set<string>()
    for (let i = 0; i < 500; i++) seen.add(prng.shuffle(['a', 'b', 'c', 'd']).join(''))
    expect(seen.size).toBe(24)
  })
})
