import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PeerRef } from './peer-record.ts'
import { PieceMap, type PieceRange } from './piece-map.ts'

const ONE = 2 as PeerRef
const OTHER = 4 as PeerRef

test('ranges that touch or overlap are one', () => {
  const map = new PieceMap()
  map.tell(ONE, [
    [5, 7],
    [0, 1],
  ])
  map.tell(ONE, [
    [2, 3],
    [6, 9],
    [4, 4],
  ])
  map.tell(OTHER, [[1, 1]])
  expect(map.of(ONE)).toEqual([[0, 9]])
  expect(map.of(OTHER)).toEqual([[1, 1]])
  map.tell(ONE, [[3, 3]], true)
  expect(map.of(ONE)).toEqual([[3, 3]])
})

test('a peer that never told is not one that has nothing', () => {
  const map = new PieceMap()
  expect(map.of(ONE)).toBeUndefined()
  map.tell(ONE, [])
  expect(map.of(ONE)).toEqual([])
  map.left(ONE)
  expect(map.of(ONE)).toBeUndefined()
})

test('what is kept is bounded for each and for all, and what leaves makes room', () => {
  const map = new PieceMap({ perPeerMax: 3, totalMax: 4 })
  const scattered: PieceRange[] = [0, 2, 4, 6, 8].map((piece) => [piece, piece])
  map.tell(ONE, scattered)
  expect(map.of(ONE)).toEqual([
    [0, 0],
    [2, 2],
    [4, 4],
  ])
  map.tell(OTHER, scattered)
  expect(map.of(OTHER)).toEqual([[0, 0]])
  map.left(ONE)
  map.tell(OTHER, scattered)
  expect(map.of(OTHER)).toHaveLength(3)
})

test('the map holds exactly the pieces told', () => {
  const range = fc.tuple(fc.nat(40), fc.nat(40))
  fc.assert(
    fc.property(fc.array(fc.array(range)), (calls) => {
      const map = new PieceMap()
      const truth = new Set<number>()
      for (const ranges of calls) {
        map.tell(ONE, ranges)
        for (const [first, last] of ranges) for (let piece = first; piece <= last; piece++) truth.add(piece)
      }
      const pieces = (map.of(ONE) ?? []).flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      )
      expect(pieces).toEqual([...truth].sort((a, b) => a - b))
    }),
  )
})
