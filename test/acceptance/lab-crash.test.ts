/** What the `lab` system asks for when a peer crashes. */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { stage, startGet } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

test('L49 every verified piece is remembered over a crash and a restart', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 60 * 16_384 }, pieceLength: 16_384 })
  const known = new Set<number>()
  for (let crash = 1; crash <= 4; crash++) {
    const peer = await FakePeer.listen(torrent, { bytesPerSecond: 400_000 })
    const get = startGet(file, target, { peers: [peer] })
    expect((await get.event('checked')).pieces).toBeGreaterThanOrEqual(known.size)
    await get.event('piece-verified', () => get.all('piece-verified').length >= 10)
    await get.kill()
    expect(peer.requests.filter(({ index }) => known.has(index))).toEqual([])
    for (const { piece } of get.all('piece-verified')) known.add(piece)
    expect(known.size).toBeGreaterThanOrEqual(10 * crash)
  }
  const whole = await FakePeer.listen(torrent)
  const last = startGet(file, target, { peers: [whole], args: ['--exit'] })
  expect((await last.event('checked')).pieces).toBeGreaterThanOrEqual(known.size)
  expect((await last.exitWithin()).code).toBe(0)
  expect(whole.requests.filter(({ index }) => known.has(index))).toEqual([])
  expect(treeDifferences(source, target)).toEqual([])
})
