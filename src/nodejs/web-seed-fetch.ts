/**
 * Ranges of files over HTTP and HTTPS, for web seeds (BEP 19). Connections are kept and used again.
 * A server may redirect a few times, but never towards an address more private than its own; and a torrent
 * that did not come from the user names none of our own network. Both are checked on the very address that is
 * connected to, so that a changed name-server answer does not get round it; a query goes to public addresses
 * only, because it could be a command (S39). Certificates are always verified (S41).
 * Slow servers are the machine's affair: it cancels.
 * Invariant: every fetch is in `#open` until it ended or was cancelled; `close` empties it.
 */
import type http from 'node:http'
import { isIP } from 'node:net'
import { LIMITS } from '../base/limits.ts'
import type { RangeFetch, RangeSink, WebSeedTransport } from '../ports/web-seed-transport.ts'
import { type AddressScope, addressScope, reachesAsFar } from '../wire/address-scope.ts'
import { parseAddress } from '../wire/endpoint.ts'
import type { RangeRequest } from '../wire/range-request.ts'
import { readRangeReply, type WebSeedFault } from '../wire/web-seed-reply.ts'
import { BlockedAddress, lookupWithin } from './lookup-within.ts'
import { connectFrom, httpRequest, nodeHttp, nodeHttps } from './node-http.ts'
import { unreachable } from './tracker-fault.ts'

export interface WebSeedTransportOptions {
  /** Source address; undefined or a wildcard leaves it to the system. */
  readonly localAddress?: string | undefined
  readonly userAgent?: string
  /** How far an address reaches. */
  readonly scopeOf?: (address: Uint8Array) => AddressScope
}

/** A kept connection that idles longer is closed. */
const IDLE_MS = 15_000
const HEADER_BYTES_MAX = 16 * 1024
const REDIRECTS = new Set([301, 302, 303, 307, 308])

type Protocol = 'http:' | 'https:'
type Agents = Partial<Record<Protocol, http.Agent>>

export class NodeWebSeedTransport implements WebSeedTransport {
  readonly #options: WebSeedTransportOptions
  readonly #agents: Agents = {}
  /** Bounded by `webSeedConnectionsMax`. */
  readonly #open = new Set<HttpRangeFetch>()

  constructor(options: WebSeedTransportOptions = {}) {
    this.#options = options
  }

  get(request: RangeRequest, sink: RangeSink): RangeFetch {
    const fetch = new HttpRangeFetch(this.#agents, this.#options, request, sink, () =>
      this.#open.delete(fetch),
    )
    this.#open.add(fetch)
    fetch.start()
    return fetch
  }

  close(): void {
    for (const fetch of this.#open) fetch.cancel()
    this.#open.clear()
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }
}

class HttpRangeFetch implements RangeFetch {
  readonly #agents: Agents
  readonly #options: WebSeedTransportOptions
  readonly #wanted: RangeRequest
  readonly #sink: RangeSink
  readonly #forget: () => void
  #request: http.ClientRequest | undefined
  #response: http.IncomingMessage | undefined
  #redirectCount = 0
  #isPaused = false
  #isOver = false

  constructor(
    agents: Agents,
    options: WebSeedTransportOptions,
    wanted: RangeRequest,
    sink: RangeSink,
    forget: () => void,
  ) {
    this.#agents = agents
    this.#options = options
    this.#wanted = wanted
    this.#sink = sink
    this.#forget = forget
  }

  start(): void {
    const { url, scopeMin } = this.#wanted
    if (URL.canParse(url)) this.#get(new URL(url), scopeMin, false)
    else this.#fail({ code: 'web-seed/bad-url', message: 'its address is not one that can be used' })
  }

  pause(): void {
    this.#isPaused = true
    this.#response?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#response?.resume()
  }

  cancel(): void {
    this.#isOver = true
    this.#forget()
    this.#request?.destroy()
  }

  #get(url: URL, scopeMin: AddressScope, isFresh: boolean): void {
    const { offset, length } = this.#wanted
    const least = url.search === '' ? scopeMin : 'global'
    const isAllowed = (address: Uint8Array) =>
      reachesAsFar((this.#options.scopeOf ?? addressScope)(address), least)
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    // The lookup is not asked about addresses.
    if (isIP(host) !== 0 && !isAllowed(parseAddress(host) ?? new Uint8Array(4))) return this.#block(url)
    const isSecure = url.protocol === 'https:'
    const request = httpRequest(url, {
      agent: isFresh ? false : this.#agent(isSecure ? 'https:' : 'http:'),
      headers: {
        'User-Agent': this.#options.userAgent ?? 'Shoal',
        'Accept-Encoding': 'identity',
        Range: `bytes=${offset}-${offset + length - 1}`,
      },
      maxHeaderSize: HEADER_BYTES_MAX,
      lookup: lookupWithin(isAllowed),
      rejectUnauthorized: true,
      ...connectFrom(this.#options.localAddress),
    })
    this.#request = request
    request.once('response', (response) => this.#read(url, response))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#isOver || this.#request !== request) return
      // The server had closed a connection that we kept: that says nothing about the server.
      if (request.reusedSocket && error.code === 'ECONNRESET' && this.#response === undefined)
        this.#get(url, scopeMin, true)
      else if (error instanceof BlockedAddress) this.#block(url)
      else
        this.#fail({
          code: 'web-seed/unreachable',
          message: unreachable(url.host, error, 'its server').message,
        })
    })
    request.end()
  }

  #agent(protocol: Protocol): http.Agent {
    const { Agent } = protocol === 'https:' ? nodeHttps() : nodeHttp()
    return (this.#agents[protocol] ??= new Agent({ keepAlive: true, timeout: IDLE_MS }))
  }

  #read(url: URL, response: http.IncomingMessage): void {
    if (this.#isOver) return
    const { headers, statusCode: status = 0 } = response
    if (REDIRECTS.has(status) && headers.location !== undefined)
      return this.#redirect(url, headers.location, response)
    const { offset, length, fileLength } = this.#wanted
    const head = {
      status,
      contentRange: headers['content-range'],
      contentEncoding: headers['content-encoding'],
      contentLength: headers['content-length'],
      retryAfter: headers['retry-after'],
    }
    const body = readRangeReply(head, offset, length, fileLength)
    if (!body.ok) return this.#fail(body.error)
    this.#response = response
    this.#take(response, body.value.skip, body.value.length)
  }

  #take(response: http.IncomingMessage, skip: number, length: number): void {
    let toSkip = skip
    let left = length
    response.on('data', (chunk: Buffer) => {
      if (this.#isOver) return
      const skipped = Math.min(toSkip, chunk.length)
      toSkip -= skipped
      const bytes = chunk.subarray(skipped, skipped + left)
      left -= bytes.length
      if (bytes.length > 0) this.#sink.data(bytes)
      // What follows is not ours: the connection is of no more use, unless its reply just ended.
      if (left === 0 && chunk.length > skipped + bytes.length) this.#end(true)
      else if (left === 0) setImmediate(() => this.#end(!response.complete))
    })
    response.on('error', () => this.#end(true))
    response.once('end', () => this.#end(false))
    response.once('close', () => this.#end(true))
    if (this.#isPaused) response.pause()
  }

  #redirect(from: URL, target: string, response: http.IncomingMessage): void {
    const address = parseAddress(response.socket.remoteAddress ?? '')
    const to = URL.canParse(target, from.href) ? new URL(target, from) : undefined
    const isHttp = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')
    response.destroy()
    if (to === undefined || !isHttp || address === undefined)
      return this.#fail(badRedirect('it redirects to an address that cannot be followed'))
    if (++this.#redirectCount > LIMITS.webSeedRedirectsMax.value)
      return this.#fail(badRedirect('it redirects too often'))
    const scope = (this.#options.scopeOf ?? addressScope)(address)
    const { scopeMin } = this.#wanted
    this.#get(to, reachesAsFar(scope, scopeMin) ? scope : scopeMin, false)
  }

  #block(url: URL): void {
    const message =
      this.#redirectCount > 0
        ? `it redirects to ${url.host}, an address closer to this machine than its own`
        : `its address ${url.host} is in a private network`
    this.#fail({
      code: 'web-seed/blocked-address',
      message,
      hint: 'Only the .torrent file of somebody you trust may name servers of your own network, without a query.',
    })
  }

  /** What was to come has come, or will not. */
  #end(destroys: boolean): void {
    if (this.#isOver) return
    this.#over(destroys)
    this.#sink.ended(undefined)
  }

  #fail(fault: WebSeedFault): void {
    if (this.#isOver) return
    this.#over(true)
    // Never from within the call that began it.
    setImmediate(() => this.#sink.ended(fault))
  }

  #over(destroys: boolean): void {
    this.#isOver = true
    this.#forget()
    if (destroys) this.#request?.destroy()
  }
}

function badRedirect(message: string): WebSeedFault {
  return { code: 'web-seed/bad-redirect', message }
}
