/** Which trackers a share link and its .torrent name when the user names none. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { noPrivateNetwork, PrivateNetwork } from '../kit/private-network.ts'
import { Shoal } from '../kit/shoal.ts'
import { treeDifferences } from '../kit/trees.ts'

/** The machine's first address in a private network, which a link names. */
const OUTSIDE = '10.77.0.1'
const QUIET = ['--no-ring', '--no-dht', '--no-lan']

function library(): string {
  const folder = join(temporaryFolder('shared'), 'birds')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'a.jpg'), Buffer.alloc(40_000, 7))
  return folder
}

/** `shoal share` without --tracker; what its link and its .torrent say. */
async function share(network: PrivateNetwork, folder: string, ...args: string[]) {
  const shoal = Shoal.start(['share', folder, ...QUIET, ...args], { network })
  const { link, file } = await shoal.event('share-link')
  const parts = new URLSearchParams(link.slice(link.indexOf('?')))
  return {
    shoal,
    link: link as string,
    torrent: readFileSync(file, 'latin1'),
    trackers: parts.getAll('tr'),
    records: parts.getAll('xs'),
    peers: parts.getAll('x.pe'),
  }
}

/** A tracker at the port where `share` looks for one. */
async function track(network: PrivateNetwork, ...args: string[]): Promise<void> {
  const shoal = Shoal.start(['tracker', '--port', '6969', '--store', 'memory', ...args], { network })
  await shoal.event('listening', ({ service }) => service === 'tracker')
}

describe.skipIf(noPrivateNetwork)('share without --tracker', () => {
  test('no tracker on this machine: none in the link, and a warning says so', async () => {
    const network = await PrivateNetwork.create()
    const { shoal, trackers, records, peers, torrent } = await share(network, library())
    expect({ trackers, records }).toEqual({ trackers: [], records: [] })
    expect(peers).toEqual([expect.stringMatching(/^10\.77\.0\.1:\d+$/)])
    expect(torrent).not.toContain('announce')
    expect(shoal.all('warning').map(({ code }) => code)).toContain('share/no-tracker')
  })

  test('a tracker that others reach is named by the address they reach, and brings them together', async () => {
    const network = await PrivateNetwork.create()
    await track(network)
    const folder = library()
    const { shoal, link, trackers, records, torrent } = await share(network, folder)
    const url = `http://${OUTSIDE}:6969/announce`
    expect(trackers).toEqual([url])
    expect(records).toEqual([expect.stringContaining(`http://${OUTSIDE}:6969/api/v1/libraries/`)])
    expect(torrent).toContain(url)
    expect(torrent).not.toContain('127.0.0.1')
    expect(shoal.all('warning').map(({ code }) => code)).not.toContain('share/no-tracker')
    await shoal.event('announced', ({ tracker }) => tracker === url)
    const target = temporaryFolder('target')
    // The peer's own address is left out, so the tracker has to bring them together.
    const withoutPeer = link.replace(/&x\.pe=[^&]*/, '')
    const get = Shoal.start(
      ['get', withoutPeer, '--dir', target, '--host', '10.77.0.2', '--exit', ...QUIET],
      {
        network,
      },
    )
    await get.event('complete')
    expect(treeDifferences(folder, join(target, 'birds'))).toEqual([])
  })

  test('a tracker that only this machine reaches is announced to, and kept out of the link', async () => {
    const network = await PrivateNetwork.create()
    await track(network, '--host', '127.0.0.1')
    const { shoal, trackers, records, torrent } = await share(network, library())
    await shoal.event('announced', ({ tracker }) => tracker === 'http://127.0.0.1:6969/announce')
    expect({ trackers, records }).toEqual({ trackers: [], records: [] })
    expect(torrent).not.toContain('announce')
  })

  test('a peer that only this machine reaches names a tracker that answered there', async () => {
    const network = await PrivateNetwork.create()
    await track(network, '--host', '127.0.0.1')
    const { trackers, records, peers } = await share(network, library(), '--host', '127.0.0.1')
    expect(trackers).toEqual(['http://127.0.0.1:6969/announce'])
    expect(records).toEqual([expect.stringContaining('http://127.0.0.1:6969/api/v1/libraries/')])
    expect(peers).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)])
  })
})
