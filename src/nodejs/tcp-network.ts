/**
 * The network port over TCP, IPv4 and IPv6. All sockets read into one shared buffer: a read is
 * handled before the next one starts, so received bytes are never copied by the runtime and a
 * thousand peers cost no buffers.
 * Invariants: every socket ever opened is destroyed by `stop`; a closed socket still reads (and drops) for a
 * moment, so that the other side gets our last bytes and a FIN instead of a reset.
 */
import net from 'node:net'
import { LIMITS } from '../base/limits.ts'
import type { Network, NetworkSink } from '../ports/network.ts'
import type { DisconnectReason } from '../swarm/events.ts'
import type { Frame } from '../swarm/frame-pool.ts'
import { type Endpoint, formatAddress, parseAddress } from '../wire/endpoint.ts'
import { listenServer } from './listen.ts'

const READ_BUFFER_LENGTH = 256 * 1024
/** A peer that lets so much pile up, answers and refusals together, reads nothing while it goes on asking. */
const UNREAD_BYTES_MAX = LIMITS.uploadBufferBytesMax.value + 1024 * 1024
/** More closed connections than this are not waited for: a flood of dials must not use up all descriptors. */
const LINGERING_MAX = 64
/** How long a closed connection may take to hand over its last bytes. */
const LINGER_MS = 1000

const REASONS: Readonly<Record<string, DisconnectReason>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'connection-reset',
  EPIPE: 'connection-reset',
  ETIMEDOUT: 'connect-timeout',
}

export interface TcpNetworkOptions {
  /** Address to listen on and to connect from; undefined = all interfaces. */
  readonly host: string | undefined
  /** Ports to try in turn; 0 = any free one. */
  readonly ports: readonly number[]
}

export class TcpNetwork implements Network {
  readonly endpoint: Endpoint
  readonly #server: net.Server
  readonly #localAddress: string | undefined
  readonly #readBuffer = new Uint8Array(READ_BUFFER_LENGTH)
  /** Bounded by the client's `connectionsMax`; those beyond it are closed at once. */
  readonly #sockets = new Map<number, net.Socket>()
  readonly #lingering = new Set<net.Socket>()
  #sink: NetworkSink | undefined
  #lastIncoming = 0

  private constructor(server: net.Server, endpoint: Endpoint, localAddress: string | undefined) {
    this.#server = server
    this.endpoint = endpoint
    this.#localAddress = localAddress
    server.on('connection', (accepted) => this.#accept(accepted))
  }

  /** Throws ShoalError `listen/…`. */
  static async listen(options: TcpNetworkOptions): Promise<TcpNetwork> {
    // Paused, because the accepted socket is exchanged for one that reads into our buffer.
    const server = net.createServer({ noDelay: true, pauseOnConnect: true })
    const endpoint = await listenServer(server, options.host, options.ports)
    const isWildcard = options.host === undefined || options.host === '0.0.0.0' || options.host === '::'
    return new TcpNetwork(server, endpoint, isWildcard ? undefined : options.host)
  }

  open(sink: NetworkSink): void {
    this.#sink = sink
  }

  connect(connection: number, endpoint: Endpoint): void {
    const isSameFamily =
      this.#localAddress !== undefined && net.isIP(this.#localAddress) === net.isIP(endpoint.host)
    const socket = net.connect({
      host: endpoint.host,
      port: endpoint.port,
      noDelay: true,
      onread: this.#onread(connection),
      ...(isSameFamily ? { localAddress: this.#localAddress! } : {}),
    })
    socket.once('connect', () => this.#sink?.connected(connection))
    this.#adopt(connection, socket)
  }

  send(connection: number, bytes: Uint8Array, frame?: Frame): void {
    const socket = this.#sockets.get(connection)
    if (socket === undefined) return
    if (socket.writableLength > UNREAD_BYTES_MAX) {
      this.close(connection)
      setImmediate(() => this.#sink?.closed(connection, 'stopped-reading'))
      return
    }
    if (frame === undefined) socket.write(bytes)
    else
      socket.write(bytes, (error) => {
        if (!error) this.#sink?.sent(connection, frame)
      })
  }

  close(connection: number): void {
    const socket = this.#sockets.get(connection)
    if (socket === undefined) return
    this.#sockets.delete(connection)
    if (socket.connecting || socket.destroyed || this.#lingering.size >= LINGERING_MAX) {
      socket.destroy()
      return
    }
    this.#lingering.add(socket)
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#lingering.delete(socket)
    })
    socket.end()
  }

  /** Stops listening and, after the last bytes are out or a second has passed, leaves nothing open. */
  async stop(): Promise<void> {
    this.#server.close()
    for (const connection of [...this.#sockets.keys()]) this.close(connection)
    await Promise.all(
      [...this.#lingering].map(
        (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
      ),
    )
  }

  #accept(accepted: net.Socket): void {
    const host = parseAddress(accepted.remoteAddress ?? '')
    if (this.#sink === undefined || host === undefined) {
      accepted.destroy()
      return
    }
    const connection = -++this.#lastIncoming
    this.#adopt(connection, this.#withReadBuffer(connection, accepted))
    this.#sink.incoming(connection, { host: formatAddress(host), port: accepted.remotePort ?? 0 })
  }

  /**
   * Node offers reading into a given buffer for outgoing sockets only, so the accepted handle moves into a
   * new socket: half the receiver's CPU per byte. Without a handle to move, the socket is used as it is.
   */
  #withReadBuffer(connection: number, accepted: net.Socket): net.Socket {
    const holder = accepted as unknown as { _handle: object | null }
    if (holder._handle === null) return accepted
    const options = { handle: holder._handle, onread: this.#onread(connection) }
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
    holder._handle = null
    socket.setNoDelay(true)
    socket.resume()
    return socket
  }

  #onread(connection: number): net.OnReadOpts {
    return {
      buffer: this.#readBuffer,
      callback: (length) => {
        if (this.#sockets.has(connection))
          this.#sink?.received(connection, this.#readBuffer.subarray(0, length))
        return true
      },
    }
  }

  #adopt(connection: number, socket: net.Socket): void {
    this.#sockets.set(connection, socket)
    socket.on('end', () => this.#lost(connection, socket, 'remote-closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#lost(connection, socket, REASONS[error.code ?? ''] ?? 'unreachable')
    })
    socket.on('close', () => this.#lost(connection, socket, 'remote-closed'))
  }

  #lost(connection: number, socket: net.Socket, reason: DisconnectReason): void {
    if (this.#sockets.get(connection) !== socket) return
    this.close(connection)
    this.#sink?.closed(connection, reason)
  }
}
