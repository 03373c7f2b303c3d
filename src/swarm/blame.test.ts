import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { Blame, type Evidence } from './blame.ts'

const BLOCK = 4
const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest()

/** `Aa Ba C!`: blocks by who sent them and what was in them; `-` for padding. */
function copyOf(piece: number, text: string): Evidence {
  const blocks = text.split(' ')
  const bytes = new Uint8Array(BLOCK * blocks.length)
  for (const [i, block] of blocks.entries()) bytes.fill(block.charCodeAt(1) || 0, BLOCK * i, BLOCK * (i + 1))
  const senders = blocks.map((block) => (block[0] === '-' ? '' : block[0]!))
  return { piece, bytes, blockLength: BLOCK, senders }
}

function court(): Blame {
  return new Blame(sha1)
}

describe('Blame', () => {
  it('convicts who sent a block that differs from the right one, and clears the others', () => {
    const blame = court()
    expect(blame.accuse(copyOf(7, 'Aa Ab Lx Bd -'))).toEqual(new Set())
    expect(['A', 'B', 'L', 'C', ''].filter((address) => blame.isOnParole(address))).toEqual(['A', 'B', 'L'])
    expect(blame.suspects()).toEqual([7])
    expect(blame.settle(copyOf(8, 'Ca Cb Cc Cd -'))).toEqual(new Set())
    expect(blame.settle(copyOf(7, 'Ca Cb Cc Cd -'))).toEqual(new Set(['L']))
    expect(['A', 'B', 'L'].some((address) => blame.isOnParole(address))).toBe(false)
    expect(blame.isSuspect(7)).toBe(false)
    expect([blame.recordCount, blame.blockCount]).toEqual([0, 0])
  })

  it('finds several liars over several failed copies of one piece', () => {
    const blame = court()
    blame.accuse(copyOf(0, 'Aa Lx Bc'))
    blame.accuse(copyOf(0, 'My Ab Bc'))
    expect(blame.settle(copyOf(0, 'Aa Ab Ac'))).toEqual(new Set(['L', 'M']))
  })

  it('convicts at once who sends one block in two ways', () => {
    const blame = court()
    blame.accuse(copyOf(3, 'Lx Ab'))
    expect(blame.accuse(copyOf(4, 'Ly Ab'))).toEqual(new Set())
    expect(blame.accuse(copyOf(3, 'La Ab'))).toEqual(new Set(['L']))
  })

  it('needs no second copy where the hashes of the blocks are known', () => {
    const blame = court()
    const liars = blame.accuse(copyOf(3, 'Aa Lx Bc -'), (block) => block !== 1 && block !== 3)
    expect(liars).toEqual(new Set(['L']))
    expect(blame.recordCount).toBe(0)
    expect(blame.isOnParole('A')).toBe(false)
  })

  it('keeps a peer on parole until every piece it had a part in is settled', () => {
    const blame = court()
    blame.accuse(copyOf(1, 'Aa Bb'))
    blame.accuse(copyOf(2, 'Aa Cb'))
    blame.settle(copyOf(1, 'Aa Ab'))
    expect(['A', 'B', 'C'].map((address) => blame.isOnParole(address))).toEqual([true, false, true])
  })

  it('gives a parole up that throws away honest work again and again', () => {
    const blame = court()
    blame.accuse(copyOf(1, 'Aa Lx'))
    let losses = 0
    for (; blame.isOnParole('A'); losses++) blame.lost('A')
    expect(losses).toBeGreaterThan(1)
    expect(losses).toBeLessThan(10)
    expect(blame.isOnParole('L')).toBe(true)
    expect(blame.settle(copyOf(1, 'Aa Ab'))).toEqual(new Set(['L']))
  })

  it('holds a bounded number of pieces and blocks, the oldest make room', () => {
    const blame = court()
    const long = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 'Aa' : 'Bb')).join(' ')
    for (let piece = 0; piece < 50; piece++) {
      blame.accuse(copyOf(piece, long))
      expect(blame.blockCount).toBeLessThanOrEqual(LIMITS.suspectBlocksMax.value)
    }
    expect(blame.recordCount).toBe(Math.floor(LIMITS.suspectBlocksMax.value / 1000))
    expect(blame.suspects().at(-1)).toBe(49)
    for (let piece = 100; piece < 300; piece++) blame.accuse(copyOf(piece, 'Ca Db'))
    expect(blame.recordCount).toBe(LIMITS.suspectPiecesMax.value)
    expect(blame.blockCount).toBe(2 * LIMITS.suspectPiecesMax.value)
    expect(blame.isOnParole('A')).toBe(false)
  })

  it('says that a piece is too long for it', () => {
    const blame = court()
    const blocks = new Array<string>(LIMITS.suspectBlocksMax.value + 1).fill('Aa')
    expect(blame.accuse(copyOf(0, blocks.join(' ')))).toBeUndefined()
    expect(blame.recordCount).toBe(0)
  })
})
