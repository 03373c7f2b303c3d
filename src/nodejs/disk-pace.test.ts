import { describe, expect, it } from 'vitest'
import { DiskPace } from './disk-pace.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** A pace of a mebibyte each millisecond, in time of its own, and what takes so many milliseconds of it. */
function paced() {
  let nowMs = 0
  const pace = new DiskPace(MIB, () => nowMs)
  const take = (ms: number, byteCount = 512 * KIB) => pace.measure(byteCount, () => (nowMs += ms))
  return { pace, take, wait: (ms: number) => (nowMs += ms) }
}

describe('the pace of a disk', () => {
  it('is quick until shown otherwise, but not for long reads and writes', () => {
    const { pace } = paced()
    expect(pace.isQuick(4 * MIB)).toBe(true)
    expect(pace.isQuick(4 * MIB + 1)).toBe(false)
  })

  it('stays quick when one in five is held up by other programs', () => {
    const { pace, take } = paced()
    for (let i = 0; i < 1000; i++) take(i % 5 === 0 ? 20 : 0.3)
    expect(pace.isQuick(MIB)).toBe(true)
  })

  it('allows more time for more bytes', () => {
    const { pace, take } = paced()
    for (let i = 0; i < 100; i++) take(4, 4 * MIB)
    expect(pace.isQuick(MIB)).toBe(true)
  })

  it.each([
    ['a disk needs to seek', 10],
    ['a disk reads at half a gigabyte a second', 1.05],
  ])('is slow where each takes as long as %s', (_, ms) => {
    const { pace, take } = paced()
    for (let i = 0; i < 20; i++) take(ms)
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
      pace.measure(MIB, () => {
        wait(100)
        throw new Error('EIO')
      })
    expect(fail).toThrow('EIO')
    expect(pace.isQuick(MIB)).toBe(false)
  })
})
