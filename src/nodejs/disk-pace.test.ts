import { describe, expect, it } from 'vitest'
import { DiskPace } from './disk-pace.ts'

const MIB = 1024 * 1024

/** A pace in time of its own, and what takes so many milliseconds of it. */
function paced() {
  let nowMs = 0
  const pace = new DiskPace(() => nowMs)
  const take = (ms: number) => pace.measure(() => (nowMs += ms))
  return { pace, take, wait: (ms: number) => (nowMs += ms) }
}

describe('the pace of a disk', () => {
  it('is quick until shown otherwise, but not for long reads and writes', () => {
    const { pace } = paced()
    expect(pace.isQuick(4 * MIB)).toBe(true)
    expect(pace.isQuick(4 * MIB + 1)).toBe(false)
  })

  it('stays quick when one in ten is held up by other programs', () => {
    const { pace, take } = paced()
    for (let i = 0; i < 1000; i++) take(i % 10 === 0 ? 20 : 0.3)
    expect(pace.isQuick(MIB)).toBe(true)
  })

  it('is slow where each takes as long as a disk needs to seek', () => {
    const { pace, take } = paced()
    for (let i = 0; i < 10; i++) take(10)
    expect(pace.isQuick(MIB)).toBe(false)
  })

  it('is slow after one that took very long, for a pause that doubles up to half an hour', () => {
    const { pace, take, wait } = paced()
    for (const seconds of [30, 60, 120, 240, 480, 960, 1800, 1800]) {
      take(200)
      wait(seconds * 1000 - 1)
      expect(pace.isQuick(MIB)).toBe(false)
      wait(1)
      expect(pace.isQuick(MIB)).toBe(true)
    }
  })

  it('counts what fails, and passes on what is thrown', () => {
    const { pace, wait } = paced()
    const fail = () =>
      pace.measure(() => {
        wait(100)
        throw new Error('EIO')
      })
    expect(fail).toThrow('EIO')
    expect(pace.isQuick(MIB)).toBe(false)
  })
})
