/**
 * The tracker as a machine: announces and scrapes in, answers out by the id of the request. It
 * decides how many peers an answer has (D6: the whole list while it is short, else a random sample;
 * `numwant` as asked, up to its cap) and how long a silent peer stays. The transports in front of it
 * read requests and write answers.
 *
 * Invariant: every announce and scrape gets exactly one output, at once; a `stopped` peer
 * is gone with its announce.
 * BEP 3, 7, 15, 23, 48. The address of a peer is that of its packet, never what the request claims.
 */
import type { Env } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import type { Machine } from '../base/machine.ts'
import { type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import type { AnnounceAnswer, AnnounceRequest, ScrapeCounts } from '../wire/tracker-announce.ts'
import { type PeerSample, type Swarm, SwarmTable, sizeOf } from './swarm-table.ts'

export interface TrackerOptions {
  /** How often peers are asked to announce. */
  readonly intervalSeconds: number
  /** Up to this many other peers, an announce without `numwant` gets all of them. */
  readonly fullListPeers: number
  /** Above, it gets this many at random. */
  readonly samplePeers: number
}

export const TRACKER_DEFAULTS: TrackerOptions = { intervalSeconds: 1800, fullListPeers: 50, samplePeers: 50 }

export type TrackerInput =
  | { readonly kind: 'tick' }
  | {
      readonly kind: 'announce'
      readonly id: number
      /** Where the request came from: 4 or 16 bytes, an IPv4-mapped address as 4. */
      readonly address: Uint8Array
      readonly request: AnnounceRequest
    }
  | { readonly kind: 'scrape'; readonly id: number; readonly infoHashes: readonly Uint8Array[] }

export type TrackerOutput =
  | { readonly kind: 'announced'; readonly id: number; readonly answer: AnnounceAnswer }
  | { readonly kind: 'scraped'; readonly id: number; readonly counts: readonly ScrapeCounts[] }
  /** `reason` is for the peer's user. */
  | {
      readonly kind: 'refused'
      readonly id: number
      readonly reason: string
      readonly retryInMinutes?: number
    }

export interface TrackerStats {
  readonly swarms: number
  readonly peers: number
  readonly announces: number
  readonly scrapes: number
  readonly refusals: number
}

/**
 * Some clients announce no more often than every five minutes, whatever they are told;
 * they must not expire between.
 */
const LIFETIME_SECONDS_MIN = 600
/** Peers that have nobody may come back this much sooner than the interval. */
const MIN_INTERVAL_DIVISOR = 30
/** When a full tracker may have room again. */
const FULL_RETRY_MINUTES = 10

const NOBODY: PeerSample = { peersV4: new Uint8Array(0), peersV6: new Uint8Array(0) }

export class Tracker implements Machine<TrackerInput, TrackerOutput> {
  readonly #options: TrackerOptions
  readonly #minIntervalSeconds: number
  readonly #lifetimeSeconds: number
  readonly #swarms: SwarmTable
  /** Answers not polled yet: at most one, since `poll` is drained between inputs. */
  readonly #outputs: TrackerOutput[] = []
  #announces = 0
  #scrapes = 0
  #refusals = 0

  constructor(env: Env, options: TrackerOptions = TRACKER_DEFAULTS, swarms?: SwarmTable) {
    this.#options = options
    this.#minIntervalSeconds = Math.max(1, Math.floor(options.intervalSeconds / MIN_INTERVAL_DIVISOR))
    this.#lifetimeSeconds = Math.max(LIFETIME_SECONDS_MIN, options.intervalSeconds * 2)
    this.#swarms = swarms ?? new SwarmTable(env.prng.fork('swarm-table'))
  }

  handle(now: Instant, input: TrackerInput): void {
    const nowSeconds = Math.floor(now / MICROSECONDS_PER_SECOND)
    this.#swarms.expire(nowSeconds - this.#lifetimeSeconds)
    switch (input.kind) {
      case 'announce':
        return this.#announce(nowSeconds, input.id, input.address, input.request)
      case 'scrape':
        return this.#scrape(input.id, input.infoHashes)
      case 'tick':
    }
  }

  poll(): TrackerOutput | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    const oldest = this.#swarms.oldestSeconds()
    return oldest === undefined ? undefined : (seconds(oldest + this.#lifetimeSeconds) as Instant)
  }

  stats(): TrackerStats {
    return {
      swarms: this.#swarms.swarmCount,
      peers: this.#swarms.peerCount,
      announces: this.#announces,
      scrapes: this.#scrapes,
      refusals: this.#refusals,
    }
  }

  /** Of a swarm that may not exist. */
  counts(infoHash: Uint8Array): ScrapeCounts {
    return this.#swarms.counts(infoHash)
  }

  #announce(nowSeconds: number, id: number, address: Uint8Array, request: AnnounceRequest): void {
    this.#announces++
    if (request.event === 'stopped') {
      this.#swarms.leave(address, request)
      const counts = this.#swarms.counts(request.infoHash)
      this.#outputs.push({ kind: 'announced', id, answer: this.#answer(counts, NOBODY) })
      return
    }
    const swarm = this.#swarms.join(nowSeconds, address, request)
    if (swarm === undefined) {
      this.#refusals++
      this.#outputs.push({
        kind: 'refused',
        id,
        reason: 'this tracker is full',
        retryInMinutes: FULL_RETRY_MINUTES,
      })
      return
    }
    const sample = this.#swarms.sample(swarm, this.#wanted(swarm, request.numwant), address, request)
    const { seeders, completed } = swarm
    const counts = { seeders, leechers: sizeOf(swarm) - seeders, completed }
    this.#outputs.push({ kind: 'announced', id, answer: this.#answer(counts, sample) })
  }

  #scrape(id: number, infoHashes: readonly Uint8Array[]): void {
    this.#scrapes++
    const reason =
      infoHashes.length === 0
        ? 'name the info_hash; this tracker does not list all its swarms'
        : infoHashes.length > LIMITS.scrapeHashesMax.value
          ? `too many info_hash in one scrape, at most ${LIMITS.scrapeHashesMax.value}`
          : undefined
    if (reason === undefined) {
      const counts = infoHashes.map((infoHash) => this.#swarms.counts(infoHash))
      this.#outputs.push({ kind: 'scraped', id, counts })
    } else {
      this.#refusals++
      this.#outputs.push({ kind: 'refused', id, reason })
    }
  }

  #wanted(swarm: Swarm, numwant: number | undefined): number {
    if (numwant !== undefined) return Math.min(numwant, LIMITS.numwantMax.value)
    const others = sizeOf(swarm) - 1
    return others <= this.#options.fullListPeers ? others : this.#options.samplePeers
  }

  #answer(counts: ScrapeCounts, sample: PeerSample): AnnounceAnswer {
    return {
      intervalSeconds: this.#options.intervalSeconds,
      minIntervalSeconds: this.#minIntervalSeconds,
      ...counts,
      ...sample,
    }
  }
}
