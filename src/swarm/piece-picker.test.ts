import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bitfield } from '../base/bitfield.ts'
import { Prng } from '../base/prng.ts'
import { PiecePicker } from './piece-picker.ts'

/** '##..#' as a bitfield. */
function bits(picture: string): Bitfield {
  const field = new Bitfield(picture.length)
  for (let i = 0; i < picture.length; i++) if (picture[i] === '#') field.set(i)
  return field
}

function pickerFor(peers: string[], order: 'rarest' | 'sequential' | 'random' = 'rarest', seed = 1) {
  const length = peers[0]!.length
  const picker = new PiecePicker(length, order, new Prng(seed))
  for (let piece = 0; piece < length; piece++) picker.open(piece)
  for (const peer of peers) for (const piece of bits(peer).ones()) picker.peerHas(piece)
  return picker
}

function drain(picker: PiecePicker, has: Bitfield): number[] {
  const picked: number[] = []
  for (let piece = picker.pick(has); piece >= 0; piece = picker.pick(has)) {
    picked.push(piece)
    picker.close(piece)
  }
  return picked
}

describe('PiecePicker', () => {
  it('starts with the rarest piece', () => {
    const picker = pickerFor(['#####', '#.###', '#.##.'])
    expect(drain(picker, bits('#####')).slice(0, 2)).toEqual([1, 4])
  })

  it('breaks ties by chance', () => {
    const firsts = new Set<number>()
    for (let seed = 0; seed < 60; seed++)
      firsts.add(pickerFor(['########'], 'rarest', seed).pick(bits('########')))
    expect(firsts.size).toBeGreaterThan(5)
  })

  it('goes through the pieces in order when asked to', () => {
    expect(drain(pickerFor(['#.##', '####'], 'sequential'), bits('####'))).toEqual([0, 1, 2, 3])
  })

  it('goes back, in order, to a piece that is missing again', () => {
    const picker = pickerFor(['#####'], 'sequential')
    const has = bits('#####')
    for (const piece of [0, 1, 2]) picker.close(piece)
    expect(picker.pick(has)).toBe(3)
    const { openings } = picker
    picker.open(1)
    expect(picker.pick(has)).toBe(1)
    expect(picker.openings).toBe(openings + 1)
  })

  it('picks at random when asked to', () => {
    const firsts = new Set<number>()
    for (let seed = 0; seed < 60; seed++)
      firsts.add(pickerFor(['########', '.######.'], 'random', seed).pick(bits('########')))
    expect(firsts.size).toBeGreaterThan(5)
  })

  it('keeps its order under any sequence of events', () => {
    const pieceCount = 12
    const action = fc.record({
      kind: fc.constantFrom('open', 'close', 'has', 'lost'),
      piece: fc.nat(pieceCount - 1),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), fc.integer(), (actions, seed) => {
        const picker = new PiecePicker(pieceCount, 'rarest', new Prng(seed))
        const open = new Set<number>()
        const counts = new Array<number>(pieceCount).fill(0)
        for (const { kind, piece } of actions) {
          if (kind === 'open') {
            picker.open(piece)
            open.add(piece)
          } else if (kind === 'close') {
            picker.close(piece)
            open.delete(piece)
          } else if (kind === 'has') {
            picker.peerHas(piece)
            counts[piece]!++
          } else if (counts[piece]! > 0) {
            picker.peerLost(piece)
            counts[piece]!--
          }
          expect(picker.openCount).toBe(open.size)
          expect(picker.obtainableCount).toBe([...open].filter((p) => counts[p]! > 0).length)
        }
        const everything = new Bitfield(pieceCount)
        everything.fill()
        const picked = drain(picker, everything)
        expect([...picked].sort((a, b) => a - b)).toEqual([...open].sort((a, b) => a - b))
        expect(picked.map((p) => counts[p]!)).toEqual(picked.map((p) => counts[p]!).sort((a, b) => a - b))
      }),
    )
  })

  it('never picks what the peer lacks', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), fc.integer(), (owned, seed) => {
        const has = bits(owned.map((is) => (is ? '#' : '.')).join(''))
        for (const order of ['rarest', 'sequential', 'random'] as const) {
          const picked = drain(pickerFor(['#########', '##.#.#...'], order, seed), has)
          expect([...picked].sort((a, b) => a - b)).toEqual([...has.ones()])
        }
      }),
    )
  })
})
