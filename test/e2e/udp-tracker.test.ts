/** `shoal tracker` over UDP, from outside: where it listens, whom it believes, what noise does to it. */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { describe, expect, test } from 'vitest'
import { onCleanUp } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp, announceUdp } from '../kit/raw-announce.ts'
import { freePort } from '../kit/real-clients.ts'
import { runShoal, Shoal } from '../kit/shoal.ts'
import { Recording, within } from '../kit/waiting.ts'

const CONNECT = Buffer.from('00000417271019800000000000000001', 'hex')
/** The same with a transaction id that no other packet here has. */
const LAST_CONNECT = Buffer.from('000004172710198000000000ffffffff', 'hex')
const INFO_HASH = Buffer.alloc(20, 7)

function somebody(port: number, from = '127.0.0.1') {
  return { infoHash: INFO_HASH, peerId: randomBytes(20), port, left: 1, from }
}

/** A socket with its own address that can ask, and tell silence from an answer. */
class Asker {
  readonly #received = new Recording<Buffer>()
  readonly #socket: Socket
  readonly #tracker: { host: string; port: number }

  private constructor(socket: Socket, tracker: { host: string; port: number }) {
    this.#socket = socket
    this.#tracker = tracker
    socket.on('message', (packet) => this.#received.push(packet))
    onCleanUp(() => void socket.close())
  }

  static async bind(tracker: { host: string; port: number }, from = '127.0.0.1'): Promise<Asker> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, from, resolve))
    return new Asker(socket, tracker)
  }

  send(packet: Buffer): Promise<void> {
    return new Promise((resolve) =>
      this.#socket.send(packet, this.#tracker.port, this.#tracker.host, () => resolve()),
    )
  }

  /** The first reply from now on with the transaction id of the packet. */
  async ask(packet: Buffer): Promise<Buffer> {
    const from = this.#received.items.length
    await this.send(packet)
    const isReply = (reply: Buffer) => reply.readUInt32BE(4) === packet.readUInt32BE(12)
    return this.#received.first('UDP reply', isReply, undefined, from)
  }

  async connect(): Promise<Buffer> {
    return (await this.ask(CONNECT)).subarray(8, 16)
  }

  /** What came for `packets`: they are answered in order, so the reply to a last one marks the end. */
  async answersTo(...packets: Buffer[]): Promise<Buffer[]> {
    const from = this.#received.items.length
    for (const packet of packets) await this.send(packet)
    await this.ask(LAST_CONNECT)
    return this.#received.items.slice(from, -1)
  }
}

function announcePacket(connectionId: Buffer, port: number, claimed = 0): Buffer {
  const packet = Buffer.alloc(98)
  connectionId.copy(packet)
  packet.writeUInt32BE(1, 8)
  packet.writeUInt32BE(2, 12)
  INFO_HASH.copy(packet, 16)
  randomBytes(20).copy(packet, 36)
  packet.writeUInt32BE(2, 80)
  packet.writeUInt32BE(claimed, 84)
  packet.writeInt32BE(-1, 92)
  packet.writeUInt16BE(port, 96)
  return packet
}

describe('where it listens', () => {
  test('by default on the number HTTP has, and both serve the same swarms', async () => {
    const tracker = await startOwnTracker()
    expect(tracker.udp).toEqual(tracker.http)
    await announceUdp(tracker.udp, somebody(1, '127.0.0.2'))
    expect((await announceHttp(tracker.http, somebody(2, '127.0.0.3'))).peers).toEqual([
      { host: '127.0.0.2', port: 1 },
    ])
    expect((await announceUdp(tracker.udp, somebody(3))).peers).toHaveLength(2)
  })

  test('on another number, or not at all', async () => {
    const port = await freePort()
    expect((await startOwnTracker('--udp-port', `${port}`)).udp.port).toBe(port)
    const without = Shoal.start(['tracker', '--host', '127.0.0.1', '--port', '0', '--udp-port', 'off'])
    await without.event('listening')
    expect((await without.end()).code).toBe(0)
    expect(without.all('listening').map(({ service }) => service)).toEqual(['tracker'])
  })

  test('without --host over IPv4 and IPv6', async () => {
    const shoal = Shoal.start(['tracker', '--port', '0'])
    const { port } = await shoal.event('listening', ({ service }) => service === 'udp')
    await announceUdp({ host: '127.0.0.1', port }, somebody(1, '127.0.0.2'))
    const socket = createSocket('udp6')
    onCleanUp(() => void socket.close())
    const ask = (packet: Buffer) => {
      const answered = new Promise<Buffer>((resolve) => socket.once('message', resolve))
      socket.send(packet, port, '::1')
      return within('UDP reply', answered)
    }
    const connectionId = (await ask(CONNECT)).subarray(8, 16)
    const reply = await ask(announcePacket(connectionId, 2))
    // the one other peer is IPv4: counted, and left out of an IPv6 reply
    expect(reply).toHaveLength(20)
    expect(reply.readUInt32BE(12) + reply.readUInt32BE(16)).toBe(2)
    // an IPv4 sender is one at a socket for both, too
    expect((await announceUdp({ host: '127.0.0.1', port }, somebody(3))).peers).toEqual([
      { host: '127.0.0.2', port: 1 },
    ])
  })

  test('a port in use is said so, with what to do', async () => {
    const tracker = await startOwnTracker()
    const other = await runShoal(
      ['tracker', '--host', '127.0.0.1', '--port', '0', '--udp-port', `${tracker.udp.port}`],
      { json: false },
    )
    expect(other.code).toBe(2)
    expect(other.stderr).toContain(`UDP port ${tracker.udp.port} on 127.0.0.1 is in use`)
    expect(other.stderr).toContain('--udp-port')
  })
})

describe('whom it believes', () => {
  test('S22 a connection id only from the address and port it was sent to', async () => {
    const tracker = await startOwnTracker()
    const [owner, neighbour] = await Promise.all([Asker.bind(tracker.udp), Asker.bind(tracker.udp)])
    const elsewhere = await Asker.bind(tracker.udp, '127.0.0.9')
    const connectionId = await owner.connect()
    const packet = announcePacket(connectionId, 1)
    expect(await neighbour.answersTo(packet)).toEqual([])
    expect(await elsewhere.answersTo(packet)).toEqual([])
    expect((await owner.answersTo(packet)).map((reply) => reply.readUInt32BE(0))).toEqual([1])
  })

  test('S23 no address that is only claimed, unless a named proxy claims it', async () => {
    for (const [args, listed] of [
      [[], '127.0.0.5'],
      [['--trusted-proxy', '127.0.0.5'], '8.8.8.8'],
    ] as const) {
      const tracker = await startOwnTracker(...args)
      const asker = await Asker.bind(tracker.udp, '127.0.0.5')
      await asker.ask(announcePacket(await asker.connect(), 9, 0x08080808))
      expect((await announceUdp(tracker.udp, somebody(2))).peers).toEqual([{ host: listed, port: 9 }])
    }
  })

  test('S25 a source that asks too often is not served for a while, others are', async () => {
    const tracker = await startOwnTracker('--source-limit', '5')
    const asker = await Asker.bind(tracker.udp, '127.0.0.6')
    const connectionId = await asker.connect()
    const startedAt = performance.now()
    const answers = await asker.answersTo(
      ...Array.from({ length: 60 }, () => announcePacket(connectionId, 1)),
    )
    const earned = Math.ceil(((performance.now() - startedAt) / 1000) * 5)
    expect(answers.length).toBeGreaterThanOrEqual(5)
    expect(answers.length).toBeLessThanOrEqual(Math.min(59, 5 + earned))
    const refused = await announceHttp(tracker.http, somebody(1, '127.0.0.6'))
    expect(refused.failure).toContain('too many requests')
    expect((await announceUdp(tracker.udp, somebody(2, '127.0.0.7'))).peers).toHaveLength(1)
  })

  test('S28 before a connection id is shown, 16 bytes for 16 and nothing else', async () => {
    const asker = await Asker.bind((await startOwnTracker()).udp)
    const long = Buffer.concat([CONNECT, Buffer.alloc(500)])
    const strangers = [
      announcePacket(randomBytes(8), 1),
      announcePacket(CONNECT.subarray(0, 8), 1),
      Buffer.concat([randomBytes(8), Buffer.from('0000000200000001', 'hex'), INFO_HASH]),
      CONNECT.subarray(0, 15),
      Buffer.alloc(1400, 1),
    ]
    expect(await asker.answersTo(...strangers)).toEqual([])
    expect((await asker.answersTo(CONNECT, long)).map(({ length }) => length)).toEqual([16, 16])
  })
})

test('10,000 random packets leave the next good request answered', async () => {
  const tracker = await startOwnTracker()
  const asker = await Asker.bind(tracker.udp, '127.0.0.8')
  const connectionId = await asker.connect()
  for (let i = 0; i < 10_000; i++) {
    const noise = randomBytes(i % 200)
    // a third comes from somebody who may ask, half of those with an action that exists
    if (i % 3 === 0) connectionId.copy(noise)
    if (i % 6 === 0 && noise.length >= 12) noise.writeUInt32BE(i % 4, 8)
    await asker.send(noise)
    // so that they arrive and do not only fill a buffer
    if (i % 100 === 99) await asker.connect()
  }
  expect((await announceUdp(tracker.udp, somebody(1))).intervalSeconds).toBe(1800)
  expect((await tracker.shoal.end()).code).toBe(0)
  expect(tracker.shoal.stderr).toBe('')
})
