/**
 * The datagram socket of the tracker: packets in with the sender's address as bytes, replies out.
 * Invariants: no datagram ends the process; a reply the system cannot take now is dropped, for the
 * client asks again; `close` leaves no socket behind.
 */
import dgram from 'node:dgram'
import { isIPv6 } from 'node:net'
import { LIMITS } from '../base/limits.ts'
import type { SendReply } from '../tracker/udp-tracker.ts'
import { type Endpoint, parseAddress } from '../wire/endpoint.ts'
import { listenError } from './listen.ts'
import { ShoalError } from './shoal-error.ts'

/**
 * @param address 4 or 16 bytes, not to be changed
 * @param send takes the reply, now or later, or is not called
 */
export type PacketHandler = (packet: Uint8Array, address: Uint8Array, port: number, send: SendReply) => void

/** Room for bursts while the process is busy; the system may grant less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
/** So often the queue is looked at; so many replies may go beyond its limit. */
const REPLIES_PER_LOOK = 32
/** Addresses kept as bytes, so that those who come back are not parsed again. */
const KNOWN_ADDRESSES_MAX = 4096

export class TrackerUdpSocket {
  readonly endpoint: Endpoint
  readonly #socket: dgram.Socket
  readonly #known = new Map<string, Uint8Array>()
  #isClosed = false
  #replyCount = 0
  /** The system does not take what there is. */
  #isFull = false

  private constructor(socket: dgram.Socket) {
    const { address, port } = socket.address()
    this.endpoint = { host: address, port }
    this.#socket = socket
  }

  /** @param host undefined = all interfaces, IPv4 and IPv6. Throws ShoalError `listen/…`. */
  static async listen(host: string | undefined, port: number): Promise<TrackerUdpSocket> {
    let bound = await bind(host ?? '::', port)
    if (!(bound instanceof dgram.Socket) && bound.code === 'EAFNOSUPPORT' && host === undefined)
      bound = await bind('0.0.0.0', port)
    if (bound instanceof dgram.Socket) return new TrackerUdpSocket(bound)
    const { code, message } = listenError(bound, host, port)
    const hint = 'choose another UDP port with --udp-port, or none with --udp-port off'
    throw new ShoalError(code, `UDP ${message}`, hint, { cause: bound })
  }

  /** Takes packets from now on; earlier ones are dropped. */
  start(handler: PacketHandler): void {
    this.#socket.on('message', (packet, { address, port }) => {
      // A packet from port 0 cannot be answered.
      if (port === 0) return
      const bytes = this.#addressOf(address)
      if (bytes !== undefined) handler(packet, bytes, port, (reply) => this.#send(reply, port, address))
    })
  }

  close(): Promise<void> {
    this.#isClosed = true
    return new Promise((resolve) => this.#socket.close(resolve))
  }

  #send(reply: Uint8Array, port: number, address: string): void {
    if (this.#isClosed) return
    if (this.#replyCount++ % REPLIES_PER_LOOK === 0)
      this.#isFull = this.#socket.getSendQueueSize() > LIMITS.trackerSendQueueBytesMax.value
    if (this.#isFull) return
    // Without a callback: what the system says about a reply concerns its receiver only.
    this.#socket.send(reply, port, address)
  }

  #addressOf(text: string): Uint8Array | undefined {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    // Link-local addresses come with the interface: `fe80::1%eth0`.
    const address = parseAddress(text.replace(/%.*$/, ''))
    if (address === undefined) return undefined
    if (this.#known.size >= KNOWN_ADDRESSES_MAX) this.#known.clear()
    this.#known.set(text, address)
    return address
  }
}

function bind(host: string, port: number): Promise<dgram.Socket | NodeJS.ErrnoException> {
  const type = isIPv6(host) ? 'udp6' : 'udp4'
  const family = type === 'udp6' ? 6 : 4
  const socket = dgram.createSocket({
    type,
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Every address here is numeric: without this, each reply would go through the resolver.
    lookup: (address, _options, callback) => callback(null, address, family),
  })
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      socket.close()
      resolve(error)
    }
    socket.once('error', onError)
    socket.bind({ address: host, port }, () => {
      socket.off('error', onError)
      socket.on('error', ignoreError)
      resolve(socket)
    })
  })
}

/** What the system says later about a reply that did not arrive. */
function ignoreError(): void {}
