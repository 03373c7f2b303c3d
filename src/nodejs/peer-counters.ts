/**
 * What a peer has done, counted from its events, and what earlier peers did at the same address and port: a
 * small file for each address keeps the counts of every id that listened there.
 * Invariants: an address has at most `counterIdsMax` ids in its file, older ones are added up in one entry;
 * a file that cannot be read or written costs the earlier counts, never the peer.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LIMITS } from '../base/limits.ts'
import { fromLatin1 } from '../base/text.ts'
import { type CounterName, Counters, sumOf } from '../swarm/counters.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { StatsQuery, StatsReply } from '../wire/stats-messages.ts'
import { keepNewestFiles } from './newest-files.ts'
import type { NodeEvent } from './node-events.ts'

/** Counts that were reached are on disk so much later at most. */
const SAVE_MS = 2000
/** Addresses whose counts are kept; those that were not used for longest go. */
const FILES_MAX = 256

interface KeptId {
  /** How many ids these counts are of. */
  readonly ids: number
  readonly peerId: string
  readonly counters: Readonly<Record<string, number>>
}

/** Events that are counted as they are. */
const COUNTED: Readonly<Partial<Record<NodeEvent['event'], CounterName>>> = {
  listening: 'peer_started',
  stopped: 'peer_stopped',
  connecting: 'connection_dialled',
  'peer-disconnected': 'connection_closed',
  'handshake-ok': 'handshake_done',
  deregistered: 'peer_deregistered',
  'announce-failed': 'announce_failed',
  'piece-verified': 'piece_verified',
  'piece-failed': 'piece_failed',
  'peer-banned': 'peer_banned',
  'protocol-error': 'protocol_error',
  complete: 'torrent_complete',
  'claims-answered': 'claims_answered',
}

export class PeerCounters {
  readonly #counters = new Counters()
  readonly #peerId: string
  readonly #file: string | undefined
  readonly #earlier: readonly KeptId[]
  /** Tracker and torrent of each registration. Bounded by the trackers of the torrents of this peer. */
  readonly #registered = new Set<string>()
  readonly #timer: NodeJS.Timeout | undefined
  #hasNews = false

  /** @param file where earlier ids are; undefined for none, as where the port was chosen by chance */
  constructor(peerId: string, file: string | undefined) {
    this.#peerId = peerId
    this.#file = file
    this.#earlier = file === undefined ? [] : readKept(file)
    if (file !== undefined) this.#timer = setInterval(() => this.save(), SAVE_MS).unref()
  }

  count(name: CounterName): void {
    this.#counters.count(name)
    this.#hasNews = true
  }

  /** @param torrent which it is about: its infohash */
  heard(event: NodeEvent, torrent = ''): void {
    const name = COUNTED[event.event]
    if (name !== undefined) this.count(name)
    if (event.event === 'announced') this.#announced(`${torrent} ${event.tracker}`)
    if (event.event === 'deregistered') this.#registered.delete(`${torrent} ${event.tracker}`)
  }

  stats({ allIds }: StatsQuery): StatsReply {
    const own = this.#counters.all()
    const earlier = allIds ? this.#earlier : []
    return {
      peerId: fromLatin1(this.#peerId),
      ids: earlier.reduce((sum, { ids }) => sum + ids, 1),
      counters: sumOf([...earlier.map(({ counters }) => new Map(Object.entries(counters))), own]),
    }
  }

  save(): void {
    if (this.#file === undefined || !this.#hasNews) return
    this.#hasNews = false
    const own = { ids: 1, peerId: this.#peerId, counters: Object.fromEntries(this.#counters.all()) }
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
      // Not worth waiting for the disk in the middle of a transfer.
      const temporary = `${this.#file}.${process.pid}.tmp`
      writeFileSync(temporary, JSON.stringify(merged([...this.#earlier, own])))
      renameSync(temporary, this.#file)
    } catch {
      // Nobody's counts are worth a peer.
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.save()
  }

  /** The first answered announce registers a torrent, later ones ask for peers. */
  #announced(registration: string): void {
    this.count(this.#registered.has(registration) ? 'peers_queried' : 'peer_registered')
    this.#registered.add(registration)
  }
}

/** Where the counts of an address are kept; makes room when there are too many. */
export function countersFile(folder: string, { host, port }: Endpoint): string {
  keepNewestFiles(folder, FILES_MAX - 1)
  return join(folder, `${host.replaceAll(':', '.')}-${port}.json`)
}

/** Newest last; the oldest are added up. */
function merged(kept: readonly KeptId[]): readonly KeptId[] {
  const extra = kept.slice(0, Math.max(0, kept.length - LIMITS.counterIdsMax.value + 1))
  if (extra.length < 2) return kept
  const counters = sumOf(extra.map((id) => new Map(Object.entries(id.counters))))
  const ids = extra.reduce((sum, id) => sum + id.ids, 0)
  return [{ ids, peerId: 'earlier', counters: Object.fromEntries(counters) }, ...kept.slice(extra.length)]
}

function readKept(file: string): readonly KeptId[] {
  try {
    const kept: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return Array.isArray(kept) ? kept.filter(isKeptId).slice(-LIMITS.counterIdsMax.value) : []
  } catch {
    return []
  }
}

function isKeptId(value: unknown): value is KeptId {
  const { ids, peerId, counters } = (value ?? {}) as Partial<KeptId>
  const isCounts = typeof counters === 'object' && Object.values(counters).every(Number.isSafeInteger)
  return Number.isSafeInteger(ids) && typeof peerId === 'string' && isCounts
}
