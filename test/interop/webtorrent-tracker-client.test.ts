/**
 * WebTorrent's tracker client (npm bittorrent-tracker) with `shoal tracker`, over HTTP and UDP: it finds who
 * is there, is found, counts right in its scrape, and is gone when it says so.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { NPM_CLIENTS, npmClientsAbsent } from '../kit/npm-clients.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { until } from '../kit/waiting.ts'

const absent = await npmClientsAbsent()
if (absent !== undefined) console.warn(`skipped: WebTorrent's tracker client is not there: ${absent}`)

interface Said {
  event: string
  value: unknown
}

function startClient(announce: string, infoHash: Buffer, port: number) {
  const script = join(NPM_CLIENTS, 'tracker-client.js')
  const peerId = Buffer.concat([Buffer.from('-WW0208-'), randomBytes(12)])
  const args = [script, announce, infoHash.toString('hex'), peerId.toString('hex'), String(port)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said: Said[] = []
  createInterface(child.stdout).on('line', (line) => said.push(JSON.parse(line) as Said))
  return {
    hears: (event: string, probe: (value: unknown) => boolean = () => true) =>
      until(`${event} among ${JSON.stringify(said)}`, () =>
        said.some((s) => s.event === event && probe(s.value)),
      ),
    stop: async () => {
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}

test.skipIf(absent !== undefined).for(['http', 'udp'])(
  'over %s it finds, is found, and leaves',
  async (how) => {
    const tracker = await startOwnTracker('--udp-port', '0')
    const url = how === 'udp' ? tracker.udpUrl : `http://127.0.0.1:${tracker.http.port}/announce`
    const infoHash = randomBytes(20)
    const seed = { infoHash, peerId: randomBytes(20), port: 7001, from: '127.0.0.2' }
    await announceHttp(tracker.http, seed)

    const client = startClient(url, infoHash, 7002)
    await client.hears('peer', (address) => address === '127.0.0.2:7001')
    await client.hears('scrape')
    const found = await announceHttp(tracker.http, { ...seed, event: '' })
    expect(found.peers).toEqual([{ host: '127.0.0.1', port: 7002 }])

    const other = startClient(url, infoHash, 7003)
    await other.hears('peer', (address) => address === '127.0.0.1:7002')
    await other.hears('update', (counts) => JSON.stringify(counts) === '{"complete":1,"incomplete":2}')

    await client.stop()
    const left = await announceHttp(tracker.http, { ...seed, event: '' })
    expect(left.peers).toEqual([{ host: '127.0.0.1', port: 7003 }])
  },
)
