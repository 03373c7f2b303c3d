import { describe, expect, it } from 'vitest'
import { Turns } from './turns.ts'

describe('Turns', () => {
  it('lets one in at a time for each key, in order', () => {
    const turns = new Turns<string>()
    const log: string[] = []
    for (const name of ['a1', 'a2', 'b1', 'a3']) turns.enter(name[0]!, () => log.push(name))
    expect(log).toEqual(['a1', 'b1'])
    turns.leave('a')
    turns.leave('a')
    expect(log).toEqual(['a1', 'b1', 'a2', 'a3'])
    turns.leave('a')
    turns.enter('a', () => log.push('a4'))
    expect(log.at(-1)).toBe('a4')
  })

  it('lets so many in as there are places, and another for each that leaves', () => {
    const turns = new Turns<string>(2)
    const log: number[] = []
    for (const number of [1, 2, 3, 4]) turns.enter('a', () => log.push(number))
    expect(log).toEqual([1, 2])
    turns.leave('a')
    expect(log).toEqual([1, 2, 3])
    turns.leave('a')
    turns.leave('a')
    turns.leave('a')
    turns.enter('a', () => log.push(5))
    turns.enter('a', () => log.push(6))
    turns.enter('a', () => log.push(7))
    expect(log).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('forgets who waits when cleared', () => {
    const turns = new Turns<string>()
    const log: number[] = []
    turns.enter('a', () => log.push(1))
    turns.enter('a', () => log.push(2))
    turns.clear()
    turns.leave('a')
    turns.enter('a', () => log.push(3))
    expect(log).toEqual([1, 3])
  })
})
