import { describe, expect, it } from 'vitest'
import type { FileEntry, Format, Metainfo } from '../wire/metainfo.ts'
import { Geometry } from './geometry.ts'

const BLOCK = 16_384
const PIECE = 4 * BLOCK

/** Lengths of files, `p` before padding: `['100', 'p65436', '5']`. */
function geometry(format: Format, lengths: readonly string[]): Geometry {
  let offset = 0
  const files = lengths.map((text): FileEntry => {
    const isPad = text.startsWith('p')
    const length = Number(isPad ? text.slice(1) : text)
    const entry = { path: [], rawPath: [], length, offset, isPad, piecesRoot: null, pieceLayer: null }
    offset += format === 'v2' ? Math.ceil(length / PIECE) * PIECE : length
    return entry
  })
  const pieceCount = Math.ceil(offset / PIECE)
  return new Geometry({ format, files, pieceLength: PIECE, pieceCount } as unknown as Metainfo, BLOCK)
}

describe('Geometry', () => {
  it('runs v1 pieces across files', () => {
    const g = geometry('v1', ['100', '0', '70000', '5'])
    expect(g.pieceCount).toBe(2)
    expect([g.pieceSize(0), g.pieceSize(1)]).toEqual([PIECE, 100 + 70_000 + 5 - PIECE])
    expect(g.segments(0, 50, 100)).toEqual([
      { file: 0, position: 50, length: 50 },
      { file: 2, position: 0, length: 50 },
    ])
    expect(g.segments(1, g.pieceSize(1) - 6, 6)).toEqual([
      { file: 2, position: 69_999, length: 1 },
      { file: 3, position: 0, length: 5 },
    ])
    expect(g.filePieces(2)).toEqual({ first: 0, end: 2 })
    expect(g.filePieces(1)).toEqual({ first: 0, end: 0 })
  })

  it('ends v2 pieces where files end', () => {
    const g = geometry('v2', ['100', '70000', '65536'])
    expect([0, 1, 2, 3].map((piece) => g.pieceSize(piece))).toEqual([100, PIECE, 70_000 - PIECE, PIECE])
    expect(g.blockCount(2)).toBe(1)
    expect(g.blockSize(2, 0)).toBe(70_000 - PIECE)
    expect(g.segments(2, 0, 10)).toEqual([{ file: 1, position: PIECE, length: 10 }])
    expect(g.merklePiece(0)).toEqual({ length: 100, leafCount: 1 })
    expect(g.merklePiece(2)).toEqual({ length: 70_000 - PIECE, leafCount: 4 })
  })

  it('knows the padding at the end of a hybrid piece', () => {
    const g = geometry('hybrid', ['100', `p${PIECE - 100}`, '20000'])
    expect(g.pieceSize(0)).toBe(PIECE)
    expect(g.paddingLength(0)).toBe(PIECE - 100)
    expect(g.paddingLength(1)).toBe(0)
    expect(g.merklePiece(0)).toEqual({ length: 100, leafCount: 1 })
    expect(g.merklePiece(1)).toEqual({ length: 20_000, leafCount: 2 })
  })

  it('covers every byte of every piece exactly once', () => {
    const g = geometry('v1', ['1', '16384', '0', '99999', '3', '70001'])
    for (let piece = 0; piece < g.pieceCount; piece++) {
      const sum = g
        .segments(piece, 0, g.pieceSize(piece))
        .reduce((bytes, segment) => bytes + segment.length, 0)
      expect(sum).toBe(g.pieceSize(piece))
      let blocks = 0
      for (let block = 0; block < g.blockCount(piece); block++) blocks += g.blockSize(piece, block)
      expect(blocks).toBe(g.pieceSize(piece))
    }
  })
})
