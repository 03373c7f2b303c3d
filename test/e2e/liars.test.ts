/** Peers that send wrong blocks, all of them or one here and there, against the built program (S14). */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

const BLOCK = 16_384

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

test.each(['v1', 'v2', 'hybrid'] as const)(
  'who mixes spoiled blocks into pieces is found (%s)',
  async (format) => {
    const { file, source, target, torrent } = stage({
      files: { 'book.bin': 48 * 8 * BLOCK },
      pieceLength: 8 * BLOCK,
      format,
    })
    const begun = new Set<number>()
    const liar = await FakePeer.listen(torrent, {
      announces: 'fast',
      onRequest: (connection, request) => {
        if (begun.has(request.index))
          connection.send('reject', uint32(request.index), uint32(request.begin), uint32(request.length))
        else {
          begun.add(request.index)
          const block = liar.block(request)
          block[5]! ^= 1
          connection.sendBlock(request, block)
        }
        return true
      },
    })
    const honest = await Promise.all(
      [1, 2, 3, 4].map(() => FakePeer.listen(torrent, { bytesPerSecond: 1_500_000 })),
    )
    const get = startGet(file, target, { peers: [liar, ...honest] })
    await get.event('verified')
    const banned = get.events.items.filter((event) => event.event === 'peer-banned')
    expect(banned.map((event) => event.address)).toEqual([`127.0.0.1:${liar.port}`])
    const failed = get.events.items.filter((event) => event.event === 'piece-failed')
    expect(failed.length).toBeGreaterThan(0)
    expect(failed.length).toBeLessThanOrEqual(3)
    expect(treeDifferences(source, target)).toEqual([])
  },
)

const LIARS = (['v2', 'hybrid'] as const).flatMap((format) => [
  { format, rightBlocks: 0 },
  { format, rightBlocks: 64 },
])

test.each(LIARS)(
  'who spoils a single block after $rightBlocks is found, and the rest of the piece is kept ($format)',
  async ({ format, rightBlocks }) => {
    const { file, source, target, torrent } = stage({
      files: { 'book.bin': 24 * 16 * BLOCK },
      pieceLength: 16 * BLOCK,
      format,
    })
    // One block that it is asked for is wrong; the rest of that piece it leaves to others.
    let piece: number | undefined
    let count = 0
    const liar = await FakePeer.listen(torrent, {
      announces: 'fast',
      onRequest: (connection, request) => {
        if (count++ < rightBlocks || (piece !== undefined && request.index !== piece)) return false
        if (piece === undefined) {
          piece = request.index
          const block = liar.block(request)
          block[5]! ^= 1
          connection.sendBlock(request, block)
        } else connection.send('reject', uint32(request.index), uint32(request.begin), uint32(request.length))
        return true
      },
      bytesPerSecond: 1_000_000,
    })
    const args = ['--upload-limit', '1M']
    const seeds = await Promise.all([1, 2].map(() => startSeed(file, source, { args }).readyEndpoint()))
    const get = startGet(file, target, { peers: [liar, ...seeds] })
    await get.event('verified')
    const indices = (event: string) =>
      get.events.items.flatMap((item) => (item.event === event ? [item] : []))
    expect(indices('peer-banned').map(({ address }) => address)).toEqual([`127.0.0.1:${liar.port}`])
    // At the beginning its blocks are looked at one by one, unless it is there before all who tell hashes.
    const failed = indices('piece-failed').map((event) => event.piece)
    if (rightBlocks > 0 || failed.length > 0) expect(failed).toEqual([piece])
    expect(treeDifferences(source, target)).toEqual([])
  },
)

test.each(['v1', 'v2', 'hybrid'] as const)('one among twenty who spoils everything (%s)', async (format) => {
  const { file, source, target, torrent } = stage({
    files: { 'book.bin': 64 * 16 * BLOCK },
    pieceLength: 16 * BLOCK,
    format,
  })
  let wrongBlocks = 0
  const liar = await FakePeer.listen(torrent, {
    announces: 'fast',
    onRequest: (connection, request) => {
      wrongBlocks++
      const block = liar.block(request)
      block[5]! ^= 1
      connection.sendBlock(request, block)
      return true
    },
  })
  const args = ['--upload-limit', '200K']
  const seeds = await Promise.all(
    Array.from({ length: 19 }, () => startSeed(file, source, { args }).readyEndpoint()),
  )
  const get = startGet(file, target, { peers: [liar, ...seeds] })
  await get.event('verified')
  const of = (event: string) => get.all(event)
  expect(of('peer-banned').map(({ address }) => address)).toEqual([`127.0.0.1:${liar.port}`])
  if (format === 'v1') expect(of('piece-failed').length).toBeLessThanOrEqual(3)
  else {
    // It is asked for one block, and for no other before that one has been looked at.
    expect(wrongBlocks).toBe(1)
    expect(of('piece-failed')).toEqual([])
  }
  expect(treeDifferences(source, target)).toEqual([])
})
