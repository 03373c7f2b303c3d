/**
 * The tracker over HTTP: `/announce` and `/scrape` for clients, `/healthz` for those who watch it; and
 * over UDP, on the same swarms (`tracker/udp-tracker.ts`). A plain server on the raw path, because
 * infohashes are bytes that no URL parser must touch. Every other request goes to whoever called
 * `serveOthers`: the HTTP API (`src/api/tracker-api.ts`). Whatever a client sends to the first two, the
 * answer is a bencoded dictionary with status 200, since clients show a `failure reason` and nothing else.
 * A peer's address is that of its connection: the `ip` parameter and X-Forwarded-For are
 * believed of proxies that were named, and of nobody else (S23, S24).
 * Invariants: every request over HTTP gets one answer; `close` leaves no socket and no timer behind.
 */
import { randomBytes } from 'node:crypto'
import type http from 'node:http'
import type { Socket } from 'node:net'
import { LIMITS } from '../base/limits.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import type { AnnounceQuestion, TakeAnswer } from '../tracker/announce-desk.ts'
import { TRACKER_DEFAULTS } from '../tracker/announce-policy.ts'
import { AskerAddress } from '../tracker/asker-address.ts'
import { ConnectionIds } from '../tracker/connection-ids.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { requestBudget } from '../tracker/source-rules.ts'
import type { TrackerAnswer, TrackerStats } from '../tracker/tracker.ts'
import { UdpTracker } from '../tracker/udp-tracker.ts'
import { type Endpoint, parseAddress } from '../wire/endpoint.ts'
import type { ScrapeCounts } from '../wire/tracker-announce.ts'
import { decodeAnnounceQuery, decodeScrapeQuery } from '../wire/tracker-http.ts'
import {
  encodeCompactReply,
  encodeDictionaryReply,
  encodeFailure,
  encodeScrapeReply,
} from '../wire/tracker-http-reply.ts'
import { type ServedRequest, servedDatagram, watchRequest } from './access-log.ts'
import { listenServer } from './listen.ts'
import { LocalTracker, type LocalTrackerOptions } from './local-tracker.ts'
import { nodeClock } from './node-clock.ts'
import { nodeHttp } from './node-http.ts'
import type { PeerBook } from './peer-book.ts'
import { ShoalError } from './shoal-error.ts'
import type { AnnounceGate } from './tracker-access.ts'
import type { TrackerBackend } from './tracker-backend.ts'
import { TrackerUdpSocket } from './tracker-udp-socket.ts'

export interface TrackerServerOptions extends Partial<LocalTrackerOptions> {
  /** Address to listen on; undefined = all interfaces, IPv4 and IPv6. */
  readonly host?: string | undefined
  /** 0 = any free one. */
  readonly port: number
  /** `same` = the number HTTP has; `off`, the default, = not over UDP; 0 = any free one. */
  readonly udpPort?: number | 'same' | 'off'
  /** Numeric addresses of proxies whose word about the client's address is taken. */
  readonly trustedProxies?: readonly string[]
  /**
   * Announces and scrapes of one source answered in a second, `off` for all. Absent:
   * trackerRequestsPerSourceMax, and all of this machine's own.
   */
  readonly sourceLimit?: number | 'off' | undefined
  /** Told of every request once it is answered. */
  readonly onRequest?: ((request: ServedRequest) => void) | undefined
  /**
   * Where questions are answered, and who closes it is the caller. Absent: in this process, by the options.
   */
  readonly desk?: TrackerBackend
}

export type RequestHandler = (request: http.IncomingMessage, response: http.ServerResponse) => void

interface Manners {
  readonly trustedProxies: readonly string[]
  readonly sourceLimit: number | 'off' | undefined
  readonly onRequest: ((request: ServedRequest) => void) | undefined
}

interface Sockets {
  readonly server: http.Server
  readonly endpoint: Endpoint
  readonly udp: TrackerUdpSocket | undefined
}

/** `/PASSKEY/announce`, so that every client can be a member. */
const PASSKEY_PATH = /^\/([\w-]{16,128})\/(announce|scrape)$/
/** Nobody in particular. */
const NO_ADDRESS = new Uint8Array(4)

/** A port that is free for TCP may be taken for UDP; another is then tried. */
const SAME_PORT_ATTEMPTS = 20
/** What a source that asks too often is told over HTTP. */
const LIMIT_RETRY_MINUTES = 1

/** Where the peers of an answer become text, so that no object is made for it. */
const SCRATCH = Buffer.allocUnsafe(4096)

/** A request must have arrived in full by then: a .torrent of 32 MiB at 2 Mbit/s. */
const REQUEST_MS = 120_000
/** Its head must have arrived by then; so long a client may stall that sends nothing but announces. */
const HEAD_MS = 10_000
/** Clients that announce in short intervals keep their connection; others close theirs anyway. */
const KEEP_ALIVE_MS = 75_000
const CHECK_MS = 5000

export class TrackerServer {
  readonly endpoint: Endpoint
  /** Undefined when it does not listen there. */
  readonly udpEndpoint: Endpoint | undefined
  readonly #server: http.Server
  readonly #udp: TrackerUdpSocket | undefined
  readonly #desk: TrackerBackend
  /** To be closed with the server. */
  readonly #own: TrackerBackend | undefined
  readonly #askers: AskerAddress
  readonly #budgets: SourceBudgets
  readonly #startedAt = performance.now()
  /** Who answers what is neither announce nor scrape. */
  #others: RequestHandler | undefined
  /** Everybody may by default. */
  #gate: AnnounceGate | undefined
  #closing: Promise<void> | undefined

  private constructor(
    { server, endpoint, udp }: Sockets,
    { own, desk }: { own: TrackerBackend | undefined; desk: TrackerBackend },
    { trustedProxies, sourceLimit, onRequest }: Manners,
  ) {
    const hash = new SipHash(randomBytes(SIPHASH_KEY_LENGTH))
    this.endpoint = endpoint
    this.udpEndpoint = udp?.endpoint
    this.#server = server
    this.#udp = udp
    this.#own = own
    this.#desk = desk
    this.#askers = new AskerAddress(trustedProxies)
    this.#budgets = new SourceBudgets(hash, requestBudget(sourceLimit))
    if (onRequest) server.on('request', (request, response) => watchRequest(request, response, onRequest))
    server.on('request', (request, response) => this.#take(request, response))
    server.on('clientError', (_error, socket) => refuseSocket(socket as Socket))
    const overUdp = new UdpTracker({
      connectionIds: new ConnectionIds(hash),
      budgets: this.#budgets,
      askers: this.#askers,
      desk: { ask: (question, answer) => this.#askForUdp(question, answer) },
    })
    udp?.start((packet, address, port, send) => {
      onRequest?.(servedDatagram(packet, address))
      overUdp.take(nodeClock.now(), packet, address, port, send)
    })
  }

  /** Throws ShoalError `listen/…`. */
  static async listen(options: TrackerServerOptions): Promise<TrackerServer> {
    const { host, port, udpPort = 'off', ...others } = options
    const { trustedProxies = [], sourceLimit, onRequest, desk, ...rest } = others
    const sockets = await listenOnBoth(host, port, udpPort)
    const own = desk === undefined ? new LocalTracker({ ...TRACKER_DEFAULTS, ...rest, host }) : undefined
    return new TrackerServer(sockets, { own, desk: own ?? desk! }, { trustedProxies, sourceLimit, onRequest })
  }

  stats(): TrackerStats & { readonly uptimeSeconds: number } {
    return {
      ...this.#desk.stats(),
      uptimeSeconds: Math.floor((performance.now() - this.#startedAt) / 1000),
    }
  }

  /** From now on this one answers every request but announces, scrapes and `/healthz`. */
  serveOthers(handler: RequestHandler): void {
    this.#others = handler
  }

  /** How many seeds and others there are; rejects with `store/away`. @param infoHash 20 bytes */
  counts(infoHash: Uint8Array): ScrapeCounts | Promise<ScrapeCounts> {
    return this.#desk.counts(infoHash)
  }

  /** From now on this one decides who may announce and scrape. */
  guardAnnounces(gate: AnnounceGate): void {
    this.#gate = gate
  }

  /** No passkey fits into a packet, so what is for members is not to be had over UDP. */
  #askForUdp(question: AnnounceQuestion, answer: TakeAnswer): void {
    const reason =
      question.kind === 'announce'
        ? this.#gate?.refusal(undefined, question.request.infoHash, question.address)
        : this.#refusal(undefined, question.infoHashes, NO_ADDRESS)
    if (reason === undefined) this.#desk.ask(question, answer)
    else answer({ kind: 'refused', id: 0, reason })
  }

  #refusal(
    passkey: string | undefined,
    infoHashes: readonly Uint8Array[],
    address: Uint8Array,
  ): string | undefined {
    if (this.#gate === undefined) return undefined
    for (const infoHash of infoHashes) {
      const refusal = this.#gate.refusal(passkey, infoHash, address)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  get peers(): PeerBook {
    return this.#desk.peers
  }

  /** Peers can ask and tell more than announces hold: docs/tracker-extension.md. */
  get #offersApi(): boolean {
    return this.#others !== undefined
  }

  /**
   * Whose request this is: 4 or 16 bytes; undefined when the connection has gone.
   * @param claimed an address the request names, believed of trusted proxies
   */
  askerOf(request: http.IncomingMessage, claimed?: string): Uint8Array | undefined {
    const source = addressOf(request.socket)
    return source === undefined ? undefined : this.#askerOf(request, source, claimed)
  }

  /** Whether a proxy that was named sent it, whose word about how it was asked is taken. */
  isOfProxy(request: http.IncomingMessage): boolean {
    const source = addressOf(request.socket)
    return source !== undefined && this.#askers.isProxy(source)
  }

  /** False when that address has asked too often; counted with its announces. */
  admits(address: Uint8Array): boolean {
    return this.#budgets.take(nodeClock.now(), address)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([this.#udp?.close(), closeServer(this.#server)])
    this.#own?.close()
  }

  #take(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = request.url ?? ''
    const mark = url.indexOf('?')
    const query = mark < 0 ? '' : url.slice(mark + 1)
    switch (mark < 0 ? url : url.slice(0, mark)) {
      case '/announce':
        return this.#announce(request, response, query)
      case '/scrape':
        return this.#scrape(request, response, query)
      case '/healthz':
        return sendText(response, 'ok\n', 200, 'text/plain; charset=utf-8')
      default: {
        const withKey = PASSKEY_PATH.exec(mark < 0 ? url : url.slice(0, mark))
        if (withKey?.[2] === 'announce') return this.#announce(request, response, query, withKey[1])
        if (withKey?.[2] === 'scrape') return this.#scrape(request, response, query, withKey[1])
        if (this.#others) {
          stay(request.socket)
          return this.#others(request, response)
        }
        return refuse(response, 'no such page; announce to /announce', 404)
      }
    }
  }

  #announce(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    query: string,
    passkey?: string,
  ): void {
    const source = addressOf(request.socket)
    // The connection has gone: nobody waits for the answer, and there is nobody to list.
    if (source === undefined) return request.socket.destroySoon()
    if (request.method !== 'GET') return refuse(response, 'announce with GET')
    const decoded = decodeAnnounceQuery(query)
    const address = this.#askerOf(request, source, decoded.ok ? decoded.value.ip : undefined)
    if (!this.#budgets.take(nodeClock.now(), address)) return refuseTooMany(response)
    if (!decoded.ok) return refuse(response, decoded.error.message)
    const refusal = this.#gate?.refusal(passkey, decoded.value.infoHash, address)
    if (refusal !== undefined) return refuse(response, refusal)
    const from = address === source ? undefined : source
    const isCompact = decoded.value.compact !== false
    this.#desk.ask({ kind: 'announce', address, from, request: decoded.value }, (output) => {
      if (output.kind !== 'announced') return sendRefusal(response, output)
      const { answer } = output
      if (isCompact) sendText(response, encodeCompactReply(answer, address, this.#offersApi, latin1))
      else sendBencoded(response, encodeDictionaryReply(answer, address, this.#offersApi))
    })
  }

  #scrape(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    query: string,
    passkey?: string,
  ): void {
    const source = addressOf(request.socket)
    if (source === undefined) return request.socket.destroySoon()
    if (request.method !== 'GET') return refuse(response, 'scrape with GET')
    const address = this.#askerOf(request, source)
    if (!this.#budgets.take(nodeClock.now(), address)) return refuseTooMany(response)
    const decoded = decodeScrapeQuery(query)
    if (!decoded.ok) return refuse(response, decoded.error.message)
    const infoHashes = decoded.value
    const refusal = this.#refusal(passkey, infoHashes, address)
    if (refusal !== undefined) return refuse(response, refusal)
    this.#desk.ask({ kind: 'scrape', infoHashes }, (output) => {
      if (output.kind !== 'scraped') return sendRefusal(response, output)
      const counts = output.counts.map((each, i) => [infoHashes[i]!, each] as const)
      sendBencoded(response, encodeScrapeReply(counts))
    })
  }

  #askerOf(request: http.IncomingMessage, source: Uint8Array, claimed?: string): Uint8Array {
    if (!this.#askers.trustsProxies) return source
    return this.#askers.of(source, claimed, forwardedFor(request))
  }
}

async function listenOnBoth(
  host: string | undefined,
  port: number,
  udpPort: number | 'same' | 'off',
): Promise<Sockets> {
  for (let attempt = 1; ; attempt++) {
    const server = createServer()
    const endpoint = await listenServer(server, host, [port])
    if (udpPort === 'off') return { server, endpoint, udp: undefined }
    try {
      const udp = await TrackerUdpSocket.listen(host, udpPort === 'same' ? endpoint.port : udpPort)
      return { server, endpoint, udp }
    } catch (error) {
      await closeServer(server)
      const isTaken = error instanceof ShoalError && error.code === 'listen/port-in-use'
      const mayTryAnother = isTaken && port === 0 && udpPort === 'same' && attempt < SAME_PORT_ATTEMPTS
      if (!mayTryAnother) throw error
    }
  }
}

function createServer(): http.Server {
  const server = nodeHttp().createServer({
    // Their streams are over before they begin, so that nothing waits for the end of an announce.
    optimizeEmptyRequests: true,
    // Most connections are for one announce: the others are told when they turn out to stay (`stay`).
    noDelay: false,
    maxHeaderSize: LIMITS.trackerHeadBytesMax.value,
    headersTimeout: HEAD_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
  })
  server.maxConnections = LIMITS.trackerConnectionsMax.value
  return server
}

function closeServer(server: http.Server): Promise<void> {
  return new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** Several headers of that name are one list, in their order. */
function forwardedFor(request: http.IncomingMessage): string | undefined {
  const header = request.headers['x-forwarded-for']
  return typeof header === 'object' ? header.join(',') : header
}

/** 4 or 16 bytes; undefined when the connection is already gone. */
function addressOf(socket: Socket): Uint8Array | undefined {
  return parseAddress(withoutZone(socket.remoteAddress ?? ''))
}

/** Link-local addresses come with the interface: `fe80::1%eth0`. */
function withoutZone(address: string): string {
  const at = address.indexOf('%')
  return at < 0 ? address : address.slice(0, at)
}

function refuse(response: http.ServerResponse, reason: string, status = 200): void {
  sendBencoded(response, encodeFailure(reason), status)
}

function sendRefusal(response: http.ServerResponse, output: TrackerAnswer): void {
  if (output.kind === 'refused') sendBencoded(response, encodeFailure(output.reason, output.retryInMinutes))
}

function refuseTooMany(response: http.ServerResponse): void {
  sendBencoded(response, encodeFailure('too many requests from your address', LIMIT_RETRY_MINUTES))
}

function sendBencoded(response: http.ServerResponse, body: Uint8Array, status = 200): void {
  sendText(response, latin1(body), status)
}

/**
 * Node.js writes head and body in one piece when both are text, which takes a tenth of the time off.
 * @param body one character per byte
 */
function sendText(response: http.ServerResponse, body: string, status = 200, type = 'text/plain'): void {
  response.writeHead(status, ['Content-Type', type, 'Content-Length', String(body.length)])
  response.end(body, 'latin1')
  if (response.shouldKeepAlive && response.socket) stay(response.socket)
}

/** More than one small answer will go out on this connection, or one in parts; two calls of the system. */
function stay(socket: Socket): void {
  socket.setNoDelay(true)
  socket.setKeepAlive(true)
}

/** One character per byte. */
function latin1(bytes: Uint8Array): string {
  if (bytes.length > SCRATCH.length)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  SCRATCH.set(bytes)
  return SCRATCH.toString('latin1', 0, bytes.length)
}

/** For what is not HTTP, or too long, or too late. */
function refuseSocket(socket: Socket): void {
  const body = encodeFailure('the request is not usable')
  const head = `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`
  if (socket.writable) socket.end(Buffer.concat([Buffer.from(head), body]))
  else socket.destroy()
}
