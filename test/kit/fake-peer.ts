/**
 * FP, the fake peer: one BitTorrent peer on raw TCP straight from BEP 3, 6, 9 and 10. It listens for
 * connections or dials them, serves the pieces it is given as well or as badly as the test says,
 * downloads pieces itself, and records every message it received with its time. What a test asserts
 * is what stands in that record.
 */
import { randomBytes } from 'node:crypto'
import { createServer, connect as dialTcp, type Server, type Socket } from 'node:net'
import { onCleanUp } from './clean-up.ts'
import { FakeConnection } from './fake-connection.ts'
import type { TorrentFixture } from './torrent-fixture.ts'
import { Recording, sleep, within } from './waiting.ts'

export interface FakePeerOptions {
  host?: string
  port?: number
  peerId?: Buffer
  /** The pieces it says it has and serves. Default: all. */
  has?: Iterable<number>
  /** `bitfield` (default), `fast` (have all or have none where it fits, BEP 6), or `nothing` said at all. */
  announces?: 'bitfield' | 'fast' | 'nothing'
  /** Unchoke whoever is interested. Default true; false leaves it to the test. */
  unchokes?: boolean
  /** Answer requests. Default true; false records and stays silent. */
  answers?: boolean
  /** Upload limit of the whole peer, all connections together. */
  bytesPerSecond?: number
  /** These pieces are sent with every byte wrong. */
  corrupts?: Iterable<number>
  /** Every write to the socket is cut into parts of this many bytes. */
  fragmentBytes?: number
  /** Seen before the ordinary handling of a request; true = the test has dealt with it. */
  onRequest?: (connection: FakeConnection, request: BlockRequest) => boolean
  /** What BEP 9 part `part` is; the default is the truth. */
  metadataPart?: (part: number, truth: Buffer) => Buffer
  /** Send no handshake back. */
  silent?: boolean
  /** Offer peer exchange (BEP 11), and tell these to whoever wants to hear of them. */
  knows?: readonly { host: string; port: number }[]
  /** Say in the handshake that it can go on as v2 (BEP 52). */
  supportsV2?: boolean
  /** Offer the BEP 10 extension protocol. Default true. */
  extended?: boolean
}
export interface BlockRequest {
  index: number
  begin: number
  length: number
}

export class FakePeer {
  readonly torrent: TorrentFixture
  readonly options: FakePeerOptions
  readonly host: string
  readonly peerId: Buffer
  readonly has: Set<number>
  readonly corrupts: Set<number>
  readonly connections = new Recording<FakeConnection>()
  readonly servedPieces = new Map<number, number>()
  port = 0
  servedBytes = 0
  bytesPerSecond: number | undefined
  #server: Server | undefined
  #nextFreeMs = 0
  readonly #queue: { connection: FakeConnection; request: BlockRequest }[] = []
  readonly #sockets = new Set<Socket>()

  private constructor(torrent: TorrentFixture, options: FakePeerOptions) {
    this.torrent = torrent
    this.options = options
    this.host = options.host ?? '127.0.0.1'
    this.peerId = options.peerId ?? Buffer.concat([Buffer.from('-FP0001-'), randomBytes(12)])
    const all = Array.from({ length: torrent.pieceCount }, (_, index) => index)
    this.has = new Set(options.has ?? all)
    this.corrupts = new Set(options.corrupts ?? [])
    this.bytesPerSecond = options.bytesPerSecond
  }

  /** A peer that waits for connections on a free port. */
  static async listen(torrent: TorrentFixture, options: FakePeerOptions = {}): Promise<FakePeer> {
    const peer = new FakePeer(torrent, options)
    onCleanUp(() => peer.stop())
    const server = createServer({ allowHalfOpen: true }, (socket) => peer.#adopt(socket, false))
    peer.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, peer.host, 511, resolve)
    })
    peer.port = (server.address() as { port: number }).port
    return peer
  }

  /** A peer that only dials. Its default is to have nothing: a leecher. */
  static leecher(torrent: TorrentFixture, options: FakePeerOptions = {}): FakePeer {
    const peer = new FakePeer(torrent, { has: [], ...options })
    onCleanUp(() => peer.stop())
    return peer
  }

  /** Dials from this peer's address and returns as soon as the TCP connection stands; handshake sent. */
  async dial(endpoint: { host: string; port: number }, infoHash?: Buffer): Promise<FakeConnection> {
    const socket = dialTcp({ ...endpoint, localAddress: this.host, allowHalfOpen: true })
    this.#sockets.add(socket)
    await within(
      `connection to ${endpoint.host}:${endpoint.port}`,
      new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve)
        socket.once('error', reject)
      }),
    )
    return this.#adopt(socket, true, infoHash)
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** Every connection that got as far as a handshake of the other side. */
  async connection(what = 'connection', index = 0, timeoutMs?: number): Promise<FakeConnection> {
    const connection = await this.connections.first(
      `${what} at ${this.address}`,
      (_, i) => i === index,
      timeoutMs,
    )
    await connection.handshake(timeoutMs)
    return connection
  }

  /** All requests of all connections, in the order they came. */
  get requests(): (BlockRequest & { at: number })[] {
    return this.connections.items.flatMap((connection) => connection.requests).sort((a, b) => a.at - b.at)
  }

  /**
   * Serves a request in its turn: at once without an upload limit, else one block after the other, all
   * connections together. What was cancelled before its turn costs nothing.
   */
  serve(connection: FakeConnection, request: BlockRequest): void {
    if (this.bytesPerSecond === undefined) return connection.sendBlock(request, this.block(request))
    this.#queue.push({ connection, request })
    if (this.#queue.length === 1) void this.#drain(this.bytesPerSecond)
  }

  async #drain(bytesPerSecond: number): Promise<void> {
    for (let first = this.#queue[0]; first; this.#queue.shift(), first = this.#queue[0]) {
      const { connection, request } = first
      if (!connection.wants(request)) continue
      this.#nextFreeMs =
        Math.max(performance.now(), this.#nextFreeMs) + (request.length / bytesPerSecond) * 1000
      await sleep(this.#nextFreeMs - performance.now())
      if (connection.wants(request)) connection.sendBlock(request, this.block(request))
    }
  }

  /**
   * The bytes it sends for a block: the truth, or of a corrupt piece every byte wrong. libtorrent asks for
   * the gap behind a file of a v2 torrent as if it were content; it gets the zeros that stand there.
   */
  block({ index, begin, length }: BlockRequest): Buffer {
    const truth = this.torrent.piece(index).subarray(begin, begin + length)
    const block = Buffer.alloc(this.torrent.format === 'v2' ? length : truth.length)
    truth.copy(block)
    return this.corrupts.has(index) ? (block.map((byte) => byte ^ 0x55) as Buffer) : block
  }

  /** It got a piece: serves it from now on and tells everyone. */
  gain(index: number): void {
    this.has.add(index)
    for (const connection of this.connections.items) if (connection.isOpen) connection.have(index)
  }

  /** Drops every connection, without goodbye, and stops listening. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (server?.listening) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  #adopt(socket: Socket, dialled: boolean, infoHash?: Buffer): FakeConnection {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    const connection = new FakeConnection(this, socket, dialled, infoHash ?? this.torrent.infoHash)
    this.connections.push(connection)
    return connection
  }
}
