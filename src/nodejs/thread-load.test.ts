import { expect, it } from 'vitest'
import { ThreadLoad } from './thread-load.ts'

it('is not known at first, nor soon after', () => {
  const load = new ThreadLoad()
  expect(load.measure()).toBeUndefined()
  expect(load.measure()).toBeUndefined()
})

it('is small for a thread that waits', async () => {
  const load = new ThreadLoad()
  load.measure()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(load.measure()).toBeLessThan(0.9)
})

it('is above nothing for a thread that works, and at most a whole processor', () => {
  const load = new ThreadLoad()
  load.measure()
  let share: number | undefined
  while (share === undefined) share = load.measure()
  expect(share).toBeGreaterThan(0)
  // The kernel counts in ticks.
  expect(share).toBeLessThan(1.2)
})
