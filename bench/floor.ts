/**
 * The floor under every transfer on Node.js, on this machine: the bytes move through processes that do
 * nothing but read, hash, write and pass on. In three shapes:
 *
 * - A chain (`kit/floor-relay.ts`): each receives and all but the last send every byte once. Start-up is not
 *   counted.
 * - A mesh (`kit/floor-peer.ts`), as in a swarm: each receives from all others and sends to all others.
 *   Start-up counts, as it does in `transfer`: from the start of the first leecher's process until the last
 *   one has everything; processor time is that of whole processes. Once as it is least, and once with what
 *   is passed on read back from the file, as peers do that serve requests.
 * - A swarm that speaks BitTorrent and does nothing else (`kit/floor-swarm.ts`): each asks all others for
 *   blocks and answers them. Peers are named, start-up counts as in the mesh.
 *
 *   npm run bench -- floor [--mib 512] [--leechers 8] [--reps 5]
 *
 * What `transfer` says of the same sizes is to be held against this. No build needed.
 */
import { createReadStream } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { freshFolder, removeFolder } from './kit/clean-up.ts'
import { bigContent, MIB, makeTorrent } from './kit/content.ts'
import { freePort } from './kit/free-port.ts'
import { MeasuredProcess } from './kit/measured-process.ts'
import { positiveNumber } from './kit/options.ts'
import { plainProgram } from './kit/plain-program.ts'
import { Results } from './kit/results.ts'
import { requireSame } from './kit/same-tree.ts'
import { until } from './kit/waiting.ts'

const GIB = 1024 * MIB
const RELAY = path.join(import.meta.dirname, 'kit', 'floor-relay.ts')
/** Nobody is asked: the clients are told of one another. */
const NO_TRACKER = 'http://127.0.0.1:1/announce'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    leechers: { type: 'string', default: '8' },
    reps: { type: 'string', default: '5' },
  },
})
const mib = positiveNumber('mib', values.mib)
const leecherCount = positiveNumber('leechers', values.leechers)
const bytes = mib * MIB
const content = bigContent(mib, 1 + leecherCount)
const torrent = await makeTorrent(content, NO_TRACKER, MIB)
const results = new Results()
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) {
  await measureChain()
  await measureMesh('mesh, start-up included', [])
  await measureMesh('mesh, read back, start-up included', ['read-back'])
  await measureSwarm('BitTorrent, start-up included')
}
results.printByRow('floor')
results.save('floor', values, ['delivered MB/s', 'leecher CPU s/GiB', 'source CPU s/GiB'])

function note(what: string, seconds: number, leecherCpu: number, sourceCpu: number): void {
  const delivered = bytes * leecherCount
  results.add(`${what}: ${mib} MiB, ${leecherCount} leechers`, {
    'delivered MB/s': delivered / seconds / 1e6,
    'wall s': seconds,
    'leecher CPU s/GiB': leecherCpu / (delivered / GIB),
    'source CPU s/GiB': sourceCpu / (delivered / GIB),
  })
}

async function measureChain(): Promise<void> {
  const folder = freshFolder('floor')
  const ports = await Promise.all(Array.from({ length: leecherCount }, () => freePort()))
  const cpu: number[] = []
  const relays: MeasuredProcess[] = []
  let listening = 0
  for (const [index, port] of ports.entries()) {
    const nextPort = ports[index + 1] ?? 0
    const command = [process.execPath, RELAY, port, nextPort, path.join(folder, `${index}`), bytes].map(
      String,
    )
    const relay = new MeasuredProcess(`relay ${index}`, {
      command,
      folder,
      onLine: (line) => {
        if (line === 'listening') listening++
        else if (line.startsWith('cpu ')) cpu.push(Number(line.slice(4)))
      },
    })
    relays.push(relay)
  }
  await until('the relays listen', 20_000, () => listening === leecherCount)
  const startedAt = performance.now()
  const before = process.cpuUsage()
  const socket = net.connect({ port: ports[0]!, host: '127.0.0.1' })
  createReadStream(content.path, { highWaterMark: MIB / 2 }).pipe(socket)
  await until('everything is written', 120_000, () => cpu.length === leecherCount)
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(before)
  await Promise.all(relays.map((relay) => relay.ended))
  removeFolder(folder)
  note('chain, start-up left out', seconds, sum(cpu), (user + system) / 1e6)
}

async function measureMesh(what: string, mode: readonly string[]): Promise<void> {
  const folder = freshFolder('floor')
  const program = plainProgram('floor-peer')
  const ports = await Promise.all(Array.from({ length: 1 + leecherCount }, () => freePort()))
  const cpu: number[] = []
  const peers: MeasuredProcess[] = []
  let isSourceReady = false
  let doneAt = 0
  const fileOf = (index: number) => (index === 0 ? content.path : path.join(folder, `${index}`))
  const start = (index: number) =>
    peers.push(
      new MeasuredProcess(`peer ${index}`, {
        command: [process.execPath, program, index, ports, fileOf(index), bytes, ...mode].map(String),
        folder,
        onLine: (line) => {
          if (index === 0) isSourceReady ||= line === 'ready'
          else if (line.startsWith('cpu ')) {
            cpu.push(Number(line.slice(4)))
            doneAt = performance.now()
          }
        },
      }),
    )
  try {
    start(0)
    await until('the source to listen', 20_000, () => isSourceReady)
    const source = peers[0]!
    const before = source.cpuSeconds
    const startedAt = performance.now()
    for (let index = 1; index <= leecherCount; index++) start(index)
    await until('everything to be passed on', 120_000, () => {
      for (const peer of peers) peer.requireRunning()
      return cpu.length === leecherCount
    })
    note(what, (doneAt - startedAt) / 1000, sum(cpu), source.cpuSeconds - before)
    await Promise.all(peers.map((peer) => peer.stop()))
    for (let index = 1; index <= leecherCount; index++) requireSame(content.path, fileOf(index))
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
    removeFolder(folder)
  }
}

async function measureSwarm(what: string): Promise<void> {
  const folder = freshFolder('floor')
  const program = plainProgram('floor-swarm')
  const port = await freePort()
  const hosts = Array.from({ length: 1 + leecherCount }, (_, index) => `127.0.0.${2 + index}`)
  const dirOf = (index: number) => (index === 0 ? path.dirname(content.path) : path.join(folder, `${index}`))
  const clients: MeasuredProcess[] = []
  let isSourceReady = false
  let doneCount = 0
  let doneAt = 0
  const start = (index: number) =>
    clients.push(
      new MeasuredProcess(`client ${index}`, {
        command: [
          ...[process.execPath, program, index === 0 ? 'seed' : 'get', torrent.file],
          ...[dirOf(index), hosts[index]!, `${port}`, ...hosts.map((host) => `${host}:${port}`)],
        ],
        folder,
        onLine: (line) => {
          if (index === 0) isSourceReady ||= line === 'ready'
          else if (line === 'done') {
            doneCount++
            doneAt = performance.now()
          }
        },
      }),
    )
  try {
    start(0)
    await until('the source to listen', 20_000, () => isSourceReady)
    const source = clients[0]!
    const before = source.cpuSeconds
    const startedAt = performance.now()
    for (let index = 1; index <= leecherCount; index++) start(index)
    await until('everything to be downloaded', 120_000, () => {
      for (const client of clients) client.requireRunning()
      return doneCount === leecherCount
    })
    const leecherCpu = sum(clients.slice(1).map((client) => client.cpuSeconds))
    note(what, (doneAt - startedAt) / 1000, leecherCpu, source.cpuSeconds - before)
    await Promise.all(clients.map((client) => client.stop()))
    const name = path.basename(content.path)
    for (let index = 1; index <= leecherCount; index++)
      requireSame(content.path, path.join(dirOf(index), name))
  } finally {
    await Promise.all(clients.map((client) => client.stop()))
    removeFolder(folder)
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
