/**
 * The swarms of a tracker in Redis: what `tracker/swarm-table.ts` does in memory, for several tracker
 * processes that share one view. Every call is one script, atomic in Redis, so two processes never count a
 * peer twice and an announce is seen by the next one wherever that arrives.
 *
 * Redis knows no bound but its memory, and what takes that is what comes in anew. So a source may bring only
 * so much of it within an hour (S25), as this process counts it: `trackerJoinsPerSourceMax`. Whoever is there
 * already is not concerned.
 */
import { randomBytes } from 'node:crypto'
import { LIMITS } from '../base/limits.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import type { AnnouncePolicy } from '../tracker/announce-policy.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { joinBudget } from '../tracker/source-rules.ts'
import type { AnnounceRequest, ScrapeCounts } from '../wire/tracker-announce.ts'
import { nodeClock } from './node-clock.ts'
import { type RedisConnection, redisScript } from './redis-connection.ts'
import { endpointOf, keysOf, PEER_ID_LENGTH, shardOf } from './redis-keys.ts'
import { ANNOUNCE, COUNTS, REMOVE } from './redis-scripts.ts'

/** Counts, and peers in compact form, with the id of each. */
export interface RedisSwarmView extends ScrapeCounts {
  readonly peersV4: Uint8Array
  readonly peersV6: Uint8Array
  /** 20 bytes for each of `peersV4`, then for each of `peersV6`. */
  readonly peerIds: Uint8Array
  /** The asker was a member before, under the same id. */
  readonly wasThere: boolean
  /** Its source has brought too many; it is no member. */
  readonly isRefused: boolean
}

export type SwarmAnnounce = Pick<
  AnnounceRequest,
  'infoHash' | 'peerId' | 'port' | 'left' | 'event' | 'numwant'
>

type AnnounceReply = [number, number, number, Buffer[], Buffer[], number, Buffer]

const AS_THE_TRACKER_LIKES = -1
/** Redis holds it as a number; larger ones would not be exact. */
const UNLIMITED = 1_000_000_000
/** What an announce found at the asker's endpoint. */
const NOBODY = 0
const ITSELF = 1
const REFUSED = -1

const announce = redisScript(ANNOUNCE)
const counts = redisScript(COUNTS)
const remove = redisScript(REMOVE)

export class RedisSwarms {
  readonly #redis: RedisConnection
  readonly #policy: AnnouncePolicy
  readonly #joins: SourceBudgets

  constructor(
    redis: RedisConnection,
    policy: AnnouncePolicy,
    joinsPerHour: number = LIMITS.trackerJoinsPerSourceMax.value,
  ) {
    this.#redis = redis
    this.#policy = policy
    this.#joins = new SourceBudgets(new SipHash(randomBytes(SIPHASH_KEY_LENGTH)), joinBudget(joinsPerHour))
  }

  /**
   * @param address 4 or 16 bytes, from the packet
   * @param mayBeProbed false when the tracker must not dial that address
   * @throws ShoalError `store/away`
   */
  async announce(address: Uint8Array, request: SwarmAnnounce, mayBeProbed = true): Promise<RedisSwarmView> {
    const { fullListPeers, samplePeers, heartbeat } = this.#policy.options
    // How many there are is known in Redis only, so what `wanted` decides without `numwant` is decided there.
    const wanted =
      request.numwant === undefined ? AS_THE_TRACKER_LIKES : this.#policy.wanted(request.numwant, 0)
    const now = nodeClock.now()
    const mayJoin = this.#joins.readyAt(now, address) === now
    const reply = await this.#redis.run(announce, keysOf(request.infoHash), [
      endpointOf(address, request.port),
      Buffer.from(request.peerId),
      request.left === 0 ? '0' : '1',
      request.event ?? '',
      String(wanted),
      String(Math.min(UNLIMITED, fullListPeers)),
      String(Math.min(UNLIMITED, samplePeers)),
      String(this.#policy.lifetimeSeconds * 1000),
      heartbeat === undefined ? '0' : '1',
      mayBeProbed ? '1' : '0',
      mayJoin ? '1' : '0',
    ])
    const [seeders, members, completed, v4, v6, found, listAt] = reply as AnnounceReply
    if (found === NOBODY && request.event !== 'stopped') this.#joins.charge(now, address)
    // The peer is a member without it, and another announce lists its swarm again.
    if (listAt.length > 0) this.listAt(request.infoHash, listAt).catch(() => {})
    return {
      seeders,
      leechers: members - seeders,
      completed,
      peersV4: Buffer.concat(v4.filter(isEven)),
      peersV6: Buffer.concat(v6.filter(isEven)),
      peerIds: Buffer.concat(
        [...v4, ...v6].filter(isOdd).map((member) => member.subarray(0, PEER_ID_LENGTH)),
      ),
      wasThere: found === ITSELF,
      isRefused: found === REFUSED,
    }
  }

  /**
   * Somebody there is to be probed at this time, or one of its peers sooner. @throws ShoalError `store/away`
   */
  async listAt(infoHash: Uint8Array, at: string | Buffer): Promise<void> {
    const key = shardOf(infoHash)
    await this.#redis.call(key, ['ZADD', key, 'LT', at, Buffer.from(infoHash)])
  }

  /** @throws ShoalError `store/away` */
  async counts(infoHash: Uint8Array): Promise<ScrapeCounts> {
    const reply = await this.#redis.run(counts, keysOf(infoHash), [])
    const [seeders, members, completed] = reply as [number, number, number]
    return { seeders, leechers: members - seeders, completed }
  }

  /**
   * @param peerId the one it must have; undefined = any
   * @returns whether it was there. @throws ShoalError `store/away`
   */
  async remove(
    infoHash: Uint8Array,
    address: Uint8Array,
    port: number,
    peerId?: Uint8Array,
  ): Promise<boolean> {
    const id = peerId === undefined ? '' : Buffer.from(peerId)
    return (await this.#redis.run(remove, keysOf(infoHash), [endpointOf(address, port), id])) === 1
  }
}

function isEven(_item: unknown, index: number): boolean {
  return index % 2 === 0
}

function isOdd(_item: unknown, index: number): boolean {
  return index % 2 === 1
}
