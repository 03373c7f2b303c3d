import { describe, expect, it } from 'vitest'
import { catchUp, putOff } from './put-off.ts'

const MIB = 1024 * 1024

describe('work on content', () => {
  it('waits for a later turn, in the order in which it came', async () => {
    const done: number[] = []
    putOff(0, () => done.push(1))
    putOff(MIB - 1, () => done.push(2))
    catchUp()
    await Promise.resolve()
    expect(done).toEqual([])
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toEqual([1, 2])
  })

  it('is done sooner, with all that follows from it, once a megabyte waits', async () => {
    const done: number[] = []
    putOff(MIB / 2, () => {
      done.push(1)
      putOff(MIB / 2, () => done.push(3))
    })
    putOff(MIB / 2, () => done.push(2))
    catchUp()
    expect(done).toEqual([1, 2, 3])
    putOff(MIB / 2, () => done.push(4))
    catchUp()
    expect(done).toEqual([1, 2, 3])
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toEqual([1, 2, 3, 4])
  })
})
