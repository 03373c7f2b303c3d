/** Whatever is asked and answered in whatever order, the ring holds what a plain list would. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { content, metainfoOf } from '../../test/sim/small-world.ts'
import { LIMITS } from '../base/limits.ts'
import { Geometry } from './geometry.ts'
import { OutstandingBlocks } from './outstanding-blocks.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { type GatheringPiece, PieceTracker } from './piece-tracker.ts'

const BLOCK = 16
const PIECE_COUNT = 4
const geometry = new Geometry(metainfoOf(content(PIECE_COUNT * 512 * BLOCK), 512 * BLOCK), BLOCK)
const tracker = new PieceTracker(geometry, new PieceBuffers())
const pieces = Array.from({ length: PIECE_COUNT }, (_, piece) => tracker.start(piece, 1)!)

/** [piece, block] of each entry, by its place. */
function listed(outstanding: OutstandingBlocks): [number, number][] {
  return Array.from({ length: outstanding.size }, (_, index) => [
    outstanding.gatheringAt(index).piece,
    outstanding.blockAt(index),
  ])
}

function filled(count: number): OutstandingBlocks {
  const outstanding = new OutstandingBlocks()
  for (let i = 0; i < count; i++) outstanding.add(pieces[i % PIECE_COUNT]!, Math.floor(i / PIECE_COUNT))
  return outstanding
}

/** Takes the block out as one that has come; false when it was not there. */
function answer(outstanding: OutstandingBlocks, piece: number, block: number): boolean {
  const index = outstanding.indexOf(piece, block)
  if (index >= 0) outstanding.removeAt(index)
  return index >= 0
}

describe('what a peer was asked for', () => {
  it('is, after any steps, what a plain list holds', () => {
    const step = fc.record({
      kind: fc.constantFrom('ask', 'ask', 'ask', 'first', 'last', 'any', 'clear'),
      number: fc.nat(PIECE_COUNT * 512 - 1),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.boolean(), (steps, mayClear) => {
        const outstanding = new OutstandingBlocks()
        let model: [GatheringPiece, number][] = []
        for (const { kind, number } of steps) {
          const [gathering, block] = [pieces[number % PIECE_COUNT]!, Math.floor(number / PIECE_COUNT)]
          const at = model.findIndex((entry) => entry[0] === gathering && entry[1] === block)
          expect(outstanding.indexOf(gathering.piece, block)).toBe(at)
          if (kind === 'clear') {
            if (!mayClear) continue
            outstanding.clear()
            model = []
          } else if (kind === 'ask') {
            if (at >= 0) continue
            outstanding.add(gathering, block)
            model.push([gathering, block])
          } else if (model.length > 0) {
            const index = kind === 'first' ? 0 : kind === 'last' ? model.length - 1 : number % model.length
            const [[taken, takenBlock]] = model.splice(index, 1) as [[GatheringPiece, number]]
            expect(outstanding.indexOf(taken.piece, takenBlock)).toBe(index)
            outstanding.removeAt(index)
          }
          expect(outstanding.size).toBe(model.length)
          expect(listed(outstanding)).toEqual(model.map(([{ piece }, at]) => [piece, at]))
        }
        expect([...outstanding]).toEqual(model.map(([gathering, block]) => ({ gathering, block })))
      }),
    )
  })

  it('is found in the order asked, in the opposite one, and from the middle outwards', () => {
    const count = LIMITS.requestsOutstandingPerPeerMax.value
    const asked = listed(filled(count))
    const middle = count / 2
    const outwards = asked.map((_, i) => asked[i % 2 === 0 ? middle + i / 2 : middle - (i + 1) / 2]!)
    for (const order of [asked, [...asked].reverse(), outwards]) {
      const outstanding = filled(count)
      for (const [piece, block] of order) expect(answer(outstanding, piece, block)).toBe(true)
      expect(outstanding.size).toBe(0)
    }
  })

  it('goes round for ever without mixing up', () => {
    const outstanding = new OutstandingBlocks()
    for (let i = 0; i < 5000; i++) {
      outstanding.add(pieces[i % PIECE_COUNT]!, Math.floor(i / PIECE_COUNT) % 512)
      if (i < 13) continue
      const oldest = i - 13
      expect(outstanding.indexOf(oldest % PIECE_COUNT, Math.floor(oldest / PIECE_COUNT) % 512)).toBe(0)
      outstanding.removeAt(0)
      expect(outstanding.size).toBe(13)
    }
  })

  it('is not confused by numbers that no block has', () => {
    const outstanding = filled(20)
    for (const [piece, block] of [
      [0, 0.5],
      [0, 2 ** 32],
      [2 ** 32, 0],
      [0xffff_ffff, 0xffff_ffff],
      [4, 0],
      [0, 5],
    ] as const)
      expect(outstanding.indexOf(piece, block)).toBe(-1)
  })

  it('is nothing once it was cleared, and goes on', () => {
    const outstanding = filled(40)
    outstanding.clear()
    expect([outstanding.size, outstanding.indexOf(0, 0)]).toEqual([0, -1])
    outstanding.add(pieces[2]!, 7)
    expect(listed(outstanding)).toEqual([[2, 7]])
  })
})
