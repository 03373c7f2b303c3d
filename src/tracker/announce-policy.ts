/**
 * What a tracker grants, wherever its swarms are kept: how often peers announce, how long a silent one stays,
 * how many peers an answer has (D6: `numwant` as asked, up to its cap; else the whole list while it is short,
 * else a random sample), and what it refuses.
 */
import { LIMITS } from '../base/limits.ts'
import type { AnnounceAnswer, ScrapeCounts } from '../wire/tracker-announce.ts'
import type { HeartbeatOptions } from './heartbeat.ts'
import type { PeerSample } from './swarm-table.ts'

export interface TrackerOptions {
  /** How often peers are asked to announce. */
  readonly intervalSeconds: number
  /** Up to this many other peers, an announce without `numwant` gets all of them. */
  readonly fullListPeers: number
  /** Above, it gets this many at random. */
  readonly samplePeers: number
  /** Undefined: nobody is probed. */
  readonly heartbeat?: HeartbeatOptions | undefined
}

export const TRACKER_DEFAULTS: TrackerOptions = { intervalSeconds: 1800, fullListPeers: 50, samplePeers: 50 }

/**
 * Some clients announce no more often than every five minutes, whatever they are told;
 * they must not expire between.
 */
const LIFETIME_SECONDS_MIN = 600
/** Peers that have nobody may come back this much sooner than the interval. */
const MIN_INTERVAL_DIVISOR = 30

export class AnnouncePolicy {
  readonly options: TrackerOptions
  /** A peer that was silent for so long is gone. */
  readonly lifetimeSeconds: number
  readonly #minIntervalSeconds: number

  constructor(options: TrackerOptions) {
    this.options = options
    this.lifetimeSeconds = Math.max(LIFETIME_SECONDS_MIN, options.intervalSeconds * 2)
    this.#minIntervalSeconds = Math.max(1, Math.floor(options.intervalSeconds / MIN_INTERVAL_DIVISOR))
  }

  /** @param others members besides the asker */
  wanted(numwant: number | undefined, others: number): number {
    if (numwant !== undefined) return Math.min(numwant, LIMITS.numwantMax.value)
    const { fullListPeers, samplePeers } = this.options
    return others <= fullListPeers ? others : samplePeers
  }

  answer(counts: ScrapeCounts, sample: PeerSample): AnnounceAnswer {
    return {
      intervalSeconds: this.options.intervalSeconds,
      minIntervalSeconds: this.#minIntervalSeconds,
      seeders: counts.seeders,
      leechers: counts.leechers,
      completed: counts.completed,
      peersV4: sample.peersV4,
      peersV6: sample.peersV6,
      peerIds: sample.peerIds,
    }
  }

  /** Why such a scrape is not answered, for the peer's user. */
  scrapeRefusal(infoHashes: readonly Uint8Array[]): string | undefined {
    if (infoHashes.length === 0) return 'name the info_hash; this tracker does not list all its swarms'
    if (infoHashes.length <= LIMITS.scrapeHashesMax.value) return undefined
    return `too many info_hash in one scrape, at most ${LIMITS.scrapeHashesMax.value}`
  }
}
