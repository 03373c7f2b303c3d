import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bitfield } from './bitfield.ts'

describe('Bitfield', () => {
  it('puts bit 0 in the high bit of byte 0 (BEP 3)', () => {
    const field = new Bitfield(10)
    field.set(0)
    field.set(9)
    expect([...field.bytes]).toEqual([0x80, 0x40])
  })

  it('behaves like a set of indexes', () => {
    const action = fc.record({ sets: fc.boolean(), index: fc.nat(20) })
    fc.assert(
      fc.property(fc.array(action), (actions) => {
        const field = new Bitfield(21)
        const model = new Set<number>()
        for (const { sets, index } of actions) {
          expect(sets ? field.set(index) : field.clear(index)).toBe(
            sets ? !model.has(index) : model.has(index),
          )
          if (sets) model.add(index)
          else model.delete(index)
        }
        expect([...field.ones()]).toEqual([...model].sort((a, b) => a - b))
        expect(field.count).toBe(model.size)
        expect([...field.zeros()].length).toBe(21 - model.size)
        const read = Bitfield.fromBytes(field.bytes, 21)
        expect(read && [...read.ones()]).toEqual([...field.ones()])
        expect(read?.count).toBe(field.count)
      }),
    )
  })

  it('refuses wire bytes of the wrong size or with spare bits', () => {
    expect(Bitfield.fromBytes(new Uint8Array(2), 8)).toBeUndefined()
    expect(Bitfield.fromBytes(Uint8Array.of(0x01), 7)).toBeUndefined()
    expect(Bitfield.fromBytes(Uint8Array.of(0xfe), 7)?.isFull).toBe(true)
  })

  it('is full only when it has bits', () => {
    expect(new Bitfield(0).isFull).toBe(false)
    const field = new Bitfield(11)
    field.fill()
    expect(field.isFull && field.count).toBe(11)
    expect(field.bytes[1]).toBe(0xe0)
  })
})
