/**
 * Announces that `shoal tracker` answers in a second, over UDP and over HTTP, and what that costs it. The
 * swarms are filled first: so many of so many peers, each with a port and a peer id of its own. Then they
 * announce in turn, `--open` at a time: over UDP from a few sockets, over HTTP on connections that stay open.
 * An announce is answered with the 50 peers of the default. Then half as many come, at their own pace, and
 * what each waits is told.
 *
 *   npm run bench -- tracker [--swarms 1000] [--peers 100] [--reps 5] [--seconds 3] [--open 64]
 *
 * The asking half is this process, and it needs a core of its own. Where it is the slower half, processor
 * time of the tracker (`us CPU` for each announce) says more than the rate. Needs a build.
 */
import { parseArgs } from 'node:util'
import { Prng } from '../src/base/prng.ts'
import type { AnnounceRequest } from '../src/wire/tracker-announce.ts'
import { freePort } from './kit/free-port.ts'
import { positiveNumber } from './kit/options.ts'
import { latenciesOverHttp, latenciesOverUdp } from './kit/paced-load.ts'
import { Results } from './kit/results.ts'
import { noteBuild } from './kit/shoal-program.ts'
import { type AnnounceLoad, announceOverHttp, UdpAnnouncer } from './kit/tracker-load.ts'
import { TrackerProcess } from './kit/tracker-process.ts'

const UDP_SOCKETS = 4
const MIB = 1024 * 1024

/** Asks as the load says; resolves when all that was asked is answered. */
type Transport = (load: AnnounceLoad) => Promise<unknown>

const { values } = parseArgs({
  options: {
    swarms: { type: 'string', default: '1000' },
    peers: { type: 'string', default: '100' },
    reps: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    open: { type: 'string', default: '64' },
  },
})
const swarmCount = positiveNumber('swarms', values.swarms)
const memberCount = swarmCount * positiveNumber('peers', values.peers)
const measuredMs = 1000 * positiveNumber('seconds', values.seconds)
const open = positiveNumber('open', values.open)
const prng = new Prng(1)
const infoHashes = Array.from({ length: swarmCount }, () => prng.bytes(20))
let announceCount = 0

const results = new Results()
noteBuild(results)
const port = await freePort()
const tracker = await TrackerProcess.start(port)
const announcers = Array.from({ length: UDP_SOCKETS }, () => new UdpAnnouncer(port))
const overUdp: Transport = async (load) => {
  await Promise.all(announcers.map((announcer) => announcer.connect()))
  await Promise.all(announcers.map((announcer) => announcer.run(Math.ceil(open / UDP_SOCKETS), load)))
}
const overHttp: Transport = (load) =>
  Promise.all(Array.from({ length: open }, () => announceOverHttp(port, load)))

let filled = 0
await overUdp({ next: nextRequest, answered: () => ++filled < memberCount })
const { anonymous } = tracker.process.sample()
results.note(`${swarmCount} swarms, ${memberCount} peers, ${(anonymous / MIB).toFixed(0)} MiB anonymous`)
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) {
  results.add('UDP', await measure(overUdp))
  results.add('HTTP', await measure(overHttp))
}
const peak = { UDP: results.median('UDP', 'announces/s'), HTTP: results.median('HTTP', 'announces/s') }
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) {
  const pace = (name: keyof typeof peak) => ({
    perSecond: (peak[name] ?? 0) / 2,
    seconds: measuredMs / 1000,
    next: nextRequest,
  })
  results.add('UDP, half of that', percentiles(await latenciesOverUdp(port, pace('UDP'))))
  results.add('HTTP, half of that', percentiles(await latenciesOverHttp(port, open, pace('HTTP'))))
}
for (const announcer of announcers) announcer.close()
await tracker.stop()
results.printByRow('tracker')
results.save('tracker', values, ['announces/s', 'us CPU', 'p50 ms', 'p99 ms'])

function percentiles(latencies: number[]): Record<string, number> {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN
  return { 'p50 ms': at(0.5), 'p99 ms': at(0.99) }
}

async function measure(transport: Transport): Promise<Record<string, number>> {
  const cpuSecondsBefore = tracker.process.cpuSeconds
  const startedAt = performance.now()
  let count = 0
  const answered = () => {
    count++
    return performance.now() - startedAt < measuredMs
  }
  await transport({ next: nextRequest, answered })
  const seconds = (performance.now() - startedAt) / 1000
  const cpuSeconds = tracker.process.cpuSeconds - cpuSecondsBefore
  return { 'announces/s': count / seconds, 'us CPU': (cpuSeconds / count) * 1e6 }
}

/** Members announce in turn, each to its swarm. */
function nextRequest(): AnnounceRequest {
  const member = announceCount++ % memberCount
  const peerId = new Uint8Array(20)
  new DataView(peerId.buffer).setUint32(16, member)
  return {
    infoHash: infoHashes[member % swarmCount]!,
    peerId,
    // One of its own in its swarm.
    port: 1024 + Math.floor(member / swarmCount),
    uploaded: 0,
    downloaded: 0,
    left: member % 2,
    key: member,
  }
}
