/**
 * The tracker as a machine: announces and scrapes in, answers out by the id of the request. What it grants
 * is `announce-policy.ts`; the transports in front of it read requests and write answers. Its heartbeat
 * (`heartbeat.ts`) probes the peers, its desk (`peer-desk.ts`) answers everything else about them.
 *
 * Invariant: every announce and scrape gets exactly one output, at once; a `stopped` peer
 * is gone with its announce.
 * BEP 3, 7, 15, 23, 48. The address of a peer is that of its packet, never what the request claims.
 */
import type { Env } from '../base/env.ts'
import type { Machine } from '../base/machine.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import { earliest, type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { addressScope, reachesAsFar } from '../wire/address-scope.ts'
import type { AnnounceAnswer, AnnounceRequest, ScrapeCounts } from '../wire/tracker-announce.ts'
import { AnnouncePolicy, TRACKER_DEFAULTS, type TrackerOptions } from './announce-policy.ts'
import { Heartbeat, type HeartbeatInput, type HeartbeatOutput } from './heartbeat.ts'
import { PeerDesk } from './peer-desk.ts'
import { PieceMap } from './piece-map.ts'
import { type KeptSwarm, keptSwarms, restoreSwarm } from './swarm-snapshot.ts'
import { type PeerSample, SwarmTable, sizeOf } from './swarm-table.ts'

export type TrackerInput =
  | HeartbeatInput
  | {
      readonly kind: 'announce'
      readonly id: number
      /** Where the request came from: 4 or 16 bytes, an IPv4-mapped address as 4. */
      readonly address: Uint8Array
      /** Where the packet came from, if a proxy speaks for that address. */
      readonly from?: Uint8Array | undefined
      readonly request: AnnounceRequest
    }
  | { readonly kind: 'scrape'; readonly id: number; readonly infoHashes: readonly Uint8Array[] }

/** What an announce or a scrape is answered. */
export type TrackerAnswer =
  | { readonly kind: 'announced'; readonly id: number; readonly answer: AnnounceAnswer }
  | { readonly kind: 'scraped'; readonly id: number; readonly counts: readonly ScrapeCounts[] }
  /** `reason` is for the peer's user. */
  | {
      readonly kind: 'refused'
      readonly id: number
      readonly reason: string
      readonly retryInMinutes?: number
    }

export type TrackerOutput = TrackerAnswer | HeartbeatOutput

export interface TrackerStats {
  /** Null where they are not counted, because other processes share them. */
  readonly swarms: number | null
  readonly peers: number | null
  readonly announces: number
  readonly scrapes: number
  readonly refusals: number
  /** Peers of the busiest sources that gave way to newcomers; null where nobody has to. */
  readonly displaced: number | null
}

/** When a full tracker may have room again. */
const FULL_RETRY_MINUTES = 10

const NOBODY: PeerSample = { peersV4: new Uint8Array(0), peersV6: new Uint8Array(0) }

export class Tracker implements Machine<TrackerInput, TrackerOutput> {
  readonly desk: PeerDesk
  readonly #policy: AnnouncePolicy
  readonly #swarms: SwarmTable
  readonly #heartbeat: Heartbeat | undefined
  /** Answers not polled yet: at most one, since `poll` is drained between inputs. */
  readonly #outputs: TrackerAnswer[] = []
  #announces = 0
  #scrapes = 0
  #refusals = 0

  constructor(env: Env, options: TrackerOptions = TRACKER_DEFAULTS, swarms?: SwarmTable) {
    this.#policy = new AnnouncePolicy(options)
    this.#swarms = swarms ?? new SwarmTable(env.prng.fork('swarm-table'))
    this.#heartbeat = options.heartbeat && new Heartbeat(this.#swarms, options.heartbeat)
    const pieces = new PieceMap()
    this.#swarms.watch(pieces)
    this.desk = new PeerDesk({
      swarms: this.#swarms,
      pieces,
      heartbeat: this.#heartbeat,
      hash: new SipHash(env.prng.fork('reporters').bytes(SIPHASH_KEY_LENGTH)),
      wanted: (size) => this.#policy.wanted(undefined, size),
    })
  }

  handle(now: Instant, input: TrackerInput): void {
    const nowSeconds = Math.floor(now / MICROSECONDS_PER_SECOND)
    this.#swarms.expire(nowSeconds - this.#policy.lifetimeSeconds)
    switch (input.kind) {
      case 'announce':
        this.#announce(nowSeconds, input)
        break
      case 'scrape':
        return this.#scrape(input.id, input.infoHashes)
      default:
        return this.#heartbeat?.handle(now, input)
    }
    this.#heartbeat?.run(now)
  }

  poll(): TrackerOutput | undefined {
    return this.#outputs.shift() ?? this.#heartbeat?.poll()
  }

  nextTimeout(): Instant | undefined {
    const oldest = this.#swarms.oldestSeconds()
    const expiry =
      oldest === undefined ? undefined : (seconds(oldest + this.#policy.lifetimeSeconds) as Instant)
    return earliest(expiry, this.#heartbeat?.nextTimeout())
  }

  stats(): TrackerStats {
    return {
      swarms: this.#swarms.swarmCount,
      peers: this.#swarms.peerCount,
      announces: this.#announces,
      scrapes: this.#scrapes,
      refusals: this.#refusals,
      displaced: this.#swarms.displacedCount,
    }
  }

  /** Of a swarm that may not exist. */
  counts(infoHash: Uint8Array): ScrapeCounts {
    return this.#swarms.counts(infoHash)
  }

  /** To be given to `restore` after the next start. */
  keptSwarms(): Generator<KeptSwarm> {
    return keptSwarms(this.#swarms)
  }

  /** Wants a `tick` after it. */
  restore(now: Instant, swarm: KeptSwarm): void {
    restoreSwarm(this.#swarms, Math.floor(now / MICROSECONDS_PER_SECOND), swarm)
  }

  #announce(nowSeconds: number, input: Extract<TrackerInput, { kind: 'announce' }>): void {
    const { id, address, from, request } = input
    this.#announces++
    if (request.event === 'stopped') {
      this.#swarms.leave(address, request)
      const counts = this.#swarms.counts(request.infoHash)
      this.#outputs.push({ kind: 'announced', id, answer: this.#policy.answer(counts, NOBODY) })
      return
    }
    const swarm = this.#swarms.join(nowSeconds, address, request, mayBeProbed(address, from))
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
    const sample = this.#swarms.sample(
      swarm,
      this.#policy.wanted(request.numwant, sizeOf(swarm) - 1),
      address,
      request,
    )
    const { seeders, completed } = swarm
    const counts = { seeders, leechers: sizeOf(swarm) - seeders, completed }
    this.#outputs.push({ kind: 'announced', id, answer: this.#policy.answer(counts, sample) })
  }

  #scrape(id: number, infoHashes: readonly Uint8Array[]): void {
    this.#scrapes++
    const reason = this.#policy.scrapeRefusal(infoHashes)
    if (reason === undefined) {
      const counts = infoHashes.map((infoHash) => this.#swarms.counts(infoHash))
      this.#outputs.push({ kind: 'scraped', id, counts })
    } else {
      this.#refusals++
      this.#outputs.push({ kind: 'refused', id, reason })
    }
  }
}

/** A peer far away must not send our probes into our own network, through whoever speaks for it. */
export function mayBeProbed(address: Uint8Array, from: Uint8Array | undefined): boolean {
  return from === undefined || reachesAsFar(addressScope(address), addressScope(from))
}
