/**
 * Local discovery with real clients, on multicast in a network of their own: with nothing else, each finds
 * Shoal and is found by it.
 */
import { describe, expect, test } from 'vitest'
import { alone } from '../kit/clean-up.ts'
import { noPrivateNetwork, shareNetwork } from '../kit/private-network.ts'
import { type ClientOptions, type RealClient, startAria2, startLibtorrent } from '../kit/real-clients.ts'
import { Shoal } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

const ONLY_LAN = ['--port', '6881', '--no-tracker', '--no-ring', '--no-dht', '--no-pex']
const SLOW_MS = 90_000

interface Client {
  name: string
  start: (options: ClientOptions) => Promise<RealClient>
}

// rtorrent knows none, and Transmission did not hear Shoal, nor Shoal it, on one machine
const CLIENTS: Client[] = [
  { name: 'aria2', start: startAria2 },
  { name: 'libtorrent', start: startLibtorrent },
]

function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter((line) => !line.endsWith('.aria2'))
}

describe.skipIf(noPrivateNetwork !== undefined)('in a local network', () => {
  const shared = shareNetwork()
  const startShoal = (...args: string[]) =>
    Shoal.start([...args, ...ONLY_LAN, '--host', shared.network.address()], { network: shared.network })
  const at = (torrent: string, dir: string): ClientOptions => ({
    ...{ torrent, dir, localDiscovery: true },
    ...{ host: shared.network.address(), network: shared.network },
  })

  test.concurrent.for(CLIENTS)(
    '$name downloads from Shoal',
    alone(async ({ name, start }) => {
      const { file, source, target } = stage({ name: `from-shoal-${name}` })
      startShoal('seed', file, '--dir', source)
      const client = await start(at(file, target))
      await client.finished(SLOW_MS)
      expect(differences(source, target)).toEqual([])
    }),
  )

  test.concurrent.for(CLIENTS)(
    'Shoal downloads from $name',
    alone(async ({ name, start }) => {
      const { file, source, target } = stage({ name: `to-shoal-${name}` })
      await start(at(file, source))
      const get = startShoal('get', file, '--dir', target)
      await get.event('complete', undefined, SLOW_MS)
      expect(differences(source, target)).toEqual([])
    }),
  )
})
