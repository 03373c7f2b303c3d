/**
 * Peer exchange (BEP 11) of one torrent: tells each peer whom else we are connected to, and takes in whom it
 * is connected to, so that a swarm whose tracker names few peers, or is gone, still finds together.
 * Told are connected peers whose listening port is known, never one more private than the listener: what is
 * in our network is of no use and no business to the Internet.
 * Invariants: a peer hears from us at most once a minute, of at most `pexSentMax` peers that came and as many
 * that went; of what it says at most `pexBurstMax` messages in a row and two a minute are read.
 */
import { LIMITS } from '../base/limits.ts'
import type { Fault } from '../base/result.ts'
import { after, type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { type AddressScope, reachesAsFar, scopeOfHost } from '../wire/address-scope.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import {
  decodePeerExchange,
  type ExchangedPeer,
  encodePeerExchange,
  PEX_EXTENSION,
  PEX_FLAG,
} from '../wire/peer-exchange.ts'
import type { Introductions } from './introductions.ts'
import type { PeerSession } from './peer-session.ts'
import type { TorrentCore } from './torrent-core.ts'

/** BEP 11: no more than one message a minute. */
const INTERVAL_SECONDS = 60
/** Before the first message, so that it has more to say than who came in the same moment. */
const FIRST_SECONDS = 2
/** Under which we want it from others. */
const OWN_ID = 1
const READS_PER_SECOND = 2 / 60

interface Exchange {
  readonly scope: AddressScope
  /** Whom the peer believes us connected to, by address. Bounded by `knownPeersMax`. */
  readonly told: Map<string, Endpoint>
  sendAt: Instant
  /** Messages that may be read at `readsAt`; grows with time. */
  reads: number
  readsAt: Instant
}

export class PeerExchange {
  readonly #core: Pick<TorrentCore, 'options' | 'pieces' | 'sessions'>
  readonly #introductions: Introductions
  /** By connection id: those that asked for it. Bounded by the torrent's `connectionsMax`. */
  readonly #exchanges = new Map<number, Exchange>()

  constructor(core: Pick<TorrentCore, 'options' | 'pieces' | 'sessions'>, introductions: Introductions) {
    this.#core = core
    this.#introductions = introductions
  }

  /** Not switched off, and not of a private torrent (BEP 27). */
  get isAllowed(): boolean {
    const { exchangesPeers, metainfo } = this.#core.options
    return exchangesPeers && !metainfo.private
  }

  /** Its part of our extension handshake. */
  offer(): Map<string, number> {
    return new Map(this.isAllowed ? [[PEX_EXTENSION, OWN_ID]] : [])
  }

  /** The peer said what it understands, perhaps not for the first time. */
  offered(now: Instant, session: PeerSession): void {
    if (idOf(session) === 0 || !this.isAllowed) this.#exchanges.delete(session.id)
    else if (!this.#exchanges.has(session.id))
      this.#exchanges.set(session.id, {
        scope: scopeOfHost(session.endpoint.host),
        told: new Map(),
        sendAt: after(now, seconds(FIRST_SECONDS)),
        reads: LIMITS.pexBurstMax.value,
        readsAt: now,
      })
  }

  left(session: PeerSession): void {
    this.#exchanges.delete(session.id)
  }

  /** An extension message came. If it is ours, and there are not too many of them, it is read. */
  received(now: Instant, session: PeerSession, id: number, payload: Uint8Array): Fault | undefined {
    const exchange = this.#exchanges.get(session.id)
    if (id !== OWN_ID || exchange === undefined || !this.isAllowed) return undefined
    const earned = ((now - exchange.readsAt) / MICROSECONDS_PER_SECOND) * READS_PER_SECOND
    exchange.reads = Math.min(LIMITS.pexBurstMax.value, exchange.reads + earned)
    exchange.readsAt = now
    if (exchange.reads < 1) return undefined
    exchange.reads--
    const message = decodePeerExchange(payload)
    if (!message.ok) return message.error
    const { added } = message.value
    this.#introductions.take(added, 'pex', exchange.scope)
    this.#introductions.dialEncrypted(added.filter(prefersEncryption))
    if (this.#onlyUploads) this.#introductions.spare(added.filter(isSeed))
    return undefined
  }

  get #onlyUploads(): boolean {
    return this.#core.options.role === 'seed-only' || this.#core.pieces.isComplete
  }

  /** Tells those whose turn it is. */
  tick(now: Instant): void {
    if (this.#exchanges.size === 0 || !this.isAllowed) return
    for (const [id, exchange] of this.#exchanges) {
      const session = this.#core.sessions.get(id)
      if (session !== undefined && now >= exchange.sendAt) this.#tell(now, session, exchange)
    }
  }

  #tell(now: Instant, session: PeerSession, exchange: Exchange): void {
    const { told } = exchange
    const added: ExchangedPeer[] = []
    const dropped: Endpoint[] = []
    const present = new Set<string>()
    for (const other of this.#core.sessions.values()) {
      const { listensAt } = other
      if (other === session || listensAt === undefined) continue
      const address = formatEndpoint(listensAt)
      present.add(address)
      const isNews = !told.has(address) && reachesAsFar(scopeOfHost(listensAt.host), exchange.scope)
      if (!isNews || added.length >= LIMITS.pexSentMax.value || told.size >= LIMITS.knownPeersMax.value)
        continue
      told.set(address, listensAt)
      added.push({ ...listensAt, flags: flagsOf(other) })
    }
    for (const [address, endpoint] of told) {
      if (dropped.length >= LIMITS.pexSentMax.value) break
      if (present.has(address)) continue
      told.delete(address)
      dropped.push(endpoint)
    }
    if (added.length === 0 && dropped.length === 0) return
    exchange.sendAt = after(now, seconds(INTERVAL_SECONDS))
    session.writer.extended(idOf(session), encodePeerExchange({ added, dropped }))
  }
}

/** The id under which the peer wants the message; 0 if it does not. */
function idOf(session: PeerSession): number {
  return session.extensions?.messages.get(PEX_EXTENSION) ?? 0
}

function flagsOf(session: PeerSession): number {
  const uploadOnly = session.isUploadOnly ? PEX_FLAG.isUploadOnly : 0
  return uploadOnly | (session.isOutgoing ? PEX_FLAG.isReachable : 0)
}

function prefersEncryption({ flags }: ExchangedPeer): boolean {
  return (flags & PEX_FLAG.prefersEncryption) !== 0
}

function isSeed({ flags }: ExchangedPeer): boolean {
  return (flags & PEX_FLAG.isUploadOnly) !== 0
}
