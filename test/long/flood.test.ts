/**
 * S25 at full size: one address fills a tracker with made-up swarms. Its memory is bounded, and old and new
 * swarms of others are served.
 */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import { onCleanUp } from '../kit/clean-up.ts'
import { MemoryWatch } from '../kit/memory.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp, announceUdp, getJson } from '../kit/raw-announce.ts'
import { until, within } from '../kit/waiting.ts'

const CONNECT = Buffer.from('00000417271019800000000000000001', 'hex')
/** Announces under way; more would be lost in a socket's buffer. */
const OPEN = 64
/** A connection id is good for two minutes. */
const RECONNECT_EVERY = 100_000
const LONG_MS = 600_000
const MEGABYTES_MAX = 1200

/** Announces so many made-up swarms from 127.0.0.1; resolves with how many were taken in. */
async function flood(port: number, count: number): Promise<number> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  onCleanUp(() => void socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve))
  const packet = Buffer.alloc(98)
  packet.writeUInt32BE(1, 8)
  packet.writeUInt32BE(50, 92)
  packet.writeUInt16BE(6881, 96)
  let sent = 0
  let taken = 0
  let answered = 0
  let answeredAt = performance.now()
  const send = () => {
    sent++
    const fresh = Buffer.from(packet)
    randomBytes(40).copy(fresh, 16)
    socket.send(fresh)
  }
  const done = Promise.withResolvers<void>()
  socket.on('message', (reply) => {
    answeredAt = performance.now()
    const action = reply.readUInt32BE(0)
    if (action === 0) {
      reply.copy(packet, 0, 8, 16)
      if (sent === 0) for (let i = 0; i < OPEN; i++) send()
      return
    }
    if (action === 1) taken++
    if (++answered >= count) return done.resolve()
    if (answered % RECONNECT_EVERY === 0) socket.send(CONNECT)
    send()
  })
  socket.send(CONNECT)
  // What was lost is sent again.
  const watch = setInterval(() => {
    if (performance.now() - answeredAt < 500) return
    socket.send(CONNECT)
    if (sent > 0) for (let i = 0; i < OPEN; i++) send()
  }, 500)
  await within('the flood', done.promise, LONG_MS).finally(() => clearInterval(watch))
  socket.removeAllListeners('message')
  return taken
}

test(
  'S25 a flood of made-up swarms: memory is bounded, the others are served',
  async () => {
    const { shoal, http, udp } = await startOwnTracker('--store', 'memory')
    const memory = new MemoryWatch(shoal.pid)
    const old = { infoHash: randomBytes(20), left: 1 }
    await announceUdp(udp, { ...old, peerId: randomBytes(20), port: 1, from: '127.0.0.2' })

    const bound = LIMITS.trackerSwarmsMax.value
    expect(await flood(udp.port, bound + 200_000)).toBeLessThan(bound)

    for (let i = 0; i < 100; i++) {
      const fresh = { infoHash: randomBytes(20), left: 1 }
      await announceUdp(udp, { ...fresh, peerId: randomBytes(20), port: 2, from: '127.0.0.3' })
      const reply = await announceHttp(http, {
        ...fresh,
        peerId: randomBytes(20),
        port: 3,
        from: '127.0.0.4',
      })
      expect(reply.peers).toEqual([{ host: '127.0.0.3', port: 2 }])
    }
    const still = await announceUdp(udp, { ...old, peerId: randomBytes(20), port: 4, from: '127.0.0.5' })
    expect(still.peers).toEqual([{ host: '127.0.0.2', port: 1 }])
    const { json } = await getJson(http, '/stats.json')
    expect(json).toMatchObject({ swarms: bound, displaced: 100 })
    await until('memory is looked at', () => memory.peak > 0)
    expect(memory.stop()).toBeLessThan(MEGABYTES_MAX)
    process.stdout.write(`flood: ${Math.round(memory.peak)} MB\n`)
  },
  LONG_MS,
)
