/** What is kept in counters must be what counting would give. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { content, metainfoOf } from '../../test/sim/small-world.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { Geometry } from './geometry.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { PieceTracker, BLOCK as STATE } from './piece-tracker.ts'

const BLOCK = 16_384
const PIECE_COUNT = 12

/** Two files, the first padded to the end of a piece, the second short. */
function padded(): Metainfo {
  const plain = metainfoOf(content(PIECE_COUNT * BLOCK - 100), BLOCK)
  const [file] = plain.files
  const lengths = [5 * BLOCK - 3000, 3000, 7 * BLOCK - 100]
  let offset = 0
  const files = lengths.map((length, index) => {
    offset += length
    return { ...file!, length, offset: offset - length, isPad: index === 1 }
  })
  return { ...plain, files }
}

describe('PieceTracker', () => {
  it('counts wanted and missing bytes, whatever is selected, found, lost and verified', () => {
    const step = fc.record({
      kind: fc.constantFrom('select', 'drop', 'have', 'lose', 'fetch'),
      piece: fc.nat(PIECE_COUNT - 1),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, hasPadding) => {
        const metainfo = hasPadding ? padded() : metainfoOf(content(PIECE_COUNT * BLOCK - 100), BLOCK)
        const geometry = new Geometry(metainfo, BLOCK)
        const pieces = new PieceTracker(geometry, new PieceBuffers())
        for (const { kind, piece } of steps) {
          if (kind === 'have' && pieces.isMissing(piece)) pieces.markHave(piece)
          else if (kind === 'lose') pieces.lose(piece)
          else if (kind === 'fetch' && pieces.isMissing(piece)) fetchPiece(pieces, piece)
          else if (kind === 'select' || kind === 'drop') pieces.select(piece, kind === 'select')
          let wanted = 0
          let left = 0
          for (const index of pieces.wanted.ones()) {
            wanted += geometry.contentSize(index)
            if (!pieces.have.has(index)) left += geometry.contentSize(index)
          }
          expect([pieces.wantedBytes, pieces.leftBytes]).toEqual([wanted, left])
          expect(pieces.isComplete).toBe(left === 0)
        }
      }),
    )
  })

  it('forgets the blocks of those who are not believed any more, and only those', () => {
    const peers = ['a', 'b', 'c']
    const step = fc.record({
      kind: fc.constantFrom('bring', 'bring', 'discard', 'take back'),
      peer: fc.constantFrom(...peers),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const geometry = new Geometry(metainfoOf(content(8 * BLOCK), 8 * BLOCK), BLOCK)
        const pieces = new PieceTracker(geometry, new PieceBuffers())
        const gathering = pieces.start(0, 1)!
        for (const { kind, peer } of steps) {
          if (!pieces.gathering.has(0)) return
          if (kind === 'bring') {
            const block = pieces.requestNext(gathering)
            gathering.askers[block] = 0
            gathering.blocks[block] = STATE.arriving
            pieces.receive(gathering, block, peer)
          } else if (kind === 'take back') {
            const block = gathering.senders.indexOf(peer)
            if (block >= 0) pieces.takeBack(gathering, block)
          } else {
            const count = gathering.senders.filter((sender) => sender === peer).length
            expect(pieces.discard(gathering, (address) => address === peer)).toBe(count)
            expect(gathering.senders).not.toContain(peer)
          }
          const received = gathering.senders.filter((sender) => sender !== '').length
          expect([gathering.receivedCount, gathering.freeCount]).toEqual([received, 8 - received])
          expect(gathering.blocks.indexOf(STATE.free)).toBeGreaterThanOrEqual(
            received === 8 ? -1 : gathering.firstFree,
          )
          for (const address of peers)
            expect(gathering.contributors.get(address)?.blockCount ?? 0).toBe(
              gathering.senders.filter((sender) => sender === address).length,
            )
          expect([...gathering.contributors.keys()].sort()).toEqual(
            peers.filter((address) => gathering.senders.includes(address)),
          )
        }
      }),
    )
  })
})

function fetchPiece(pieces: PieceTracker, piece: number): void {
  const gathering = pieces.start(piece, 1)!
  const block = pieces.requestNext(gathering)
  gathering.blocks[block] = 2
  expect(pieces.receive(gathering, block, 'a')).toBe(true)
  pieces.confirm(piece)
}
