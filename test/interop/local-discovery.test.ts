/**
 * Local discovery with libtorrent (qBittorrent, Deluge): on real multicast each finds the
 * other with nothing else.
 */
import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { describe, expect, test } from 'vitest'
import { startLibtorrent } from '../kit/real-clients.ts'
import { Shoal } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address
const ONLY_LAN = ['--port', '0', '--no-tracker', '--no-ring', '--no-dht', '--no-pex']

describe.skipIf(outside === undefined)('in a local network', () => {
  test('libtorrent downloads from Shoal', async () => {
    const { file, source, target } = stage({ name: `local-${randomBytes(6).toString('hex')}` })
    Shoal.start(['seed', file, '--dir', source, ...ONLY_LAN])
    const options = { torrent: file, dir: target, host: outside!, localDiscovery: true }
    const client = await startLibtorrent(options)
    await client.finished(70_000)
    expect(treeDifferences(source, target)).toEqual([])
  })

  test('Shoal downloads from libtorrent', async () => {
    const { file, source, target } = stage({ name: `local-${randomBytes(6).toString('hex')}` })
    await startLibtorrent({ torrent: file, dir: source, host: outside!, localDiscovery: true })
    const get = Shoal.start(['get', file, '--dir', target, ...ONLY_LAN])
    await get.event('complete', undefined, 70_000)
    expect(treeDifferences(source, target)).toEqual([])
  })
})
