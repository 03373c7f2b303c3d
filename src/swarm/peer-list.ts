/**
 * The addresses we know for one torrent, where each came from, and when each may be dialled next.
 * A failed dial or a broken session doubles the wait; a ban lasts as long as the torrent does.
 * Invariant: at most `knownPeersMax` entries; the worst untried ones make room; banned
 * addresses are never dialled.
 */
import { LIMITS } from '../base/limits.ts'
import type { Prng } from '../base/prng.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import type { DialBudget } from './dial-budget.ts'

export type PeerSource = 'tracker' | 'manual' | 'magnet' | 'incoming' | 'pex' | 'lan' | 'ring'

const FIRST_BACKOFF_SECONDS = 5
const BACKOFF_SECONDS_MAX = 600
/** Until an early dial that says hello in another way. */
const OTHER_WAY_SECONDS = 1
const LONG_AGO = 0 as Instant
const NEVER = Number.POSITIVE_INFINITY as Instant
/** Failed pieces shared with others before a peer is banned. */
const STRIKES_MAX = 5

export interface KnownPeer {
  readonly endpoint: Endpoint
  readonly source: PeerSource
  /** Among peers that failed as often, the highest is dialled first. */
  readonly priority: number
  failureCount: number
  /** Not to be dialled before. */
  retryAt: Instant
  isConnected: boolean
  /** Not to be dialled: it is ourselves, or it is a seed while we are one. */
  pointless: 'self' | 'seed' | undefined
  /** Dials name the rebuilt infohash instead of the torrent's own. */
  namesRebuilt: boolean
  /** Dials begin with encryption, where that is not decided by the setting. */
  isDialledEncrypted: boolean
  /** It has answered a dial, so the infohash named then is the one it knows. */
  hasAnswered: boolean
  /** Early dials it has had; one for each other way to say hello. */
  earlyDialCount: number
}

/** What a dial may do differently from the one before. */
export interface DialChoices {
  /** Name the torrent's other infohash. */
  readonly infoHash: boolean
  /** Begin with encryption, or without. */
  readonly encryption: boolean
}

export class PeerList {
  readonly #prng: Prng
  readonly #priorityOf: (endpoint: Endpoint) => number | undefined
  readonly #known = new Map<string, KnownPeer>()
  /** How many of them each host has. */
  readonly #counts = new Map<string, number>()
  /** Hosts, because a liar may come back on another port. Bounded by `knownPeersMax`. */
  readonly #bannedHosts = new Set<string>()
  readonly #bannedEndpoints = new Set<string>()
  /** Failed pieces that were not all its own work, by address. Bounded by `knownPeersMax`. */
  readonly #strikes = new Map<string, number>()
  /** Where peers that dialled us say they listen. Bounded by the connections of the torrent. */
  readonly #arrived = new Set<string>()
  /** No address may be dialled before; each tick asks, so it must not cost a search of the list. */
  #noneBefore: Instant = LONG_AGO

  /** @param priorityOf in which order peers are dialled, highest first; by chance where it is undefined */
  constructor(prng: Prng, priorityOf: (endpoint: Endpoint) => number | undefined = () => undefined) {
    this.#prng = prng
    this.#priorityOf = priorityOf
  }

  get size(): number {
    return this.#known.size
  }

  /**
   * False when it was known already, is banned, or there is no room.
   * @param namesRebuilt the first dial names the rebuilt infohash
   */
  add(endpoint: Endpoint, source: PeerSource, namesRebuilt = false): boolean {
    const key = formatEndpoint(endpoint)
    if (endpoint.port === 0 || this.isBanned(endpoint)) return false
    const known = this.#known.get(key)
    if (known !== undefined) return false
    if (this.#known.size >= LIMITS.knownPeersMax.value && !this.#makeRoom()) return false
    this.#counts.set(endpoint.host, this.countAt(endpoint.host) + 1)
    this.#known.set(key, {
      endpoint,
      source,
      priority: this.#priorityOf(endpoint) ?? this.#prng.uint32(),
      failureCount: 0,
      retryAt: LONG_AGO,
      isConnected: this.#arrived.has(key),
      pointless: undefined,
      namesRebuilt,
      hasAnswered: false,
      isDialledEncrypted: false,
      earlyDialCount: 0,
    })
    this.#noneBefore = LONG_AGO
    return true
  }

  /** Addresses we know of the host. */
  countAt(host: string): number {
    return this.#counts.get(host) ?? 0
  }

  get(endpoint: Endpoint): KnownPeer | undefined {
    return this.#known.get(formatEndpoint(endpoint))
  }

  /** An address to dial now: fewest failures first, then by priority. */
  candidate(now: Instant, budget?: DialBudget): KnownPeer | undefined {
    if (now < this.#noneBefore) return undefined
    let best: KnownPeer | undefined
    this.#noneBefore = NEVER
    for (const peer of this.#known.values()) {
      if (peer.isConnected || peer.pointless !== undefined) continue
      const isDue = peer.retryAt <= now
      const dialAt = isDue && budget !== undefined ? budget.notBefore(now, peer) : peer.retryAt
      if (dialAt < this.#noneBefore) this.#noneBefore = dialAt
      if (dialAt > now) continue
      if (best === undefined || isBefore(peer, best)) best = peer
    }
    return best
  }

  /** No candidate comes up before, unless an address is added or comes free; undefined for never. */
  nextCandidateAt(): Instant | undefined {
    return this.#noneBefore === NEVER ? undefined : this.#noneBefore
  }

  /** The dial failed, or the session ended; `wasUseful` sessions start the back-off anew. */
  release(now: Instant, endpoint: Endpoint, wasUseful: boolean): void {
    const peer = this.get(endpoint)
    if (peer === undefined) return
    // A dial that crossed with theirs, or was the second to the same peer, leaves the other connection.
    peer.isConnected = this.#arrived.has(formatEndpoint(endpoint))
    peer.failureCount = wasUseful ? 0 : peer.failureCount + 1
    const wait = Math.min(
      BACKOFF_SECONDS_MAX,
      FIRST_BACKOFF_SECONDS * 2 ** Math.max(0, peer.failureCount - 1),
    )
    this.#retry(peer, after(now, seconds(wait * (0.75 + this.#prng.fraction() / 2))))
  }

  /** A dial there reached ourselves. */
  reachedSelf(endpoint: Endpoint): void {
    const peer = this.get(endpoint)
    if (peer !== undefined) peer.pointless = 'self'
  }

  /** It answered, and we had no time for it: it may be dialled again as soon as we have. */
  postpone(now: Instant, endpoint: Endpoint): void {
    const peer = this.get(endpoint)
    if (peer === undefined) return
    peer.isConnected = false
    this.#retry(peer, now)
  }

  /** Who listens there has dialled us; until `departed` it is not dialled, even if we hear of it later. */
  arrived(endpoint: Endpoint): void {
    this.#arrived.add(formatEndpoint(endpoint))
    const peer = this.get(endpoint)
    if (peer !== undefined) peer.isConnected = true
  }

  /** Who dialled us and listens there is gone. */
  departed(now: Instant, endpoint: Endpoint, wasUseful: boolean): void {
    this.#arrived.delete(formatEndpoint(endpoint))
    this.release(now, endpoint, wasUseful)
  }

  /** How many addresses came first from each source. */
  countBySource(): Partial<Record<PeerSource, number>> {
    const counts: Partial<Record<PeerSource, number>> = {}
    for (const { source } of this.#known.values()) counts[source] = (counts[source] ?? 0) + 1
    return counts
  }

  /** The handshake of a dial was answered: later dials name the same infohash. */
  answered(endpoint: Endpoint): void {
    const peer = this.get(endpoint)
    if (peer !== undefined) peer.hasAnswered = true
    // Its host may be dialled more often now.
    this.#noneBefore = LONG_AGO
  }

  /**
   * After `release` of a dial that was hung up on: the next one says hello in another way, encrypted first,
   * then with the other infohash, and comes early until all ways were tried once. They take turns until one
   * is answered; encryption does so for ever, because a peer may be started anew with another setting.
   */
  dialOtherwise(now: Instant, endpoint: Endpoint, choices: DialChoices): void {
    const peer = this.get(endpoint)
    if (peer === undefined) return
    if (choices.encryption) peer.isDialledEncrypted = !peer.isDialledEncrypted
    if (peer.hasAnswered) return
    if (choices.infoHash && !peer.isDialledEncrypted) peer.namesRebuilt = !peer.namesRebuilt
    const wayCount = (choices.encryption ? 2 : 1) * (choices.infoHash ? 2 : 1)
    if (++peer.earlyDialCount >= wayCount) return
    // All ways together are one failure, or a peer that was only not ready yet would wait long for the next.
    peer.failureCount = Math.max(0, peer.failureCount - 1)
    this.#retry(peer, after(now, seconds(OTHER_WAY_SECONDS)))
  }

  /**
   * The peer had a part in a piece that failed its hash; alone, or with others and nobody can say
   * which. True when that is enough to ban it.
   */
  strike(endpoint: Endpoint, isSole: boolean): boolean {
    if (this.isBanned(endpoint)) return false
    const address = formatEndpoint(endpoint)
    const count = (this.#strikes.get(address) ?? 0) + 1
    if (!isSole && count < STRIKES_MAX) {
      if (this.#strikes.size < LIMITS.knownPeersMax.value) this.#strikes.set(address, count)
      return false
    }
    this.#strikes.delete(address)
    return true
  }

  /** It had a part in a piece that verified: who only shared a piece with a liar is cleared in time. */
  acquit(address: string): void {
    const count = this.#strikes.get(address)
    if (count === 1) this.#strikes.delete(address)
    else if (count !== undefined) this.#strikes.set(address, count - 1)
  }

  /** We lack something again: seeds are worth a dial, now. */
  reconsiderSeeds(now: Instant): void {
    for (const peer of this.#known.values()) {
      if (peer.pointless !== 'seed') continue
      peer.pointless = undefined
      this.#retry(peer, now)
    }
  }

  /** Loopback hosts are many peers on one machine, so there only the one endpoint is banned. */
  ban(endpoint: Endpoint): void {
    this.#forget(endpoint)
    if (this.#bannedEndpoints.size < LIMITS.knownPeersMax.value)
      this.#bannedEndpoints.add(formatEndpoint(endpoint))
    if (!isLoopback(endpoint.host) && this.#bannedHosts.size < LIMITS.knownPeersMax.value)
      this.#bannedHosts.add(endpoint.host)
  }

  isBanned(endpoint: Endpoint): boolean {
    return this.#bannedHosts.has(endpoint.host) || this.#bannedEndpoints.has(formatEndpoint(endpoint))
  }

  #retry(peer: KnownPeer, at: Instant): void {
    peer.retryAt = at
    if (at < this.#noneBefore) this.#noneBefore = at
  }

  #makeRoom(): boolean {
    let worst: KnownPeer | undefined
    for (const peer of this.#known.values())
      if (
        !peer.isConnected &&
        peer.failureCount > 0 &&
        (worst === undefined || peer.failureCount > worst.failureCount)
      )
        worst = peer
    return worst !== undefined && this.#forget(worst.endpoint)
  }

  #forget(endpoint: Endpoint): boolean {
    if (!this.#known.delete(formatEndpoint(endpoint))) return false
    const count = this.countAt(endpoint.host) - 1
    if (count > 0) this.#counts.set(endpoint.host, count)
    else this.#counts.delete(endpoint.host)
    return true
  }
}

function isBefore(one: KnownPeer, other: KnownPeer): boolean {
  if (one.failureCount !== other.failureCount) return one.failureCount < other.failureCount
  return one.priority > other.priority
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1'
}
