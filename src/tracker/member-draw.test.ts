import { expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { MemberDraw } from './member-draw.ts'

function draw(from: MemberDraw, count: number, front: number, wanted: number): number[] {
  const drawn = from.draw(count, front, wanted)
  return Array.from(from.positions.subarray(0, drawn))
}

test('positions of any swarm, each once, those of the front first', () => {
  const prng = new Prng(1)
  const members = new MemberDraw(new Prng(2))
  for (let i = 0; i < 2000; i++) {
    const count = 1 + prng.below(prng.below(10) === 0 ? 500 : 20)
    const front = prng.below(count + 1)
    const wanted = prng.below(count + 5)
    const drawn = draw(members, count, front, wanted)
    expect(drawn).toHaveLength(Math.min(wanted, count))
    expect(new Set(drawn).size).toBe(drawn.length)
    for (const [at, position] of drawn.entries()) {
      expect(position).toBeGreaterThanOrEqual(at < front ? 0 : front)
      expect(position).toBeLessThan(at < front ? front : count)
    }
  }
})

test('every order is as likely as any', () => {
  const members = new MemberDraw(new Prng(3))
  const rounds = 12_000
  const seen = new Map<string, number>()
  for (let i = 0; i < rounds; i++) {
    const order = draw(members, 4, 4, 3).join(' ')
    seen.set(order, (seen.get(order) ?? 0) + 1)
  }
  expect(seen.size).toBe(24)
  const sigma = Math.sqrt(rounds * (1 / 24) * (23 / 24))
  for (const count of seen.values()) expect(Math.abs(count - rounds / 24)).toBeLessThan(4.5 * sigma)
})
