/**
 * Announces over UDP (BEP 15, URL data BEP 41). Each tracker address gets one connected socket, so that the
 * kernel drops packets from anybody else and reports a closed port; its connection id is used again for 60
 * s. A packet that stays unanswered is sent again after 15 s, then after 30 s more; `stopped`, which has
 * little time, after one second.
 * Invariants: every open exchange has a timer and belongs to one conversation; an idle conversation keeps no
 * process alive and ends when its connection id does; `close` ends all of them at once.
 */
import { randomInt } from 'node:crypto'
import dgram from 'node:dgram'
import dns from 'node:dns'
import { isIP } from 'node:net'
import { LIMITS } from '../base/limits.ts'
import type { Result } from '../base/result.ts'
import type { TrackerTransport } from '../ports/tracker-transport.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'
import { decodeUdpReply, encodeUdpAnnounce, encodeUdpConnect, type UdpReply } from '../wire/tracker-udp.ts'
import type { Family } from './tracker-families.ts'
import { timedOut, unreachable } from './tracker-fault.ts'

export interface UdpTrackerTransportOptions {
  /** Source address; undefined or a wildcard leaves it to the system. */
  readonly localAddress?: string | undefined
  /** Wait before a packet is sent again; doubles each time. BEP 15: 15 s. */
  readonly udpTimeoutMs?: number
  /** How often one announce sends its packet in all. */
  readonly udpAttemptsMax?: number
}

const TIMEOUT_MS = 15_000
/** BEP 15 goes on for an hour; giving up lets the announcer turn to the next tracker and come back later. */
const ATTEMPTS_MAX = 2
const STOPPED_TIMEOUT_MS = 1000
/** BEP 15: a client may use a connection id for one minute after it got it. */
const CONNECTION_ID_MS = 60_000

type Done = (result: Result<AnnounceReply, TrackerFault>) => void

interface Exchange {
  readonly request: AnnounceRequest
  readonly urlData: string
  readonly done: Done
  readonly timeoutMs: number
  attemptCount: number
  waitedMs: number
  transactionId: number
  isConnecting: boolean
  /** A refused connection id that was not fresh is replaced once. */
  mayReconnect: boolean
  timer: NodeJS.Timeout | undefined
}

export class UdpTrackerTransport implements TrackerTransport {
  readonly #options: UdpTrackerTransportOptions
  readonly #localAddress: string | undefined
  /** By numeric endpoint. Bounded by udpTrackersMax. */
  readonly #conversations = new Map<string, Conversation>()
  #isClosed = false

  constructor(options: UdpTrackerTransportOptions = {}) {
    this.#options = options
    const isWildcard = options.localAddress === '0.0.0.0' || options.localAddress === '::'
    this.#localAddress = isWildcard ? undefined : options.localAddress
  }

  /** @param only the family to announce over; undefined for whichever works */
  announce(url: string, request: AnnounceRequest, done: Done, only?: Family): () => void {
    const { hostname, port, host, pathname, search } = new URL(url)
    const name = hostname.replace(/^\[|\]$/g, '')
    let cancel: (() => void) | undefined
    let isCancelled = false
    const family = this.#localAddress === undefined ? (only ?? 0) : isIP(this.#localAddress)
    dns.lookup(name, { all: true, family }, (error, addresses) => {
      if (isCancelled || this.#isClosed) return
      const [first, ...others] = addresses ?? []
      if (error || first === undefined || port === '')
        return done({ ok: false, error: unreachable(host, error ?? new Error('no port')) })
      const attempt = (address: string, rest: readonly dns.LookupAddress[]): void => {
        const conversation = this.#conversation(address, Number(port))
        if (conversation === undefined)
          return done({ ok: false, error: unreachable(host, new Error('too many UDP trackers at once')) })
        cancel = conversation.announce(request, pathname + search, (result) => {
          const [next, ...further] = rest
          const isElsewhere = !result.ok && result.error.code === 'tracker/unreachable' && next !== undefined
          if (isElsewhere) attempt(next.address, further)
          else done(result)
        })
      }
      attempt(first.address, others)
    })
    return () => {
      isCancelled = true
      cancel?.()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const conversation of this.#conversations.values()) conversation.close()
    this.#conversations.clear()
  }

  /** The one with this address; undefined when there are too many and all are busy. */
  #conversation(address: string, port: number): Conversation | undefined {
    const where = formatEndpoint({ host: address, port })
    const existing = this.#conversations.get(where)
    if (existing !== undefined) return existing
    if (this.#conversations.size >= LIMITS.udpTrackersMax.value) {
      const idle = [...this.#conversations.values()].find((conversation) => conversation.isIdle)
      if (idle === undefined) return undefined
      idle.close()
    }
    const conversation: Conversation = new Conversation(
      address,
      port,
      this.#localAddress,
      this.#options,
      () => {
        if (this.#conversations.get(where) === conversation) this.#conversations.delete(where)
      },
    )
    this.#conversations.set(where, conversation)
    return conversation
  }
}

/** What is open with one tracker address. */
class Conversation {
  readonly #where: string
  readonly #address: string
  readonly #family: 'v4' | 'v6'
  readonly #options: UdpTrackerTransportOptions
  readonly #onClose: () => void
  readonly #socket: dgram.Socket
  /** Bounded by the announcers: one request per tracker and torrent. */
  readonly #open = new Set<Exchange>()
  #isBound = false
  #isClosed = false
  #connectionId: Uint8Array | undefined
  #connectionIdTimer: NodeJS.Timeout | undefined

  constructor(
    address: string,
    port: number,
    localAddress: string | undefined,
    options: UdpTrackerTransportOptions,
    onClose: () => void,
  ) {
    this.#where = formatEndpoint({ host: address, port })
    this.#address = address
    this.#family = isIP(address) === 6 ? 'v6' : 'v4'
    this.#options = options
    this.#onClose = onClose
    this.#socket = dgram.createSocket(this.#family === 'v6' ? 'udp6' : 'udp4')
    this.#socket.on('error', (error) => this.#break(error))
    this.#socket.on('message', (packet) => this.#take(packet))
    this.#socket.bind({ port: 0, ...(localAddress !== undefined && { address: localAddress }) }, () => {
      if (this.#isClosed) return
      this.#socket.connect(port, address, (error?: Error) => {
        if (this.#isClosed) return
        if (error) return this.#break(error)
        this.#isBound = true
        for (const exchange of this.#open) this.#send(exchange)
      })
    })
  }

  get isIdle(): boolean {
    return this.#open.size === 0
  }

  announce(request: AnnounceRequest, urlData: string, done: Done): () => void {
    const base = this.#options.udpTimeoutMs ?? TIMEOUT_MS
    const exchange: Exchange = {
      request,
      // An address without a path has nothing to say (BEP 41).
      urlData: urlData === '/' ? '' : urlData,
      done,
      timeoutMs: request.event === 'stopped' ? Math.min(base, STOPPED_TIMEOUT_MS) : base,
      attemptCount: 0,
      waitedMs: 0,
      transactionId: 0,
      isConnecting: false,
      mayReconnect: true,
      timer: undefined,
    }
    this.#open.add(exchange)
    this.#socket.ref()
    if (this.#isBound) this.#send(exchange)
    return () => this.#forget(exchange)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const exchange of this.#open) clearTimeout(exchange.timer)
    this.#open.clear()
    clearTimeout(this.#connectionIdTimer)
    this.#socket.close()
    this.#onClose()
  }

  /** Sends the packet this exchange needs now and waits for the answer; one connect packet serves all. */
  #send(exchange: Exchange): void {
    const isOtherConnecting = [...this.#open].some((other) => other !== exchange && other.isConnecting)
    exchange.transactionId = randomInt(0x1_0000_0000)
    exchange.isConnecting = this.#connectionId === undefined
    if (this.#connectionId !== undefined) {
      const { transactionId, request, urlData } = exchange
      this.#socket.send(encodeUdpAnnounce(this.#connectionId, transactionId, request, urlData), ignoreError)
    } else if (!isOtherConnecting || exchange.attemptCount > 0)
      this.#socket.send(encodeUdpConnect(exchange.transactionId), ignoreError)
    const waitMs = exchange.timeoutMs * 2 ** exchange.attemptCount
    clearTimeout(exchange.timer)
    exchange.timer = setTimeout(() => this.#retry(exchange, waitMs), waitMs)
  }

  #retry(exchange: Exchange, waitedMs: number): void {
    exchange.waitedMs += waitedMs
    // Trackers may meet an id they do not know with silence: ask for a new one, too.
    if (!exchange.isConnecting && exchange.mayReconnect) {
      exchange.mayReconnect = false
      this.#connectionId = undefined
    }
    if (++exchange.attemptCount < (this.#options.udpAttemptsMax ?? ATTEMPTS_MAX)) this.#send(exchange)
    else this.#end(exchange, { ok: false, error: timedOut(this.#where, exchange.waitedMs) })
  }

  #take(packet: Uint8Array): void {
    const decoded = decodeUdpReply(packet, this.#family)
    if (!decoded.ok) return
    const reply = decoded.value
    const exchange = [...this.#open].find((open) => open.transactionId === reply.transactionId)
    if (exchange === undefined) return
    if (reply.kind === 'connect' && exchange.isConnecting) this.#connected(reply.connectionId)
    else if (reply.kind === 'announce' && !exchange.isConnecting)
      this.#end(exchange, { ok: true, value: { ...reply.reply, from: this.#address } })
    else if (reply.kind === 'error') this.#refused(exchange, reply)
  }

  #connected(connectionId: Uint8Array): void {
    this.#connectionId = connectionId
    clearTimeout(this.#connectionIdTimer)
    this.#connectionIdTimer = setTimeout(() => this.#expire(), CONNECTION_ID_MS).unref()
    for (const exchange of this.#open) {
      if (!exchange.isConnecting) continue
      // Got with this announce, so a refusal is not about its age.
      exchange.mayReconnect = false
      this.#send(exchange)
    }
  }

  /** A tracker that was restarted knows none of its old ids: ask for a new one before believing the error. */
  #refused(exchange: Exchange, reply: Extract<UdpReply, { kind: 'error' }>): void {
    if (exchange.isConnecting || !exchange.mayReconnect)
      return this.#end(exchange, { ok: false, error: reply.fault })
    exchange.mayReconnect = false
    this.#connectionId = undefined
    this.#send(exchange)
  }

  #expire(): void {
    this.#connectionId = undefined
    if (this.isIdle) this.close()
  }

  /** The socket failed, or the host says that nobody listens there. */
  #break(error: NodeJS.ErrnoException): void {
    const exchanges = [...this.#open]
    this.close()
    for (const exchange of exchanges) exchange.done({ ok: false, error: unreachable(this.#where, error) })
  }

  #end(exchange: Exchange, result: Result<AnnounceReply, TrackerFault>): void {
    this.#forget(exchange)
    exchange.done(result)
  }

  #forget(exchange: Exchange): void {
    clearTimeout(exchange.timer)
    if (!this.#open.delete(exchange) || !this.isIdle || this.#isClosed) return
    if (this.#connectionId === undefined) this.close()
    else this.#socket.unref()
  }
}

/** What a failed send means arrives as the socket's `error` event, or as silence. */
function ignoreError(): void {}
