/**
 * The heartbeat of `tracker/heartbeat.ts` for swarms in Redis: this process takes its share of the peers that
 * are due, probes them and tells Redis what it found.
 * Invariants: no more than `trackerProbesPerSecondMax` begin in a second and `trackerProbesOpenMax` are open
 * in this process; a probe ends by itself or at the end of its window, before its lease does; while Redis is
 * away none begins; after `close` no timer and no socket is left.
 */
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { HeartbeatOptions, LivenessEvent, ProbeResult } from '../tracker/heartbeat.ts'
import { formatAddress, formatEndpoint } from '../wire/endpoint.ts'
import { ProbeDialer } from './probe-dialer.ts'
import type { RedisConnection } from './redis-connection.ts'
import { type LeasedPeer, RedisProbes } from './redis-probes.ts'
import type { RedisSwarms } from './redis-swarms.ts'

export interface SharedHeartbeatOptions extends HeartbeatOptions {
  /** To probe from; undefined = as the system likes. */
  readonly localAddress?: string | undefined
  readonly onLiveness?: ((event: LivenessEvent) => void) | undefined
}

interface OpenProbe {
  readonly peer: LeasedPeer
  /** `performance.now()` */
  readonly startedAt: number
  isConnected: boolean
}

/** Between two looks at who is due. */
const LOOK_MS = 100
/** Beyond its window, for a busy process and a slow network to Redis. */
const LEASE_MARGIN_MS = 5000
const BURST = 20
const INTERVAL_MS = 1000 / LIMITS.trackerProbesPerSecondMax.value

export class SharedHeartbeat {
  readonly #redis: RedisConnection
  readonly #probes: RedisProbes
  readonly #windowMs: number
  readonly #tell: (event: LivenessEvent) => void
  readonly #dialer: ProbeDialer
  /** In the order they began. Bounded by `trackerProbesOpenMax`. */
  readonly #open = new Map<number, OpenProbe>()
  #lastProbe = 0
  /** When the budget is whole again. */
  #wholeAt = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(redis: RedisConnection, swarms: RedisSwarms, options: SharedHeartbeatOptions) {
    const { periodSeconds, windowSeconds, localAddress, onLiveness } = options
    this.#redis = redis
    this.#windowMs = windowSeconds * 1000
    this.#probes = new RedisProbes(redis, swarms, {
      periodMs: Math.ceil(periodSeconds * 1000),
      leaseMs: Math.ceil(this.#windowMs) + LEASE_MARGIN_MS,
    })
    this.#tell = (event) => onLiveness?.(event)
    this.#dialer = new ProbeDialer(
      {
        connected: (probe) => {
          const open = this.#open.get(probe)
          if (open !== undefined) open.isConnected = true
        },
        ended: (probe, result) => void this.#ended(probe, result),
      },
      localAddress,
    )
    this.#lookLater()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#dialer.close()
    this.#open.clear()
  }

  #lookLater(): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), LOOK_MS)
  }

  async #look(): Promise<void> {
    this.#endOverdue()
    if (!this.#redis.isAway) await this.#probes.take(this.#room(), (peer) => this.#begin(peer))
    this.#lookLater()
  }

  /** How many may begin now. */
  #room(): number {
    const earned = Math.floor(BURST - Math.max(0, this.#wholeAt - performance.now()) / INTERVAL_MS)
    return Math.max(0, Math.min(earned, LIMITS.trackerProbesOpenMax.value - this.#open.size))
  }

  #begin(peer: LeasedPeer): void {
    if (this.#isClosed) return
    const now = performance.now()
    this.#wholeAt = Math.max(this.#wholeAt, now) + INTERVAL_MS
    const probe = ++this.#lastProbe
    this.#open.set(probe, { peer, startedAt: now, isConnected: false })
    if (peer.isReported) this.#tell({ event: 'probe', ...aboutOf(peer), isReported: true })
    this.#dialer.dial(probe, endpointOf(peer), peer.infoHash)
  }

  #endOverdue(): void {
    const now = performance.now()
    for (const [probe, { startedAt, isConnected }] of this.#open) {
      if (startedAt + this.#windowMs > now) return
      this.#dialer.abandon(probe)
      void this.#ended(probe, isConnected ? 'silent' : 'unreachable')
    }
  }

  async #ended(probe: number, result: ProbeResult): Promise<void> {
    const open = this.#open.get(probe)
    if (open === undefined) return
    this.#open.delete(probe)
    const { peer, startedAt } = open
    const milliseconds = Math.round(performance.now() - startedAt)
    // While Redis is away nothing becomes of it: the peer is probed again once its lease has ended.
    const outcome = await this.#probes.ended(peer, result).catch(() => undefined)
    if (outcome === undefined || outcome.fate === 'void' || this.#isClosed) return
    const about = aboutOf(peer)
    const { fate, isReported, isAlive } = outcome
    this.#tell({ event: 'heartbeat', ...about, result, milliseconds, isReported })
    if (fate === 'removed') this.#tell({ event: 'removed', ...about, reason: 'heartbeat-timeout' })
    else if (isReported && isAlive) this.#tell({ event: 'kept', ...about })
  }
}

function endpointOf({ endpoint }: LeasedPeer): { readonly host: string; readonly port: number } {
  const host = formatAddress(endpoint.subarray(0, -2))
  return { host, port: endpoint.readUInt16BE(endpoint.length - 2) }
}

function aboutOf(peer: LeasedPeer): { readonly infoHash: string; readonly address: string } {
  return { infoHash: toHex(peer.infoHash), address: formatEndpoint(endpointOf(peer)) }
}
