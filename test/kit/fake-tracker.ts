/**
 * FT, the fake tracker: HTTP on a raw TCP socket (BEP 3, 7, 23, 24, 48) and UDP (BEP 15) side by side.
 * It records every announce with its raw parameters and its time, and answers as the test says: with
 * peers, an interval, a failure, a status, after a delay, or never. Left alone it is a small honest
 * tracker that lists who announced.
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import { type Bencodable, bencode } from './bencode.ts'
import { onCleanUp } from './clean-up.ts'
import { Recording, until } from './waiting.ts'

export interface Endpoint {
  host: string
  port: number
  peerId?: Buffer
}
export interface Announce {
  /** Milliseconds of `performance.now()`, comparable with every other record of the kit. */
  at: number
  transport: 'http' | 'udp'
  infoHash: Buffer
  peerId: Buffer
  port: number
  uploaded: number
  downloaded: number
  left: number
  event: '' | 'started' | 'completed' | 'stopped'
  numwant: number | undefined
  compact: string | undefined
  /** HTTP only: every parameter, percent-decoded to bytes, and the request as it came. */
  parameters: Map<string, Buffer>
  head: string
  from: Endpoint
}
/** A request to the API that a Shoal tracker has beside announces. */
export interface ApiCall {
  at: number
  method: string
  path: string
  // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
  body: any
}
export interface Reply {
  peers?: Endpoint[]
  intervalSeconds?: number
  minIntervalSeconds?: number
  failure?: string
  warning?: string
  /** HTTP status; UDP answers anything but 200 with an error packet. */
  status?: number
  /** Never answer. */
  silence?: boolean
  delayMs?: number
  /** Dictionary form or compact form whatever the client asked for. */
  compact?: boolean
  /** This very body instead. */
  body?: Buffer
  /** Say that there is an API at this path. */
  api?: string
}
interface Options {
  host?: string
  port?: number
  http?: boolean
  udp?: boolean
  reply?: Reply
}

const EVENTS = ['', 'completed', 'started', 'stopped'] as const

export class FakeTracker {
  readonly announces = new Recording<Announce>()
  readonly calls = new Recording<ApiCall>()
  /** What a call gets: JSON, or a status that says no. */
  answerCall: (call: ApiCall) => unknown = () => ({ accepted: true, count: 0, total: 0, peers: [] })
  /** What every announce gets; `script` may decide per announce; `failNext` comes before both. */
  reply: Reply
  script: ((announce: Announce) => Reply | undefined) | undefined
  readonly #host: string
  readonly #sockets = new Set<Socket>()
  readonly #known = new Map<string, Endpoint & { seed: boolean }>()
  readonly #connectionIds = new Set<string>()
  #failures: Reply[] = []
  #http: Server | undefined
  #udp: UdpSocket | undefined
  port = 0
  stopped = false

  private constructor(options: Options) {
    this.#host = options.host ?? '127.0.0.1'
    this.reply = options.reply ?? {}
  }

  static async start(options: Options = {}): Promise<FakeTracker> {
    const tracker = new FakeTracker(options)
    onCleanUp(() => tracker.stop())
    for (let attempt = 0; ; attempt++) {
      try {
        await tracker.#listen(options)
        return tracker
      } catch (error) {
        if (options.port || attempt > 20) throw error
        await tracker.stop()
        tracker.stopped = false
      }
    }
  }

  get url(): string {
    return `http://${this.#host}:${this.port}/announce`
  }

  get udpUrl(): string {
    return `udp://${this.#host}:${this.port}/announce`
  }

  /** The next `count` announces get `reply`. */
  failNext(count: number, reply: Reply): void {
    for (let i = 0; i < count; i++) this.#failures.push(reply)
  }

  /** The first announce that matches, past or future. */
  announced(what: string, matches: (a: Announce) => boolean, timeoutMs?: number, from?: number) {
    return this.announces.first(`announce ${what}`, matches, timeoutMs, from)
  }

  /** Waits until `count` peers, all swarms together, have announced and not stopped. */
  async members(count: number, timeoutMs?: number): Promise<void> {
    await until(`${count} peers at the tracker`, () => this.#known.size >= count, timeoutMs)
  }

  async stop(): Promise<void> {
    this.stopped = true
    for (const socket of this.#sockets) socket.destroy()
    const http = this.#http
    const udp = this.#udp
    this.#http = this.#udp = undefined
    if (http?.listening) await new Promise<void>((resolve) => http.close(() => resolve()))
    if (udp) await new Promise<void>((resolve) => udp.close(() => resolve()))
  }

  async #listen({ port = 0, http = true, udp = true }: Options): Promise<void> {
    this.port = port
    if (http) {
      const server = createServer((socket) => this.#accept(socket))
      this.#http = server
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(this.port, this.#host, resolve)
      })
      this.port = (server.address() as { port: number }).port
    }
    if (!udp) return
    const socket = createSocket('udp4')
    this.#udp = socket
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(this.port, this.#host, resolve)
    })
    this.port = socket.address().port
    socket.on('message', (packet, from) => void this.#datagram(packet, from))
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    let head = ''
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (data) => {
      head += data.toString('latin1')
      for (let end = head.indexOf('\r\n\r\n'); end >= 0; end = head.indexOf('\r\n\r\n')) {
        const request = head.slice(0, end)
        const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(request)?.[1] ?? 0)
        if (head.length < end + 4 + length) return
        const body = head.slice(end + 4, end + 4 + length)
        head = head.slice(end + 4 + length)
        void this.#request(socket, request, body).then(() => {
          if (/\r\nconnection: close/i.test(request)) socket.end()
        })
      }
    })
  }

  async #request(socket: Socket, head: string, content: string): Promise<void> {
    const [method = '', target = ''] = head.split(' ')
    if (target.startsWith('/api/')) {
      const body = content === '' ? undefined : JSON.parse(content)
      const call = { at: performance.now(), method, path: target, body }
      this.calls.push(call)
      const answer = this.answerCall(call)
      return typeof answer === 'number'
        ? respond(socket, answer, Buffer.from('{}'))
        : respond(socket, 200, Buffer.from(JSON.stringify(answer)))
    }
    const parameters = new Map<string, Buffer>()
    for (const pair of (target.split('?')[1] ?? '').split('&')) {
      const [key = '', value = ''] = pair.split('=')
      parameters.set(key, percentDecode(value))
    }
    const text = (key: string) => parameters.get(key)?.toString('latin1')
    const announce: Announce = {
      at: performance.now(),
      transport: 'http',
      infoHash: parameters.get('info_hash') ?? Buffer.alloc(0),
      peerId: parameters.get('peer_id') ?? Buffer.alloc(0),
      port: Number(text('port')),
      uploaded: Number(text('uploaded')),
      downloaded: Number(text('downloaded')),
      left: Number(text('left')),
      event: (text('event') ?? '') as Announce['event'],
      numwant: text('numwant') === undefined ? undefined : Number(text('numwant')),
      compact: text('compact'),
      parameters,
      head,
      from: { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
    }
    if (target.startsWith('/scrape'))
      return respond(socket, 200, this.#scrapeBody(parameters.get('info_hash')))
    if (!target.startsWith('/announce')) return respond(socket, 404, Buffer.from('no such page'))
    const reply = await this.#decide(announce)
    if (reply.silence) return new Promise<void>(() => {})
    const body = reply.body ?? httpBody(reply, reply.compact ?? announce.compact !== '0', announce.from.host)
    respond(socket, reply.status ?? 200, body)
  }

  async #decide(announce: Announce): Promise<Reply> {
    const scripted = this.#failures.shift() ?? this.script?.(announce) ?? this.reply
    const swarm = announce.infoHash.toString('hex')
    const key = `${swarm} ${announce.from.host}:${announce.port}`
    const others = [...this.#known.entries()]
      .filter(
        ([other, peer]) => other.startsWith(swarm) && other !== key && !(peer.seed && announce.left === 0),
      )
      .map(([, peer]) => peer)
    if (announce.event === 'stopped') this.#known.delete(key)
    else {
      const me = { host: announce.from.host, port: announce.port, peerId: announce.peerId }
      this.#known.set(key, { ...me, seed: announce.left === 0 })
    }
    this.announces.push(announce)
    if (scripted.delayMs) await new Promise((resolve) => setTimeout(resolve, scripted.delayMs))
    return { ...scripted, peers: scripted.peers ?? others }
  }

  #scrapeBody(infoHash: Buffer | undefined): Buffer {
    const seeds = [...this.#known.values()].filter((peer) => peer.seed).length
    const row = { complete: seeds, downloaded: seeds, incomplete: this.#known.size - seeds }
    return bencode({ files: new Map([[(infoHash ?? Buffer.alloc(20)).toString('latin1'), row]]) })
  }

  async #datagram(packet: Buffer, from: RemoteInfo): Promise<void> {
    if (packet.length < 16) return
    const action = packet.readUInt32BE(8)
    const transaction = packet.subarray(12, 16)
    const send = (code: number, ...parts: Uint8Array[]) =>
      this.#udp?.send(Buffer.concat([uint32(code), transaction, ...parts]), from.port, from.address)
    if (action === 0 && packet.toString('hex', 0, 8) === '0000041727101980') {
      const id = randomBytes(8)
      this.#connectionIds.add(id.toString('hex'))
      send(0, id)
      return
    }
    if (!this.#connectionIds.has(packet.toString('hex', 0, 8)))
      return void send(3, Buffer.from('unknown connection'))
    if (action === 2) {
      const body = [...this.#known.values()]
      const seeds = body.filter((peer) => peer.seed).length
      return void send(2, uint32(seeds), uint32(seeds), uint32(body.length - seeds))
    }
    if (action !== 1 || packet.length < 98) return void send(3, Buffer.from('bad request'))
    const reply = await this.#decide(udpAnnounce(packet, from))
    if (reply.silence) return
    if (reply.failure !== undefined || (reply.status ?? 200) !== 200)
      return void send(3, Buffer.from(reply.failure ?? `status ${reply.status}`))
    const peers = reply.peers ?? []
    send(1, uint32(reply.intervalSeconds ?? 60), uint32(0), uint32(peers.length), ...peers.map(compact))
  }
}

function udpAnnounce(packet: Buffer, from: RemoteInfo): Announce {
  const numwant = packet.readInt32BE(92)
  return {
    at: performance.now(),
    transport: 'udp',
    infoHash: packet.subarray(16, 36),
    peerId: packet.subarray(36, 56),
    downloaded: Number(packet.readBigUInt64BE(56)),
    left: Number(packet.readBigUInt64BE(64)),
    uploaded: Number(packet.readBigUInt64BE(72)),
    event: EVENTS[packet.readUInt32BE(80)] ?? '',
    numwant: numwant < 0 ? undefined : numwant,
    port: packet.readUInt16BE(96),
    compact: undefined,
    parameters: new Map(),
    head: '',
    from: { host: from.address, port: from.port },
  }
}

function httpBody(reply: Reply, isCompact: boolean, clientAddress: string): Buffer {
  if (reply.failure !== undefined) return bencode({ 'failure reason': reply.failure })
  const peers = reply.peers ?? []
  const rows = peers.map((peer): Bencodable => {
    const row = { ip: peer.host, port: peer.port }
    return peer.peerId ? { ...row, 'peer id': peer.peerId } : row
  })
  return bencode({
    interval: reply.intervalSeconds ?? 60,
    'min interval': reply.minIntervalSeconds,
    'warning message': reply.warning,
    'external ip': Buffer.from(clientAddress.split('.').map(Number)),
    peers: isCompact ? Buffer.concat(peers.map(compact)) : rows,
    shoal: reply.api === undefined ? undefined : { api: reply.api, version: 1 },
  })
}

function respond(socket: Socket, status: number, body: Buffer): void {
  const reason = status === 200 ? 'OK' : 'Trouble'
  const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), body]))
}

/** Six bytes, BEP 23. */
export function compact(peer: Endpoint): Buffer {
  return Buffer.from([...peer.host.split('.').map(Number), peer.port >> 8, peer.port & 255])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

function percentDecode(text: string): Buffer {
  const latin1 = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(latin1, 'latin1')
}
