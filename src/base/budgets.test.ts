import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BoundedQueue } from './bounded-queue.ts'
import { RateMeter } from './rate-meter.ts'
import { instant, seconds } from './time.ts'
import { TokenBucket } from './token-bucket.ts'

describe('BoundedQueue', () => {
  it('is a queue that refuses beyond its limit', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat()), { maxLength: 100 }), (steps) => {
        const queue = new BoundedQueue<number>(20)
        const model: number[] = []
        for (const item of steps) {
          if (item === null) expect(queue.shift()).toBe(model.shift())
          else {
            expect(queue.push(item)).toBe(model.length < 20)
            if (model.length < 20) model.push(item)
          }
          expect(queue.size).toBe(model.length)
          expect(queue.peek()).toBe(model[0])
        }
      }),
    )
  })
})

describe('TokenBucket', () => {
  it('lets through its rate over any stretch of time', () => {
    const bucket = new TokenBucket(100_000)
    let taken = 0
    for (let at = 0; at <= seconds(10); at += 1000) while (bucket.take(instant(at), 16_384)) taken += 16_384
    expect(taken).toBeGreaterThan(1_000_000 * 0.97)
    expect(taken).toBeLessThan(1_000_000 * 1.06)
  })

  it('says when it will be ready, and is', () => {
    const bucket = new TokenBucket(50_000)
    const now = instant(0)
    while (bucket.take(now, 16_384));
    const at = bucket.readyAt(now)
    expect(at).toBeGreaterThan(now)
    expect(bucket.take(at!, 1)).toBe(true)
  })

  it('is no limit when the rate is 0', () => {
    const bucket = new TokenBucket(0)
    expect(bucket.take(instant(0), 1e12) && bucket.take(instant(0), 1e12)).toBe(true)
    expect(bucket.readyAt(instant(0))).toBeUndefined()
  })
})

describe('RateMeter', () => {
  it('finds a steady rate, and forgets it in silence', () => {
    const meter = new RateMeter()
    for (let at = 0; at < seconds(20); at += 10_000) meter.add(instant(at), 1000)
    expect(meter.rate(instant(seconds(20)))).toBeGreaterThan(90_000)
    expect(meter.rate(instant(seconds(20)))).toBeLessThan(110_000)
    expect(meter.rate(instant(seconds(40)))).toBe(0)
    expect(meter.total).toBe(2_000_000)
  })

  it('is not fooled by a short life', () => {
    const meter = new RateMeter()
    meter.add(instant(0), 5000)
    expect(meter.rate(instant(1000))).toBe(5000)
  })
})
