import net from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { TcpNetwork } from '../../src/nodejs/tcp-network.ts'
import type { DisconnectReason } from '../../src/swarm/events.ts'
import { Frame } from '../../src/swarm/frame-pool.ts'
import type { Endpoint } from '../../src/wire/endpoint.ts'

/** A network whose events can be waited for. */
class Listener {
  readonly heard: { kind: string; connection: number; reason?: DisconnectReason; address?: Endpoint }[] = []
  readonly bytes = new Map<number, Buffer>()
  readonly network: TcpNetwork
  #wake = (): void => {}

  constructor(network: TcpNetwork) {
    this.network = network
    const note = (kind: string, connection: number, more = {}): void => {
      this.heard.push({ kind, connection, ...more })
      this.#wake()
    }
    network.open({
      incoming: (connection, address) => note('incoming', connection, { address }),
      connected: (connection) => note('connected', connection),
      received: (connection, bytes) => {
        this.bytes.set(connection, Buffer.concat([this.bytes.get(connection) ?? Buffer.alloc(0), bytes]))
        note('received', connection)
      },
      sent: (connection, frame) => note(`sent ${frame.bytes.length}`, connection),
      closed: (connection, reason) => note('closed', connection, { reason }),
    })
  }

  async until(kind: string): Promise<(typeof this.heard)[number]> {
    for (;;) {
      const found = this.heard.find((event) => event.kind === kind)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

const open: TcpNetwork[] = []
async function listen(host?: string): Promise<Listener> {
  const network = await TcpNetwork.listen({ host, ports: [0] })
  open.push(network)
  return new Listener(network)
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((network) => network.stop()))
})

describe.each(['127.0.0.1', '::1'])('TcpNetwork on %s', (host) => {
  it('carries bytes both ways and says when a frame was taken', async () => {
    const [a, b] = [await listen(host), await listen(host)]
    a.network.connect(1, b.network.endpoint)
    await a.until('connected')
    const incoming = await b.until('incoming')
    expect(incoming.connection).toBeLessThan(0)
    expect(incoming.address?.host).toBe(host)
    const frame = new Frame(1, 300_000)
    frame.bytes.fill(5)
    a.network.send(1, frame.bytes.subarray(0, 299_000), frame)
    await a.until(`sent ${frame.bytes.length}`)
    while ((b.bytes.get(incoming.connection)?.length ?? 0) < 299_000) {
      b.heard.length = 0
      await b.until('received')
    }
    expect(b.bytes.get(incoming.connection)?.every((byte) => byte === 5)).toBe(true)
    b.network.send(incoming.connection, Uint8Array.of(1, 2, 3))
    await a.until('received')
    expect([...a.bytes.get(1)!]).toEqual([1, 2, 3])
  })

  it('delivers the last bytes and then a FIN, even to one that still sends', async () => {
    const server = await listen(host)
    const socket = net.connect(server.network.endpoint)
    const chunks: Buffer[] = []
    const ended = new Promise<string>((resolve) => {
      socket.on('data', (chunk) => chunks.push(chunk))
      socket.on('end', () => resolve('fin'))
      socket.on('error', () => resolve('reset'))
    })
    socket.write('hello')
    const { connection } = await server.until('incoming')
    await server.until('received')
    socket.write(Buffer.alloc(100_000))
    server.network.send(connection, Buffer.from('good-bye'))
    server.network.close(connection)
    expect(await ended).toBe('fin')
    expect(Buffer.concat(chunks).toString()).toBe('good-bye')
    expect(server.heard.some((event) => event.kind === 'closed')).toBe(false)
  })
})

describe('TcpNetwork', () => {
  it('uses its address for outgoing connections too', async () => {
    const [a, b] = [await listen('127.0.0.7'), await listen('127.0.0.8')]
    a.network.connect(1, b.network.endpoint)
    expect((await b.until('incoming')).address?.host).toBe('127.0.0.7')
  })

  it('says why a dial failed or a connection ended', async () => {
    const a = await listen('127.0.0.1')
    const gone = await listen('127.0.0.1')
    const { endpoint } = gone.network
    await gone.network.stop()
    a.network.connect(1, endpoint)
    expect((await a.until('closed')).reason).toBe('refused')
    const b = await listen('127.0.0.1')
    b.network.connect(2, a.network.endpoint)
    const { connection } = await a.until('incoming')
    a.network.close(connection)
    expect((await b.until('closed')).reason).toBe('remote-closed')
  })

  it('drops a peer that asks on without ever reading (S16)', async () => {
    const server = await listen('127.0.0.1')
    const socket = net.connect(server.network.endpoint)
    socket.on('error', () => {})
    socket.pause()
    const { connection } = await server.until('incoming')
    const isClosed = () => server.heard.some((event) => event.kind === 'closed')
    for (let i = 0; i < 2000 && !isClosed(); i++) {
      server.network.send(connection, new Uint8Array(64 * 1024))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await server.until('closed')).reason).toBe('stopped-reading')
    socket.destroy()
  })

  it('names a port in use, an address of others', async () => {
    const a = await listen('127.0.0.1')
    const { port } = a.network.endpoint
    await expect(TcpNetwork.listen({ host: '127.0.0.1', ports: [port] })).rejects.toMatchObject({
      code: 'listen/port-in-use',
    })
    await expect(TcpNetwork.listen({ host: '203.0.113.1', ports: [0] })).rejects.toMatchObject({
      code: 'listen/no-such-address',
    })
    const b = await TcpNetwork.listen({ host: '127.0.0.1', ports: [port, 0] })
    open.push(b)
    expect(b.endpoint.port).not.toBe(port)
  })
})
