/**
 * One swarm of everybody: Transmission, aria2, rtorrent, libtorrent and two Shoals, each at its own address,
 * get a library from one seed that leaves as soon as all pieces together are there once. What each of them
 * lacks then, another one has, of whatever make, and has to give.
 */
import { describe, expect, test } from 'vitest'
import { alone } from '../kit/clean-up.ts'
import { piecesOnDisk } from '../kit/pieces-on-disk.ts'
import { noPrivateNetwork, shareNetwork } from '../kit/private-network.ts'
import { startAria2, startLibtorrent, startRtorrent, startTransmission } from '../kit/real-clients.ts'
import type { Shoal } from '../kit/shoal.ts'
import { type Stage, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const FILES = {
  'a.bin': 1_000_001,
  'b/empty': 0,
  'b/ü.bin': 16_384,
  'b/c/d.bin': 333_333,
  'b/画像/🐟.png': 700_007,
  z: 1,
}
/** The seed gives away a copy in about six seconds; the others together are nearly twice as fast. */
const SEED_LIMIT = 350_000
const PEER_LIMIT = 100_000
const SLOW_MS = 100_000

describe.skipIf(noPrivateNetwork !== undefined)('a swarm of all clients', () => {
  const shared = shareNetwork()
  const at = <T extends object>(more: T) => ({
    host: shared.network.address(),
    network: shared.network,
    ...more,
  })

  const SEEDS = {
    Shoal: async ({ file, source }: Stage) => {
      const seed = startSeed(file, source, at({ args: ['--upload-limit', `${SEED_LIMIT}B/s`] }))
      await seed.event('announced')
      return async () => expect((await seed.end()).code).toBe(0)
    },
    libtorrent: async ({ file, source }: Stage) => {
      const seed = await startLibtorrent(at({ torrent: file, dir: source, uploadLimit: SEED_LIMIT }))
      return () => seed.stop('SIGTERM')
    },
  }

  /** All start at once; each resolves to a wait for all of its content. */
  function startAll({ file, folder }: Stage, shoals: Shoal[]) {
    const options = (name: string) =>
      at({ torrent: file, dir: folder(name), uploadLimit: PEER_LIMIT, encryption: 'none' as const })
    const getArgs = ['--upload-limit', `${PEER_LIMIT}B/s`]
    const get = async (name: string) => {
      const shoal = startGet(file, folder(name), at({ args: getArgs }))
      shoals.push(shoal)
      return { name, finished: () => shoal.event('complete', undefined, SLOW_MS) }
    }
    const starts = {
      transmission: startTransmission,
      aria2: startAria2,
      rtorrent: startRtorrent,
      libtorrent: startLibtorrent,
    }
    const clients = Object.entries(starts).map(async ([name, start]) => {
      const client = await start(options(name))
      return { name, finished: () => client.finished(SLOW_MS) }
    })
    return Promise.all([get('one'), get('two'), ...clients])
  }

  test.concurrent.for(['Shoal', 'libtorrent'] as const)(
    'whose first seed, %s, leaves after one copy: everybody gets everything',
    alone(async (make) => {
      const staged = stage({ name: `swarm-${make}`, files: FILES, trackers: [shared.tracker] })
      const { torrent, source, folder } = staged
      const leave = await SEEDS[make](staged)
      const shoals: Shoal[] = []
      const others = await startAll(staged, shoals)
      const holdings = () => others.map(({ name }) => piecesOnDisk(torrent, folder(name)))
      const atLeaving = await until(
        'copy of each piece among the others',
        () => {
          const sets = holdings()
          return new Set(sets.flatMap((set) => [...set])).size === torrent.pieceCount ? sets : undefined
        },
        SLOW_MS,
        50,
      )
      await leave()
      // one copy, and not one each: there is something left to do
      const incomplete = atLeaving.filter((set) => set.size < torrent.pieceCount)
      expect(incomplete.length).toBeGreaterThan(others.length / 2)
      await Promise.all(others.map(({ finished }) => finished()))
      for (const { events } of shoals)
        expect(events.items.filter(({ event }) => /protocol-error|piece-failed/.test(event))).toEqual([])
      for (const { name } of others) {
        const lines = treeDifferences(source, folder(name)).filter((line) => !line.endsWith('.aria2'))
        // Transmission makes no empty files
        expect([name, ...lines]).toEqual(
          name === 'transmission' ? [name, `missing: ${torrent.name}/b/empty`] : [name],
        )
      }
    }),
  )
})
