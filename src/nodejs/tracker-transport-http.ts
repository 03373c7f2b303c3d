/**
 * Announces over HTTP and HTTPS (BEP 3). Connections are kept and used again; replies are read up to a bound.
 * A tracker may redirect a few times, but never towards an address more private than its own, checked on the
 * very address that is connected to, so that a changed name-server answer does not get round it (S39).
 * Certificates are always verified, whatever the environment says (S41).
 * Invariant: every request lives in `#open` until `done` was called or it was cancelled; `close` empties it.
 */
import type http from 'node:http'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { TrackerTransport } from '../ports/tracker-transport.ts'
import type { EncryptionMode } from '../swarm/stream-encryption.ts'
import { type AddressScope, addressScope, reachesAsFar } from '../wire/address-scope.ts'
import { formatAddress, parseAddress } from '../wire/endpoint.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'
import { announceUrl } from '../wire/tracker-http.ts'
import { decodeAnnounceReply } from '../wire/tracker-http-reply.ts'
import { BlockedAddress, lookupWithin } from './lookup-within.ts'
import { connectFrom, httpRequest, nodeHttp, nodeHttps } from './node-http.ts'
import type { Family } from './tracker-families.ts'
import { timedOut, unreachable } from './tracker-fault.ts'

export interface HttpTrackerTransportOptions {
  /** Source address; undefined or a wildcard leaves it to the system. */
  readonly localAddress?: string | undefined
  /** For one announce with all its redirects. */
  readonly timeoutMs?: number
  readonly userAgent?: string
  /** Of connections to peers, which trackers are told of; off by default. */
  readonly encryption?: EncryptionMode
  /** How far an address reaches, for the rule about redirects. */
  readonly scopeOf?: (address: Uint8Array) => AddressScope
}

const TIMEOUT_MS = 15_000
/** A kept connection that idles longer is closed. */
const IDLE_MS = 30_000
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** One for each protocol, made for the first request of its kind. */
type Agents = Partial<Record<Protocol, http.Agent>>
type Protocol = 'http:' | 'https:'
type HttpAnnounceOptions = HttpTrackerTransportOptions & { readonly family: Family | undefined }
type Done = (result: Result<AnnounceReply, TrackerFault>) => void

export class HttpTrackerTransport implements TrackerTransport {
  readonly #options: HttpTrackerTransportOptions
  readonly #agents: Agents = {}
  /** Bounded by the announcers: one request per tracker and torrent. */
  readonly #open = new Set<HttpAnnounce>()

  constructor(options: HttpTrackerTransportOptions = {}) {
    this.#options = options
  }

  /** @param family to announce over; undefined for whichever works */
  announce(url: string, request: AnnounceRequest, done: Done, family?: Family): () => void {
    const announce = new HttpAnnounce(this.#agents, { ...this.#options, family }, (result) => {
      this.#open.delete(announce)
      done(result)
    })
    this.#open.add(announce)
    announce.get(new URL(announceUrl(url, request, this.#options.encryption)))
    return () => {
      this.#open.delete(announce)
      announce.cancel()
    }
  }

  close(): void {
    for (const announce of this.#open) announce.cancel()
    this.#open.clear()
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }
}

/**
 * One announce: a request, perhaps again on a fresh connection, perhaps redirected, until its time is over.
 */
class HttpAnnounce {
  readonly #agents: Agents
  readonly #localAddress: string | undefined
  readonly #userAgent: string
  readonly #family: Family | undefined
  readonly #scopeOf: (address: Uint8Array) => AddressScope
  readonly #done: Done
  readonly #timer: NodeJS.Timeout
  #request: http.ClientRequest | undefined
  #where = ''
  #redirectCount = 0
  #isOver = false

  constructor(agents: Agents, options: HttpAnnounceOptions, done: Done) {
    this.#agents = agents
    this.#localAddress = options.localAddress
    this.#family = options.family
    this.#userAgent = options.userAgent ?? 'Shoal'
    this.#scopeOf = options.scopeOf ?? addressScope
    this.#done = done
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#timer = setTimeout(() => this.#fail(timedOut(this.#where, timeoutMs)), timeoutMs)
  }

  cancel(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#request?.destroy()
  }

  /** @param scopeMin how far the address must reach, once a redirect has sent us here */
  get(url: URL, scopeMin: AddressScope = 'machine', isFresh = false): void {
    this.#where = url.host
    const isRedirected = this.#redirectCount > 0
    const literal = parseAddress(url.hostname.replace(/^\[|\]$/g, ''))
    if (literal !== undefined && !this.#isAllowed(literal, scopeMin)) return this.#fail(blocked(url))
    const protocol = url.protocol as Protocol
    const client = protocol === 'https:' ? nodeHttps() : nodeHttp()
    this.#agents[protocol] ??= new client.Agent({ keepAlive: true, timeout: IDLE_MS })
    const request = httpRequest(url, {
      agent: isRedirected || isFresh ? false : this.#agents[protocol],
      headers: { 'User-Agent': this.#userAgent, 'Accept-Encoding': 'identity' },
      lookup: lookupWithin((address) => this.#isAllowed(address, scopeMin)),
      rejectUnauthorized: true,
      ...(this.#family !== undefined && { family: this.#family }),
      ...connectFrom(this.#localAddress),
    })
    this.#request = request
    request.once('response', (response) => this.#read(url, response))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#isOver || this.#request !== request) return
      // The tracker had closed a connection that we kept: that says nothing about the tracker.
      if (request.reusedSocket && error.code === 'ECONNRESET') this.get(url, scopeMin, true)
      else this.#fail(error instanceof BlockedAddress ? blocked(url) : unreachable(this.#where, error))
    })
    request.end()
  }

  #read(url: URL, response: http.IncomingMessage): void {
    const chunks: Buffer[] = []
    let length = 0
    const address = parseAddress(response.socket.remoteAddress ?? '')
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > LIMITS.trackerReplyBytesMax.value)
        this.#fail(badReply(`the reply of ${this.#where} is too long`))
    })
    response.on('error', (error) => this.#fail(unreachable(this.#where, error)))
    response.once('end', () => {
      if (this.#isOver) return
      const status = response.statusCode ?? 0
      const target = REDIRECTS.has(status) ? response.headers.location : undefined
      if (target !== undefined) this.#redirect(url, target, address)
      else this.#take(status, Buffer.concat(chunks), address)
    })
  }

  #redirect(from: URL, target: string, address: Uint8Array | undefined): void {
    const to = URL.canParse(target, from.href) ? new URL(target, from) : undefined
    const isHttp = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')
    if (to === undefined || !isHttp || address === undefined)
      return this.#fail(badReply(`${this.#where} redirects to an address that cannot be followed`))
    if (++this.#redirectCount > LIMITS.trackerRedirectsMax.value)
      return this.#fail(badReply(`${this.#where} redirects too often`))
    this.get(to, this.#scopeOf(address))
  }

  #take(status: number, body: Uint8Array, address: Uint8Array | undefined): void {
    const from = address && formatAddress(address)
    const reply = decodeAnnounceReply(body)
    if (status >= 200 && status < 300)
      return this.#end(reply.ok ? ok({ ...reply.value, ...(from && { from }) }) : reply)
    // Some trackers send their failure reason with an error status.
    if (!reply.ok && reply.error.code === 'tracker/failure') return this.#end(reply)
    const hint = 'Check the path of the address, usually /announce; the tracker may also be in trouble.'
    this.#end(fail('tracker/failure', `the tracker ${this.#where} answered with HTTP status ${status}`, hint))
  }

  #fail(error: TrackerFault): void {
    if (this.#isOver) return
    this.#end({ ok: false, error })
    this.#request?.destroy()
  }

  #isAllowed(address: Uint8Array, scopeMin: AddressScope): boolean {
    return reachesAsFar(this.#scopeOf(address), scopeMin)
  }

  #end(result: Result<AnnounceReply, TrackerFault>): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#done(result)
  }
}

function blocked(url: URL): TrackerFault {
  return badReply(`the tracker redirects to ${url.host}, an address closer to this machine than its own`)
}

function badReply(message: string): TrackerFault {
  return {
    code: 'tracker/bad-reply',
    message,
    hint: 'Check that the address is that of a BitTorrent tracker.',
  }
}
