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

export type PeerSource = 'tracker' | 'manual' | 'incoming' | 'pex' | 'lan' | 'ring'

const FIRST_BACKOFF_SECONDS = 5
const BACKOFF_SECONDS_MAX = 600
/** Until the one early dial with the other infohash. */
const OTHER_HASH_SECONDS = 1
const LONG_AGO = 0 as Instant
const NEVER = Number.POSITIVE_INFINITY as Instant
/** Failed pieces shared with others before a peer is banned. */
const STRIKES_MAX = 5

export interface KnownPeer {
  readonly endpoint: Endpoint
  readonly source: PeerSource
  failureCount: number
  /** Not to be dialled before. */
  retryAt: Instant
  isConnected: boolean
  /** Not to be dialled: it is ourselves, or it is a seed while we are one. */
  pointless: 'self' | 'seed' | undefined
  /** Dials name the rebuilt infohash instead of the torrent's own. */
  namesRebuilt: boolean
  /** It has answered a dial, so the infohash named then is the one it knows. */
  hasAnswered: boolean
  /** It has had its early dial with the other infohash. */
  hasTriedOther: boolean
}

export class PeerList {
  readonly #prng: Prng
  readonly #known = new Map<string, KnownPeer>()
  /** Hosts, because a liar may come back on another port. Bounded by `knownPeersMax`. */
  readonly #bannedHosts = new Set<string>()
  readonly #bannedEndpoints = new Set<string>()
  /** Failed pieces that were not all its own work, by address. Bounded by `knownPeersMax`. */
  readonly #strikes = new Map<string, number>()
  /** No address may be dialled before; each tick asks, so it must not cost a search of the list. */
  #noneBefore: Instant = LONG_AGO

  constructor(prng: Prng) {
    this.#prng = prng
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
    this.#known.set(key, {
      endpoint,
      source,
      failureCount: 0,
      retryAt: LONG_AGO,
      isConnected: false,
      pointless: undefined,
      namesRebuilt,
      hasAnswered: false,
      hasTriedOther: false,
    })
    this.#noneBefore = LONG_AGO
    return true
  }

  get(endpoint: Endpoint): KnownPeer | undefined {
    return this.#known.get(formatEndpoint(endpoint))
  }

  /** An address to dial now: fewest failures first, ties by chance. */
  candidate(now: Instant): KnownPeer | undefined {
    if (now < this.#noneBefore) return undefined
    let best: KnownPeer | undefined
    let ties = 0
    this.#noneBefore = NEVER
    for (const peer of this.#known.values()) {
      if (peer.isConnected || peer.pointless !== undefined) continue
      if (peer.retryAt < this.#noneBefore) this.#noneBefore = peer.retryAt
      if (peer.retryAt > now) continue
      if (best === undefined || peer.failureCount < best.failureCount) {
        best = peer
        ties = 1
      } else if (peer.failureCount === best.failureCount && this.#prng.below(++ties) === 0) best = peer
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
    peer.isConnected = false
    peer.failureCount = wasUseful ? 0 : peer.failureCount + 1
    const wait = Math.min(
      BACKOFF_SECONDS_MAX,
      FIRST_BACKOFF_SECONDS * 2 ** Math.max(0, peer.failureCount - 1),
    )
    this.#retry(peer, after(now, seconds(wait * (0.75 + this.#prng.fraction() / 2))))
  }

  /** The handshake of a dial was answered: later dials name the same infohash. */
  answered(endpoint: Endpoint): void {
    const peer = this.get(endpoint)
    if (peer !== undefined) peer.hasAnswered = true
  }

  /**
   * After `release` of a dial that was hung up on: the next one names the other infohash, and comes early the
   * first time. The two take turns until one is answered.
   */
  tryOtherHash(now: Instant, endpoint: Endpoint): void {
    const peer = this.get(endpoint)
    if (peer === undefined || peer.hasAnswered) return
    peer.namesRebuilt = !peer.namesRebuilt
    if (!peer.hasTriedOther) this.#retry(peer, after(now, seconds(OTHER_HASH_SECONDS)))
    peer.hasTriedOther = true
  }

  /**
   * The peer had a part in a piece that failed its hash; alone, or with others and nobody can say
   * which. True when that is enough to ban it.
   */
  strike(endpoint: Endpoint, isSole: boolean): boolean {
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
    this.#known.delete(formatEndpoint(endpoint))
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
    return worst !== undefined && this.#known.delete(formatEndpoint(worst.endpoint))
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1'
}
