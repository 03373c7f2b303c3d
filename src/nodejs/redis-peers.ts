/**
 * Peers one by one, of swarms in Redis: the answers of `tracker/peer-desk.ts`, the same from every process.
 * Invariants: those of the desk: nobody speaks for another, and a report removes nobody. How often an address
 * may report is counted by each process for itself.
 */
import { randomBytes } from 'node:crypto'
import { LIMITS } from '../base/limits.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import type { AnnouncePolicy } from '../tracker/announce-policy.ts'
import type {
  PeerIdentity,
  PeerListing,
  PeerLocation,
  PeerReport,
  ReportOutcome,
} from '../tracker/peer-desk.ts'
import { REGISTRY } from '../tracker/peer-desk.ts'
import type { PieceRange } from '../tracker/piece-map.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { REPORT_BUDGET } from '../tracker/source-rules.ts'
import { nodeClock } from './node-clock.ts'
import type { PeerBook } from './peer-book.ts'
import { type RedisConnection, redisScript } from './redis-connection.ts'
import { endpointOf, keysOf, PEER_ID_LENGTH } from './redis-keys.ts'
import { HAVE, LIST, REPORT } from './redis-peer-scripts.ts'
import type { RedisSwarms } from './redis-swarms.ts'

/** Bits of a member's flags. */
const IS_SEED = 1
const IS_REACHED = 4
const IS_UNREACHABLE = 8
const AS_THE_TRACKER_LIKES = -1
/** Before everybody else. */
const AT_ONCE = '0'

const list = redisScript(LIST)
const have = redisScript(HAVE)
const report = redisScript(REPORT)

export class RedisPeers implements PeerBook {
  readonly #redis: RedisConnection
  readonly #swarms: RedisSwarms
  readonly #policy: AnnouncePolicy
  readonly #reporters = new SourceBudgets(new SipHash(randomBytes(SIPHASH_KEY_LENGTH)), REPORT_BUDGET)

  constructor(redis: RedisConnection, swarms: RedisSwarms, policy: AnnouncePolicy) {
    this.#redis = redis
    this.#swarms = swarms
    this.#policy = policy
  }

  list(infoHash: Uint8Array, wantsAll: boolean): Promise<PeerListing | undefined> {
    return this.#list(infoHash, wantsAll ? LIMITS.trackerListedMax.value : AS_THE_TRACKER_LIKES, false)
  }

  locations(infoHash: Uint8Array) {
    return this.#list(infoHash, LIMITS.numwantMax.value, true)
  }

  async register(peer: PeerIdentity, left: number): Promise<'registered' | 'known' | 'full'> {
    const mayBeProbed = !isRegistry(peer.infoHash)
    const request = { ...peer, left, event: undefined, numwant: 0 }
    const { wasThere, isRefused } = await this.#swarms.announce(peer.address, request, mayBeProbed)
    if (isRefused) return 'full'
    return wasThere ? 'known' : 'registered'
  }

  deregister({ infoHash, address, port, peerId }: PeerIdentity): Promise<boolean> {
    return this.#swarms.remove(infoHash, address, port, peerId)
  }

  async have(peer: PeerIdentity, ranges: readonly PieceRange[], replacesAll: boolean): Promise<boolean> {
    const reply = await this.#redis.run(have, keysOf(peer.infoHash), [
      endpointOf(peer.address, peer.port),
      Buffer.from(peer.peerId),
      replacesAll ? '1' : '0',
      ...ranges.filter(([first, last]) => first <= last).flatMap((range) => range.map(String)),
    ])
    return reply === 1
  }

  async report(told: PeerReport): Promise<ReportOutcome> {
    if (this.#policy.options.heartbeat === undefined) return 'off'
    // First whether there is anything to it, so that nonsense costs the reporter nothing, as in memory.
    const outcome = await this.#report(told, false)
    if (outcome !== 'probing') return outcome as ReportOutcome
    if (!this.#reporters.take(nodeClock.now(), told.reporter.address)) return 'too-many'
    const acted = await this.#report(told, true)
    if (acted === 'waits') return 'probing'
    if (acted === 'probing') await this.#swarms.listAt(told.infoHash, AT_ONCE)
    return acted as ReportOutcome
  }

  async #report({ infoHash, address, port, reporter }: PeerReport, acts: boolean): Promise<string> {
    const isNamed = reporter.port !== undefined && reporter.peerId !== undefined
    const reply = await this.#redis.run(report, keysOf(infoHash), [
      endpointOf(address, port),
      isNamed ? endpointOf(reporter.address, reporter.port!) : Buffer.from(reporter.address),
      isNamed ? Buffer.from(reporter.peerId!) : '',
      acts ? '1' : '0',
    ])
    return String(reply)
  }

  async #list(infoHash: Uint8Array, wanted: number, wantsPieces: boolean) {
    const { fullListPeers, samplePeers } = this.#policy.options
    const longest = LIMITS.trackerListedMax.value
    const reply = await this.#redis.run(list, keysOf(infoHash), [
      String(wanted),
      String(Math.min(longest, fullListPeers)),
      String(Math.min(longest, samplePeers)),
      wantsPieces ? '1' : '0',
    ])
    const [total, rows] = reply as [number, (Buffer | null)[]]
    if (total === 0) return undefined
    const peers: PeerLocation[] = []
    for (let i = 0; i < rows.length; i += 3)
      peers.push(locationOf(infoHash, rows[i]!, rows[i + 1]!, rows[i + 2]))
    return { total, peers: peers.sort((one, other) => rank(one) - rank(other)) }
  }
}

function locationOf(
  infoHash: Uint8Array,
  endpoint: Buffer,
  member: Buffer,
  pieces: Buffer | null | undefined,
): PeerLocation {
  const flags = member[PEER_ID_LENGTH]!
  return {
    infoHash,
    address: endpoint.subarray(0, -2),
    port: endpoint.readUInt16BE(endpoint.length - 2),
    peerId: member.subarray(0, PEER_ID_LENGTH),
    isSeed: (flags & IS_SEED) !== 0,
    reach:
      (flags & IS_REACHED) !== 0 ? 'reached' : (flags & IS_UNREACHABLE) !== 0 ? 'unreachable' : 'untried',
    have: rangesOf(pieces?.toString() ?? ''),
  }
}

/** Undefined when nothing was told. @param text as the script keeps it */
function rangesOf(text: string): PieceRange[] | undefined {
  if (text === '') return undefined
  const ranges: PieceRange[] = []
  for (const [, first, last] of text.matchAll(/(\d+) (\d+)/g)) ranges.push([Number(first), Number(last)])
  return ranges
}

function isRegistry(infoHash: Uint8Array): boolean {
  return Buffer.compare(infoHash, REGISTRY) === 0
}

function rank({ reach }: PeerLocation): number {
  return reach === 'unreachable' ? 1 : 0
}
