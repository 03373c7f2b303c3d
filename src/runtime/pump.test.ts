import { describe, expect, it } from 'vitest'
import type { Machine } from '../base/machine.ts'
import { type Instant, instant } from '../base/time.ts'
import type { Clock } from '../ports/clock.ts'
import { Pump } from './pump.ts'

/** A clock that is moved by hand and keeps the wake-ups asked of it. */
class HandClock implements Clock {
  time = instant(0)
  readonly wakeUps = new Map<Instant, () => void>()

  now(): Instant {
    return this.time
  }

  wakeAt(at: Instant, callback: () => void): () => void {
    this.wakeUps.set(at, callback)
    return () => this.wakeUps.delete(at)
  }

  moveTo(at: Instant): void {
    this.time = at
    const callback = this.wakeUps.get(at)
    this.wakeUps.delete(at)
    callback?.()
  }
}

/** Answers every input with as many outputs as it has letters, and notes every call. */
class Speller implements Machine<string, string> {
  readonly calls: string[] = []
  timeout: Instant | undefined
  #isBusy = false
  #outputs: string[] = []

  handle(now: Instant, input: string): void {
    if (this.#isBusy) throw new Error('entered again')
    if (this.#outputs.length > 0) throw new Error('not drained')
    this.#isBusy = true
    this.calls.push(`${input}@${now}`)
    this.#outputs = [...input]
    this.#isBusy = false
  }

  poll(): string | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    return this.timeout
  }
}

function start(execute: (output: string) => void = () => {}) {
  const clock = new HandClock()
  const machine = new Speller()
  return { clock, machine, pump: new Pump<string, string>(machine, clock, 'tick', execute) }
}

describe('inputs', () => {
  it('are handed over with the time, and the machine is drained', () => {
    const spelled: string[] = []
    const { clock, machine, pump } = start((letter) => spelled.push(letter))
    clock.time = instant(7)
    pump.push('abc')
    expect(machine.calls).toEqual(['abc@7'])
    expect(spelled).toEqual(['a', 'b', 'c'])
  })

  it('raised by an output wait until everything before them is done', () => {
    const spelled: string[] = []
    const { machine, pump } = start((letter) => {
      spelled.push(letter)
      if (letter === 'a') pump.push('xy')
    })
    pump.push('abc')
    expect(spelled).toEqual(['a', 'b', 'c', 'x', 'y'])
    expect(machine.calls).toEqual(['abc@0', 'xy@0'])
  })

  it('go on after an output failed', () => {
    const { machine, pump } = start((letter) => {
      if (letter === '!') throw new Error('broken port')
    })
    expect(() => pump.push('!')).toThrow('broken port')
    pump.push('a')
    expect(machine.calls).toEqual(['!@0', 'a@0'])
  })
})

describe('the wake-up', () => {
  it('is one, follows the next time-out, and hands over the tick', () => {
    const { clock, machine, pump } = start()
    machine.timeout = instant(50)
    pump.push('a')
    machine.timeout = instant(30)
    pump.push('b')
    expect([...clock.wakeUps.keys()]).toEqual([30])
    machine.timeout = undefined
    clock.moveTo(instant(30))
    expect(machine.calls.at(-1)).toBe('tick@30')
    expect(clock.wakeUps.size).toBe(0)
  })

  it('comes again when the machine asks for the same moment twice', () => {
    const { clock, machine, pump } = start()
    machine.timeout = instant(10)
    pump.push('a')
    clock.moveTo(instant(10))
    expect([...clock.wakeUps.keys()]).toEqual([10])
  })

  it('never comes after a stop', () => {
    const { clock, machine, pump } = start()
    machine.timeout = instant(10)
    pump.push('a')
    pump.stop()
    expect(clock.wakeUps.size).toBe(0)
  })
})
