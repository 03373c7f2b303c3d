/**
 * Real clients announce to `shoal tracker` with its heartbeat on, over HTTP and over UDP: they find one
 * another there, each of them answers the tracker's probes, and nobody is removed who is there.
 */
import { expect, test } from 'vitest'
import { type OwnTracker, startOwnTracker } from '../kit/own-tracker.ts'
import {
  type ClientOptions,
  type RealClient,
  startAria2,
  startLibtorrent,
  startRtorrent,
  startTransmission,
} from '../kit/real-clients.ts'
import { stage, startGet } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

const FILES = { 'a.bin': 100_001, 'b/c.bin': 333_333 }
const HEARTBEAT = ['--heartbeat', '1s', '--heartbeat-window', '3s', '--interval', '2s']
/** Rounds that everybody has to answer after the last one has come. */
const ROUNDS = 4

const DOWNLOADERS = [startLibtorrent, startAria2, startRtorrent]

function answersOf(tracker: OwnTracker, address: string): number {
  return tracker.shoal.all('heartbeat').filter((e) => e.address === address && e.result === 'ok').length
}

/** Waits until each has answered so many more probes; then nobody may have been removed. */
async function expectAllAlive(tracker: OwnTracker, addresses: string[]): Promise<void> {
  const before = addresses.map((address) => answersOf(tracker, address))
  await until(
    'answers of everybody',
    () => addresses.every((address, i) => answersOf(tracker, address) >= (before[i] ?? 0) + ROUNDS),
    30_000,
    100,
  )
  expect(tracker.shoal.all('removed')).toEqual([])
}

test.for([
  { over: 'HTTP', scheme: 'http', path: '/announce' },
  { over: 'UDP', scheme: 'udp', path: '' },
] as const)(
  'aria2, Transmission, libtorrent, rtorrent and Shoal meet over $over and are found alive',
  { timeout: 150_000 },
  async ({ over, scheme, path }) => {
    const tracker = await startOwnTracker('--udp-port', '0', ...HEARTBEAT)
    const { port } = over === 'HTTP' ? tracker.http : tracker.udp
    const url = `${scheme}://127.0.0.1:${port}${path}`
    const { file, source, folder } = stage({ format: 'v1', files: FILES, trackers: [url] })
    const transmission = await startTransmission({ torrent: file, dir: source, host: '127.0.0.2' })
    const clients: RealClient[] = [transmission]
    const folders: string[] = []
    for (const [i, start] of DOWNLOADERS.entries()) {
      const dir = folder(`client-${i}`)
      const options: ClientOptions = {
        torrent: file,
        dir,
        host: `127.0.0.${i + 3}`,
        udpTracker: over === 'UDP',
      }
      clients.push(await start(options))
      folders.push(dir)
    }
    for (const client of clients.slice(1)) await client.finished(60_000)
    const get = startGet(file, folder('shoal'), { host: '127.0.0.9' })
    await get.event('complete', undefined, 30_000)
    for (const dir of [...folders, folder('shoal')])
      expect(treeDifferences(source, dir).filter((line) => !line.startsWith('unexpected'))).toEqual([])
    const own = await get.peerEndpoint()
    await expectAllAlive(tracker, [...clients.map(({ address }) => address), `${own.host}:${own.port}`])
    // One that crashes is found out, and nobody else.
    const [, libtorrent] = clients
    await libtorrent?.stop('SIGKILL')
    await tracker.shoal.event('removed', ({ address }) => address === libtorrent?.address, 20_000)
    expect(tracker.shoal.all('removed')).toHaveLength(1)
  },
)

test.for([
  { name: 'libtorrent', start: startLibtorrent },
  { name: 'Transmission', start: startTransmission },
  { name: 'rtorrent', start: startRtorrent },
])('$name that insists on encryption is found alive', { timeout: 60_000 }, async ({ start }) => {
  const tracker = await startOwnTracker(...HEARTBEAT)
  const url = `http://127.0.0.1:${tracker.http.port}/announce`
  const { file, source } = stage({ format: 'v1', files: FILES, trackers: [url] })
  const client = await start({ torrent: file, dir: source, host: '127.0.0.3', encryption: 'rc4' })
  await expectAllAlive(tracker, [client.address])
})
