/**
 * The floor under every transfer on Node.js, on this machine: the bytes move through processes that
 * do nothing but read, hash, write and pass on (`kit/floor-relay.ts`), one after another in a
 * chain, so that each receives and all but the last send every byte once. The source reads a file
 * and sends it. Start-up is not counted.
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
import { bigContent, MIB } from './kit/content.ts'
import { freePort } from './kit/free-port.ts'
import { MeasuredProcess } from './kit/measured-process.ts'
import { positiveNumber } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { until } from './kit/waiting.ts'

const GIB = 1024 * MIB
const RELAY = path.join(import.meta.dirname, 'kit', 'floor-relay.ts')

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
const results = new Results()
for (let rep = 0; rep < positiveNumber('reps', values.reps); rep++) await measure()
results.printByRow('floor')
results.save('floor', values, ['delivered MB/s', 'leecher CPU s/GiB', 'source CPU s/GiB'])

async function measure(): Promise<void> {
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
  results.add(`${mib} MiB through ${leecherCount}`, {
    'delivered MB/s': (bytes * leecherCount) / seconds / 1e6,
    'leecher CPU s/GiB': cpu.reduce((sum, one) => sum + one, 0) / ((bytes * leecherCount) / GIB),
    'source CPU s/GiB': (user + system) / 1e6 / ((bytes * leecherCount) / GIB),
  })
}
