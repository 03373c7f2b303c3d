/**
 * Peers of the same network, without any tracker (BEP 14): announces our torrents over multicast and listens
 * for others. Private torrents never join (BEP 27); who adds torrents sees to that.
 * Invariants: at most one announce a minute, and each torrent's turn comes every five minutes as far as that
 * allows; our own announces, which come back to us, are known by their cookie; of each host, and of all, so
 * many announces a minute are read.
 */
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Machine } from '../base/machine.ts'
import type { Prng } from '../base/prng.ts'
import { after, earliest, type Instant, latest, seconds } from '../base/time.ts'
import { type AddressScope, scopeOfHost } from '../wire/address-scope.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import {
  decodeLocalAnnounce,
  encodeLocalAnnounce,
  LOCAL_HASHES_MAX,
  type LocalGroup,
} from '../wire/local-announce.ts'

/** BEP 14: a torrent is announced every five minutes, and nothing more than once a minute. */
const TORRENT_SECONDS = 300
const ANNOUNCE_SECONDS = 60
/** Torrents that join in the same moment go into one announce. */
const FIRST_SECONDS = 1
const MINUTE_SECONDS = 60
const LONG_AGO = Number.NEGATIVE_INFINITY as Instant
const GROUPS: readonly LocalGroup[] = ['v4', 'v6']

export type LocalDiscoveryInput =
  | { readonly kind: 'tick' }
  /** 20 bytes for each name by which peers know the torrent. */
  | { readonly kind: 'join'; readonly torrent: number; readonly infoHashes: readonly Uint8Array[] }
  | { readonly kind: 'leave'; readonly torrent: number }
  /** A datagram came from this numeric address. `bytes` is borrowed. */
  | { readonly kind: 'heard'; readonly host: string; readonly bytes: Uint8Array }

export type LocalDiscoveryOutput =
  | { readonly kind: 'send'; readonly group: LocalGroup; readonly bytes: Uint8Array }
  | {
      readonly kind: 'found'
      readonly torrent: number
      readonly peer: Endpoint
      readonly from: AddressScope
    }

interface Joined {
  readonly infoHashes: readonly Uint8Array[]
  announcedAt: Instant
}

export class LocalDiscovery implements Machine<LocalDiscoveryInput, LocalDiscoveryOutput> {
  readonly #port: number
  readonly #cookie: string
  /**
   * Torrents by id, those never announced first, then who was announced longest ago. Bounded by the peer's.
   */
  readonly #fresh = new Map<number, Joined>()
  readonly #announced = new Map<number, Joined>()
  /** By infohash, 40 hex digits. */
  readonly #byHash = new Map<string, number>()
  /** Drained after every input. */
  readonly #outputs: LocalDiscoveryOutput[] = []
  #announceAt: Instant | undefined
  #lastAnnounceAt: Instant = LONG_AGO
  /** Announces read in the minute that began then, by host. Bounded by `localHostsMax`. */
  readonly #heard = new Map<string, number>()
  #heardSince: Instant = LONG_AGO

  /** @param port where we listen */
  constructor(port: number, prng: Prng) {
    this.#port = port
    this.#cookie = toHex(prng.bytes(8))
  }

  handle(now: Instant, input: LocalDiscoveryInput): void {
    switch (input.kind) {
      case 'join':
        this.#join(input.torrent, input.infoHashes)
        break
      case 'leave':
        this.#leave(input.torrent)
        break
      case 'heard':
        this.#hear(now, input.host, input.bytes)
        return
      case 'tick':
        if (this.#announceAt !== undefined && now >= this.#announceAt) this.#announce(now)
    }
    this.#plan(now)
  }

  poll(): LocalDiscoveryOutput | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    return this.#announceAt
  }

  #join(torrent: number, infoHashes: readonly Uint8Array[]): void {
    this.#leave(torrent)
    this.#fresh.set(torrent, { infoHashes, announcedAt: LONG_AGO })
    for (const infoHash of infoHashes) this.#byHash.set(toHex(infoHash), torrent)
  }

  #leave(torrent: number): void {
    const left = this.#fresh.get(torrent) ?? this.#announced.get(torrent)
    for (const infoHash of left?.infoHashes ?? []) this.#byHash.delete(toHex(infoHash))
    this.#fresh.delete(torrent)
    this.#announced.delete(torrent)
  }

  /** When the torrent that waits longest has its turn. Who joins late does not put off those who wait. */
  #plan(now: Instant): void {
    const [oldest] = this.#announced.values()
    const soon = this.#fresh.size > 0 ? after(now, seconds(FIRST_SECONDS)) : undefined
    const again = oldest && after(oldest.announcedAt, seconds(TORRENT_SECONDS))
    const due = earliest(earliest(soon, again), this.#announceAt)
    const isEmpty = this.#fresh.size === 0 && oldest === undefined
    this.#announceAt =
      isEmpty || due === undefined
        ? undefined
        : latest(latest(due, now), after(this.#lastAnnounceAt, seconds(ANNOUNCE_SECONDS)))
  }

  #announce(now: Instant): void {
    this.#announceAt = undefined
    const infoHashes: Uint8Array[] = []
    const turns = [...this.#fresh, ...this.#announced].slice(0, LOCAL_HASHES_MAX)
    for (const [id, torrent] of turns) {
      const isDue = after(torrent.announcedAt, seconds(TORRENT_SECONDS)) <= now
      if (!isDue || infoHashes.length + torrent.infoHashes.length > LOCAL_HASHES_MAX) break
      infoHashes.push(...torrent.infoHashes)
      torrent.announcedAt = now
      this.#fresh.delete(id)
      this.#announced.delete(id)
      this.#announced.set(id, torrent)
    }
    if (infoHashes.length === 0) return
    this.#lastAnnounceAt = now
    const announce = { port: this.#port, infoHashes, cookie: this.#cookie }
    for (const group of GROUPS)
      this.#outputs.push({ kind: 'send', group, bytes: encodeLocalAnnounce(group, announce) })
  }

  #hear(now: Instant, host: string, bytes: Uint8Array): void {
    if (!this.#mayRead(now, host)) return
    const announce = decodeLocalAnnounce(bytes)
    if (!announce.ok || announce.value.cookie === this.#cookie) return
    const { port, infoHashes } = announce.value
    const torrents = new Set(infoHashes.map((infoHash) => this.#byHash.get(toHex(infoHash))))
    for (const torrent of torrents) {
      if (torrent === undefined) continue
      this.#outputs.push({ kind: 'found', torrent, peer: { host, port }, from: scopeOfHost(host) })
    }
  }

  #mayRead(now: Instant, host: string): boolean {
    if (now >= after(this.#heardSince, seconds(MINUTE_SECONDS))) {
      this.#heard.clear()
      this.#heardSince = now
    }
    const count = this.#heard.get(host) ?? 0
    if (count >= LIMITS.localPerHostMax.value) return false
    if (count === 0 && this.#heard.size >= LIMITS.localHostsMax.value) return false
    this.#heard.set(host, count + 1)
    return true
  }
}
