/**
 * Peer exchange with real clients in a network of their own: each hears from Shoal of a peer that has never
 * heard of it, dials it, and fetches from there what Shoal is too slow to give. Only libtorrent tells others
 * soon enough to wait for that: Shoal hears of a peer from it.
 */
import { describe, expect, test } from 'vitest'
import { alone } from '../kit/clean-up.ts'
import { noPrivateNetwork, shareNetwork } from '../kit/private-network.ts'
import {
  type ClientOptions,
  type RealClient,
  startAria2,
  startLibtorrent,
  startTransmission,
} from '../kit/real-clients.ts'
import { Shoal } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

const SLOW_MS = 90_000
const PORT = 6881
const ONLY_PEX = ['--port', String(PORT), '--no-tracker', '--no-ring', '--no-dht', '--no-lan']

interface Client {
  name: string
  start: (options: ClientOptions) => Promise<RealClient>
}

// rtorrent did not dial whom it heard of within 90 seconds
const CLIENTS: Client[] = [
  { name: 'Transmission', start: startTransmission },
  { name: 'aria2', start: startAria2 },
  { name: 'libtorrent', start: startLibtorrent },
]

function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter((line) => !line.endsWith('.aria2'))
}

describe.skipIf(noPrivateNetwork !== undefined)('peers that only one of them knows', () => {
  const shared = shareNetwork()
  const at = () => ({ host: shared.network.address(), network: shared.network })
  const peerAt = (host: string) => ['--peer', `${host}:${PORT}`]
  const startShoal = (host: string, ...args: string[]) =>
    Shoal.start([...args, ...ONLY_PEX, '--host', host], { network: shared.network })

  test.concurrent.for(CLIENTS)(
    '$name hears of a seed from Shoal',
    alone(async ({ name, start }) => {
      const { file, source, target, folder } = stage({ name: `from-shoal-${name}` })
      const client = await start({ ...at(), torrent: file, dir: target, peerExchange: true })
      const seed = startShoal(shared.network.address(), 'seed', file, '--dir', source, '--no-pex')
      const { host } = await seed.readyEndpoint()
      // no seed: two seeds part at once
      const limits = ['--upload-limit', '2KB/s', '--download-limit', '2KB/s']
      const known = [...peerAt(client.host), ...peerAt(host)]
      startShoal(shared.network.address(), 'get', file, '--dir', folder('between'), ...limits, ...known)
      await seed.event('peer-connected', ({ address }) => address.startsWith(`${client.host}:`), SLOW_MS)
      await client.finished(SLOW_MS)
      expect(differences(source, target)).toEqual([])
      expect(seed.all('connecting')).toEqual([])
    }),
  )

  test.concurrent(
    'Shoal hears of a seed from libtorrent',
    alone(async () => {
      const { file, source, target, folder } = stage({ name: 'from-libtorrent' })
      const seed = startShoal(shared.network.address(), 'seed', file, '--dir', source, '--no-pex')
      const { host, port } = await seed.readyEndpoint()
      const peers = [`${host}:${port}`]
      const limits = { uploadLimit: 2000, downloadLimit: 2000 }
      const options = { ...at(), ...limits, torrent: file, dir: folder('between'), peers }
      const client = await startLibtorrent(options)
      await seed.event('peer-connected')
      const get = startShoal(shared.network.address(), 'get', file, '--dir', target, ...peerAt(client.host))
      await get.event('connecting', ({ address }) => address === `${host}:${port}`, SLOW_MS)
      await get.event('complete', undefined, SLOW_MS)
      expect(treeDifferences(source, target)).toEqual([])
    }),
  )
})
