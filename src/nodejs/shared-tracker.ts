/**
 * Swarms in Redis, shared with other tracker processes: each question becomes scripts there, and its answer
 * comes when they do. While Redis is away every question is refused with a reason and a time to come back,
 * so clients keep what they know and nothing is counted twice. Where Redis or we are at fault clients hear
 * no more than that, and the operator what it is. The probes of peers are shared as well.
 */

import type { AnnounceQuestion, TakeAnswer } from '../tracker/announce-desk.ts'
import { AnnouncePolicy } from '../tracker/announce-policy.ts'
import { mayBeProbed, type TrackerAnswer, type TrackerStats } from '../tracker/tracker.ts'
import type { ScrapeCounts } from '../wire/tracker-announce.ts'
import { type LocalTrackerOptions, probeAddress } from './local-tracker.ts'
import type { PeerBook } from './peer-book.ts'
import type { RedisConnection } from './redis-connection.ts'
import { RedisPeers } from './redis-peers.ts'
import { RedisSwarms } from './redis-swarms.ts'
import { SharedHeartbeat } from './shared-heartbeat.ts'
import type { TrackerBackend } from './tracker-backend.ts'

/** When clients are told to come back while Redis is away. */
const AWAY_RETRY_MINUTES = 1
/** Somebody has to mend it first. */
const FAILED_RETRY_MINUTES = 5
/** Who comes from an address that has brought too many may come in when some of its hour has passed. */
const CROWDED_RETRY_MINUTES = 10
/** Nobody tells answers apart by it here. */
const NO_ID = 0

export class SharedTracker implements TrackerBackend {
  readonly peers: PeerBook
  readonly #policy: AnnouncePolicy
  readonly #redis: RedisConnection
  readonly #swarms: RedisSwarms
  readonly #heartbeat: SharedHeartbeat | undefined
  #announces = 0
  #scrapes = 0
  #refusals = 0

  constructor(redis: RedisConnection, options: LocalTrackerOptions) {
    this.#policy = new AnnouncePolicy(options)
    this.#redis = redis
    this.#swarms = new RedisSwarms(redis, this.#policy)
    this.peers = new RedisPeers(redis, this.#swarms, this.#policy)
    const { heartbeat, host, onLiveness } = options
    const localAddress = probeAddress(host)
    this.#heartbeat =
      heartbeat && new SharedHeartbeat(redis, this.#swarms, { ...heartbeat, localAddress, onLiveness })
  }

  ask(question: AnnounceQuestion, answer: TakeAnswer): void {
    const reason = question.kind === 'scrape' ? this.#policy.scrapeRefusal(question.infoHashes) : undefined
    if (question.kind === 'announce') this.#announces++
    else this.#scrapes++
    if (reason !== undefined) return answer(this.#refuse(reason))
    this.#find(question).then(answer, (error: unknown) => answer(this.#excuse(error)))
  }

  /** @throws ShoalError `store/away` */
  counts(infoHash: Uint8Array): Promise<ScrapeCounts> {
    return this.#swarms.counts(infoHash)
  }

  /** Requests are those of this process; swarms and peers are in Redis, and counted there by nobody. */
  stats(): TrackerStats {
    const requests = { announces: this.#announces, scrapes: this.#scrapes, refusals: this.#refusals }
    return { swarms: null, peers: null, ...requests, displaced: null }
  }

  close(): void {
    this.#heartbeat?.close()
    this.#redis.close()
  }

  async #find(question: AnnounceQuestion): Promise<TrackerAnswer> {
    if (question.kind === 'scrape') {
      const counts = await Promise.all(question.infoHashes.map((infoHash) => this.#swarms.counts(infoHash)))
      return { kind: 'scraped', id: NO_ID, counts }
    }
    const { address, from, request } = question
    const view = await this.#swarms.announce(address, request, mayBeProbed(address, from))
    if (view.isRefused) return this.#refuse('too many new peers from your address', CROWDED_RETRY_MINUTES)
    const { seeders, leechers, completed, peersV4, peersV6, peerIds } = view
    const sample = { peersV4, peersV6, peerIds }
    const answer = this.#policy.answer({ seeders, leechers, completed }, sample)
    return { kind: 'announced', id: NO_ID, answer }
  }

  #excuse(error: unknown): TrackerAnswer {
    return this.#redis.failure(error).code === 'store/away'
      ? this.#refuse('the store of this tracker is away', AWAY_RETRY_MINUTES)
      : this.#refuse('an internal failure of this tracker', FAILED_RETRY_MINUTES)
  }

  #refuse(reason: string, retryInMinutes?: number): TrackerAnswer {
    this.#refusals++
    return {
      kind: 'refused',
      id: NO_ID,
      reason,
      ...(retryInMinutes === undefined ? {} : { retryInMinutes }),
    }
  }
}
