/** What more than one requirement asks for, in the words of different systems. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { stage, startGet, watch } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep } from '../kit/waiting.ts'

const PIECES = { files: { 'book.bin': 20 * 16_384 }, pieceLength: 16_384 }

/** M11, L52: of twenty pieces, seven and nineteen are at one peer only; that peer is asked for them first. */
export async function rarestFirst(args: string[] = []): Promise<void> {
  const { file, target, torrent } = stage(PIECES)
  const common = Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 7 && i !== 19)
  const one = await FakePeer.listen(torrent, { unchokes: false })
  const others = await Promise.all(
    [2, 3, 4].map(() => FakePeer.listen(torrent, { has: common, unchokes: false })),
  )
  const get = startGet(file, target, { peers: [one, ...others], args })
  const everyone = await Promise.all([one, ...others].map((peer) => peer.connection()))
  await Promise.all(everyone.map((connection) => connection.message('interested')))
  everyone[0]?.unchoke()
  await get.event('piece-verified', ({ piece }) => piece === 19)
  for (const connection of everyone.slice(1)) connection.unchoke()
  await get.event('complete')
  const first = [...new Set(one.requests.map(({ index }) => index))].slice(0, 2)
  expect(first.sort()).toEqual([19, 7])
}

/** M59, L47: at no moment does the file hold a byte that is not the right one. */
export async function corruptPieceStaysOutOfTheFile(): Promise<void> {
  const { file, source, target, torrent } = stage(PIECES)
  const options = { bytesPerSecond: 400_000 }
  const corrupt = await FakePeer.listen(torrent, { ...options, corrupts: [2, 5, 11], host: '127.0.0.9' })
  const get = startGet(file, target, { peers: [corrupt] })
  const truth = torrent.files.get('book.bin') ?? Buffer.alloc(0)
  const path = join(target, torrent.name, 'book.bin')
  let polls = 0
  const watching = watch(() => {
    if (!existsSync(path)) return
    polls++
    const content = readFileSync(path)
    const wrong = content.findIndex((byte, at) => byte !== 0 && byte !== truth[at])
    if (wrong >= 0) throw new Error(`byte ${wrong} of the file is wrong`)
  })
  await get.event('piece-failed')
  await sleep(300)
  const honest = await FakePeer.listen(torrent, { ...options, host: '127.0.0.2' })
  await honest.dial(await get.readyEndpoint())
  await get.event('complete')
  watching.stop()
  expect(polls).toBeGreaterThan(3)
  expect(treeDifferences(source, target)).toEqual([])
}

/** M60 as L50 has it: a bad piece stays missing, is fetched again, and who goes on sending such is banned. */
export async function badPieceIsFetchedAgain(): Promise<void> {
  const { file, source, target, torrent } = stage(PIECES)
  const options = { bytesPerSecond: 300_000 }
  const all = Array.from({ length: 20 }, (_, i) => i)
  const corrupt = await FakePeer.listen(torrent, { ...options, corrupts: all, host: '127.0.0.9' })
  const honest = await FakePeer.listen(torrent, options)
  const get = startGet(file, target, { peers: [corrupt, honest] })
  const failed = await get.event('piece-failed')
  expect(failed.from).toBe(corrupt.address)
  await get.event('complete')
  expect(get.all('piece-failed').every(({ from }) => from === corrupt.address)).toBe(true)
  expect(get.all('piece-verified').every(({ from }) => from === honest.address)).toBe(true)
  expect(treeDifferences(source, target)).toEqual([])
  await get.event('peer-banned', ({ address }) => address.startsWith('127.0.0.9'))
  const again = await FakePeer.leecher(torrent, { host: '127.0.0.9', has: all }).dial(
    await get.readyEndpoint(),
  )
  await again.ended()
}

/** M62, L59, L60: the process lives on after completion, is a full source, and said `completed` once. */
export async function staysAndSeeds(): Promise<void> {
  const { file, target, torrent } = stage(PIECES)
  const tracker = await FakeTracker.start()
  const seeder = await FakePeer.listen(torrent)
  tracker.reply = { peers: [seeder] }
  const get = startGet(file, target, { tracker })
  await get.event('complete')
  await get.event('seeding')
  await tracker.announced('completed', ({ event }) => event === 'completed')
  await seeder.stop()
  const leecher = await FakePeer.leecher(torrent).dial(await get.readyEndpoint())
  await leecher.downloadAll()
  expect(get.exited).toBeUndefined()
  await get.end()
  const completed = tracker.announces.items.filter(({ event }) => event === 'completed')
  expect(completed.map(({ left, downloaded }) => [left, downloaded])).toEqual([[0, torrent.contentLength]])
}

/** L31, L59: a source before it has the whole file. */
export async function servesWhatItHas(args: (stageFolder: (name: string) => string) => string[] = () => []) {
  const { file, target, torrent, folder } = stage(PIECES)
  const half = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
  const seeder = await FakePeer.listen(torrent, { has: half })
  const get = startGet(file, target, { peers: [seeder], args: args(folder) })
  const leecher = await FakePeer.leecher(torrent).dial(await get.readyEndpoint())
  for (const index of half) {
    await leecher.learns(index)
    await leecher.downloadPiece(index)
  }
  expect(leecher.theirs).toEqual(new Set(half))
  expect(get.all('complete')).toEqual([])
  return { get, torrent, seeder, leecher }
}
