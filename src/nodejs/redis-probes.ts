/**
 * Whom this process is to probe, of the swarms in Redis, and what becomes of those it has probed. The rules
 * of sharing are in `redis-probe-scripts.ts`.
 */
import type { ProbeResult } from '../tracker/heartbeat.ts'
import { type RedisConnection, redisScript } from './redis-connection.ts'
import { keysOf, PEER_ID_LENGTH, SHARDS, shardKey } from './redis-keys.ts'
import { LEASE_MEMBERS, LEASE_SWARMS, RESULT, UNLEASE } from './redis-probe-scripts.ts'
import type { RedisSwarms } from './redis-swarms.ts'

/** A member of a swarm that is ours to probe, until the lease ends. */
export interface LeasedPeer {
  readonly infoHash: Uint8Array
  /** As in Redis: address and port. */
  readonly endpoint: Buffer
  readonly peerId: Buffer
  readonly isReported: boolean
  /** End of the lease, by the clock of Redis; proves that it is ours. */
  readonly lease: Buffer
}

export interface ProbeOutcome {
  /** `void`: the peer has left meanwhile, or was thought to be ours too long. */
  readonly fate: 'stays' | 'removed' | 'void'
  readonly isReported: boolean
  readonly isAlive: boolean
}

export interface ProbeTimes {
  readonly periodMs: number
  /** Longer than a probe takes; after so long another process may have the peer. */
  readonly leaseMs: number
}

/** While a process looks into a swarm, nobody else does. */
const SWARM_LEASE_MS = 5000
const IS_REPORTED = 32

const leaseSwarms = redisScript(LEASE_SWARMS)
const unlease = redisScript(UNLEASE)
const leaseMembers = redisScript(LEASE_MEMBERS)
const result = redisScript(RESULT)

export class RedisProbes {
  readonly #redis: RedisConnection
  readonly #swarms: RedisSwarms
  readonly #times: ProbeTimes
  /** Where to look first, so that no shard is behind another for good. */
  #turn = 0

  constructor(redis: RedisConnection, swarms: RedisSwarms, times: ProbeTimes) {
    this.#redis = redis
    this.#swarms = swarms
    this.#times = times
  }

  /**
   * Hands out at most `room` peers that are due, each as soon as it is ours, and nobody else's while its
   * lease lasts. Those due longest come first in each swarm, and the reported before all. A part of Redis
   * that is away is passed over; what was taken there is free again when its lease ends.
   */
  async take(room: number, begin: (peer: LeasedPeer) => void): Promise<void> {
    let left = room
    const beginOne = (peer: LeasedPeer): void => {
      left--
      begin(peer)
    }
    for (let i = 0; i < SHARDS && left > 0; i++) {
      const key = shardKey(this.#turn++ % SHARDS)
      await this.#takeFrom(key, left, beginOne).catch(() => {})
    }
  }

  async #takeFrom(key: string, room: number, begin: (peer: LeasedPeer) => void): Promise<void> {
    const reply = await this.#redis.run(leaseSwarms, [key], [String(room), String(SWARM_LEASE_MS)])
    const [lease, ...swarms] = reply as Buffer[]
    for (const [index, infoHash] of swarms.entries()) {
      // Each of them gets a part, so that none stays away from the others because there was no room left.
      const share = Math.ceil(room / (swarms.length - index))
      const { peers, next } = await this.#takeOf(infoHash, share)
      for (const peer of peers) begin(peer)
      room -= peers.length
      await this.#redis.run(unlease, [key], [infoHash, lease!, next])
    }
  }

  /** @throws ShoalError `store/away` */
  async ended(peer: LeasedPeer, how: ProbeResult): Promise<ProbeOutcome> {
    const { infoHash, endpoint, peerId, lease } = peer
    const { leaseMs, periodMs } = this.#times
    const reply = await this.#redis.run(result, keysOf(infoHash), [
      ...[endpoint, peerId, lease],
      ...[String(leaseMs), String(periodMs), how],
    ])
    const [fate, isReported, isAlive, next] = reply as [Buffer, number, number, Buffer]
    // Else the swarm is looked into when the lease would have ended, which is soon enough.
    if (periodMs < leaseMs && next.length > 0) await this.#swarms.listAt(infoHash, next)
    return {
      fate: String(fate) as ProbeOutcome['fate'],
      isReported: isReported === 1,
      isAlive: isAlive === 1,
    }
  }

  async #takeOf(infoHash: Uint8Array, most: number) {
    const args = [String(most), String(this.#times.leaseMs)]
    const reply = await this.#redis.run(leaseMembers, keysOf(infoHash), args)
    const [lease, next, ...rows] = reply as Buffer[]
    const peers: LeasedPeer[] = []
    for (let i = 0; i < rows.length; i += 2) {
      const member = rows[i + 1]!
      peers.push({
        infoHash,
        endpoint: rows[i]!,
        peerId: member.subarray(0, PEER_ID_LENGTH),
        isReported: (member[PEER_ID_LENGTH]! & IS_REPORTED) !== 0,
        lease: lease!,
      })
    }
    return { peers, next: next! }
  }
}
