/**
 * What we tell a Shoal tracker beside announces, if it offers to listen (docs/tracker-extension.md): which
 * pieces we have while we download, so that others see where they are (L29, L30), and which peers of its
 * list did not answer (M34). And what we ask: with `--refresh-locations`, where the pieces are (L8).
 * A tracker that does not offer it is told and asked nothing of this.
 *
 * Invariants: every verified piece is told in the end, also after a failure, a restart of the tracker or our
 * own; at most one call about pieces in an interval, and one of each kind open, for each tracker; a peer is
 * reported once until it has answered again.
 * Bounded by `extendedTrackersMax`, `registeredRangesMax` and `knownPeersMax`.
 */
import { Bitfield } from '../base/bitfield.ts'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Result } from '../base/result.ts'
import { after, earliest, type Instant, latest, seconds } from '../base/time.ts'
import type { AddressScope } from '../wire/address-scope.ts'
import { type Endpoint, formatEndpoint, parseAddress } from '../wire/endpoint.ts'
import type { AnnouncedPeer } from '../wire/tracker-announce.ts'
import type { SwarmEvent } from './events.ts'

export interface TrackerExtensionMediator {
  /** The pieces we have. */
  have(): Bitfield
  isDownloading(): boolean
}

export interface TrackerExtensionOptions {
  /** 20 bytes each. */
  readonly infoHash: Uint8Array
  readonly peerId: Uint8Array
  /** Where we listen. */
  readonly port: number
  /** How often pieces are told at most; undefined = never. */
  readonly registerEverySeconds: number | undefined
  /** With every announce during the download, ask where the pieces are. */
  readonly refreshesLocations: boolean
}

/** One request to the tracker's API, with what becomes its JSON; without a body it only asks. */
export interface TrackerCall {
  /** Announce address of the tracker, whose host the request goes to. */
  readonly url: string
  /** Path and query. */
  readonly path: string
  readonly body?: Readonly<Record<string, unknown>>
}

export type TrackerExtensionOutput =
  /** Wants `called` with the same id. */
  | { readonly kind: 'call'; readonly id: number; readonly call: TrackerCall }
  | {
      readonly kind: 'event'
      readonly event: Extract<SwarmEvent, { event: 'reported' | 'registered' | 'locations-refreshed' }>
    }
  | {
      readonly kind: 'located'
      readonly url: string
      readonly peers: readonly Endpoint[]
      /** How far the tracker's own address reaches. */
      readonly from: AddressScope | undefined
    }

/** What the answer to an announce says. */
export interface AnnouncedList {
  readonly url: string
  /** Path of the tracker's API, when it offers one. */
  readonly api: string | undefined
  readonly peers: readonly AnnouncedPeer[]
  readonly from: AddressScope | undefined
}

type Range = readonly [first: number, last: number]

interface Extended {
  readonly url: string
  api: string
  from: AddressScope | undefined
  /** Addresses it has given us. Bounded by knownPeersMax. */
  readonly listed: Set<string>
  /** Pieces it knows we have; undefined when it knows nothing, so that all are told anew. */
  told: Bitfield | undefined
  /** What the open call about pieces tells. */
  telling: { readonly id: number; readonly ranges: readonly Range[] } | undefined
  /** Since when there is something to tell. */
  dirtySince: Instant | undefined
  toldAt: Instant
  failureCount: number
  reporting: number | undefined
  locating: number | undefined
}

interface Report {
  readonly tracker: Extended
  readonly endpoint: Endpoint
}

/** Reports that wait; more are dropped, since the tracker will find out by itself. */
const REPORTS_WAITING_MAX = 64
const BACKOFF_DOUBLINGS_MAX = 6
const LONG_AGO = Number.NEGATIVE_INFINITY as Instant

export class TrackerExtension {
  readonly #options: TrackerExtensionOptions
  #mediator: TrackerExtensionMediator
  /** Bounded by extendedTrackersMax. */
  #trackers: Extended[] = []
  /** Bounded by REPORTS_WAITING_MAX. */
  readonly #reports: Report[] = []
  /** Bounded by knownPeersMax. */
  readonly #reported = new Set<string>()
  /** A few, drained between inputs. */
  readonly #outputs: TrackerExtensionOutput[] = []
  #lastId = 0

  constructor(options: TrackerExtensionOptions, mediator: TrackerExtensionMediator) {
    this.#options = options
    this.#mediator = mediator
  }

  answerTo(mediator: TrackerExtensionMediator): void {
    this.#mediator = mediator
    for (const tracker of this.#trackers) tracker.told = undefined
  }

  /** An announce was answered. */
  announced(now: Instant, { url, api, peers, from }: AnnouncedList): void {
    const tracker = this.#learn(url, api)
    const isRefresh = this.#options.refreshesLocations && this.#mediator.isDownloading()
    if (tracker === undefined) {
      if (isRefresh) this.#refreshed(url, peers.length)
      return
    }
    for (const peer of peers)
      if (tracker.listed.size < LIMITS.knownPeersMax.value) tracker.listed.add(formatEndpoint(peer))
    tracker.from = from
    tracker.failureCount = 0
    if (this.#mediator.isDownloading() && this.#hasNews(tracker)) tracker.dirtySince ??= now
    if (isRefresh && tracker.locating === undefined)
      tracker.locating = this.#call(tracker, `/locations?info_hash=${toHex(this.#options.infoHash)}`)
    this.run(now)
  }

  /** We have other pieces than before. @param areLost also fewer */
  piecesChanged(now: Instant, areLost: boolean): void {
    for (const tracker of this.#trackers) {
      tracker.dirtySince ??= now
      if (areLost) tracker.told = undefined
    }
  }

  /** A dial of this peer got no answer. */
  unanswered(endpoint: Endpoint): void {
    const address = formatEndpoint(endpoint)
    if (this.#reported.has(address) || this.#reported.size >= LIMITS.knownPeersMax.value) return
    for (const tracker of this.#trackers) {
      if (!tracker.listed.has(address) || this.#reports.length >= REPORTS_WAITING_MAX) continue
      this.#reported.add(address)
      this.#reports.push({ tracker, endpoint })
    }
    this.#sendReports()
  }

  answered(endpoint: Endpoint): void {
    if (this.#reported.size > 0) this.#reported.delete(formatEndpoint(endpoint))
  }

  called(now: Instant, id: number, result: Result<unknown>): void {
    for (const tracker of this.#trackers) {
      if (tracker.reporting === id) {
        tracker.reporting = undefined
        this.#sendReports()
      } else if (tracker.locating === id) {
        tracker.locating = undefined
        if (result.ok) this.#located(tracker, result.value)
      } else if (tracker.telling?.id === id) this.#registered(now, tracker, result)
    }
    this.run(now)
  }

  /** Tells what is due. */
  run(now: Instant): void {
    for (const tracker of this.#trackers) {
      const due = this.#dueAt(tracker)
      if (due !== undefined && due <= now) this.#tell(now, tracker)
    }
  }

  /** Tells at once what is left to tell. */
  flush(now: Instant): void {
    this.#reports.length = 0
    if (this.#options.registerEverySeconds === undefined) return
    for (const tracker of this.#trackers)
      if (tracker.dirtySince !== undefined && tracker.failureCount === 0) this.#tell(now, tracker)
  }

  poll(): TrackerExtensionOutput | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined
    for (const tracker of this.#trackers) next = earliest(next, this.#dueAt(tracker))
    return next
  }

  #learn(url: string, api: string | undefined): Extended | undefined {
    const known = this.#trackers.find((tracker) => tracker.url === url)
    if (api === undefined) {
      this.#trackers = this.#trackers.filter((tracker) => tracker !== known)
      return undefined
    }
    if (known !== undefined) {
      known.api = api
      return known
    }
    if (this.#trackers.length >= LIMITS.extendedTrackersMax.value) return undefined
    const tracker: Extended = {
      url,
      api,
      from: undefined,
      listed: new Set(),
      told: undefined,
      telling: undefined,
      dirtySince: undefined,
      toldAt: LONG_AGO,
      failureCount: 0,
      reporting: undefined,
      locating: undefined,
    }
    this.#trackers.push(tracker)
    return tracker
  }

  #hasNews({ told, telling }: Extended): boolean {
    return telling === undefined && this.#mediator.have().count > (told?.count ?? 0)
  }

  /** When pieces are to be told; a second after there is something to tell, so that more can join it. */
  #dueAt({ dirtySince, telling, toldAt, failureCount }: Extended): Instant | undefined {
    const every = this.#options.registerEverySeconds
    if (every === undefined || dirtySince === undefined || telling !== undefined) return undefined
    const wait = seconds(every * 2 ** Math.min(failureCount, BACKOFF_DOUBLINGS_MAX))
    return latest(after(dirtySince, seconds(every)), after(toldAt, wait))
  }

  #tell(now: Instant, tracker: Extended): void {
    const { infoHash, peerId, port } = this.#options
    const have = this.#mediator.have()
    const ranges = rangesOf(have, tracker.told, LIMITS.registeredRangesMax.value)
    tracker.dirtySince = undefined
    tracker.toldAt = now
    if (ranges.length === 0 && tracker.told !== undefined) return
    const replaces = tracker.told === undefined
    const id = this.#call(tracker, '/have', {
      info_hash: toHex(infoHash),
      peer_id: toHex(peerId),
      port,
      pieces: have.length,
      have: ranges,
      ...(replaces && { replace: true }),
    })
    tracker.telling = { id, ranges }
  }

  #registered(now: Instant, tracker: Extended, result: Result<unknown>): void {
    const { ranges } = tracker.telling!
    tracker.telling = undefined
    const have = this.#mediator.have()
    const isAccepted = result.ok && isObject(result.value) && result.value.accepted === true
    if (!isAccepted) {
      // It may have taken our words, or have forgotten us, so everything is told again.
      tracker.failureCount++
      tracker.told = undefined
      tracker.dirtySince = now
      return
    }
    tracker.failureCount = 0
    tracker.told ??= new Bitfield(have.length)
    for (const [first, last] of ranges)
      for (let piece = first; piece <= last && piece < have.length; piece++) tracker.told.set(piece)
    if (this.#hasNews(tracker)) tracker.dirtySince ??= now
    const { count: pieces } = tracker.told
    this.#outputs.push({
      kind: 'event',
      event: { event: 'registered', tracker: tracker.url, pieces, total: have.length },
    })
  }

  #sendReports(): void {
    const { infoHash, peerId, port } = this.#options
    for (let i = 0; i < this.#reports.length; i++) {
      const { tracker, endpoint } = this.#reports[i]!
      if (tracker.reporting !== undefined) continue
      this.#reports.splice(i--, 1)
      tracker.reporting = this.#call(tracker, '/report', {
        info_hash: toHex(infoHash),
        ip: endpoint.host,
        port: endpoint.port,
        peer_id: toHex(peerId),
        peer_port: port,
      })
      const event = { event: 'reported', tracker: tracker.url, address: formatEndpoint(endpoint) } as const
      this.#outputs.push({ kind: 'event', event })
    }
  }

  /** @param answer as it came */
  #located(tracker: Extended, answer: unknown): void {
    const rows = isObject(answer) && Array.isArray(answer.peers) ? answer.peers : []
    const peers = rows.slice(0, LIMITS.numwantMax.value).flatMap(endpointOf)
    this.#refreshed(tracker.url, peers.length)
    this.#outputs.push({ kind: 'located', url: tracker.url, peers, from: tracker.from })
  }

  #refreshed(url: string, sources: number): void {
    this.#outputs.push({ kind: 'event', event: { event: 'locations-refreshed', tracker: url, sources } })
  }

  #call({ url, api }: Extended, path: string, body?: Readonly<Record<string, unknown>>): number {
    const id = ++this.#lastId
    this.#outputs.push({ kind: 'call', id, call: { url, path: api + path, ...(body && { body }) } })
    return id
  }
}

/** The bits of `have` that `told` lacks, as ranges, the first `rangesMax` of them. */
function rangesOf(have: Bitfield, told: Bitfield | undefined, rangesMax: number): Range[] {
  const ranges: [number, number][] = []
  for (let at = 0; at < have.bytes.length; at++) {
    const fresh = have.bytes[at]! & ~(told?.bytes[at] ?? 0)
    if (fresh === 0) continue
    for (let bit = 0; bit < 8; bit++) {
      if ((fresh & (0x80 >> bit)) === 0) continue
      const piece = at * 8 + bit
      const range = ranges.at(-1)
      if (range !== undefined && range[1] === piece - 1) range[1] = piece
      else if (ranges.length === rangesMax) return ranges
      else ranges.push([piece, piece])
    }
  }
  return ranges
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function endpointOf(row: unknown): Endpoint[] {
  if (!isObject(row)) return []
  const { ip, port } = row
  const isUsable =
    typeof ip === 'string' &&
    parseAddress(ip) !== undefined &&
    Number.isInteger(port) &&
    (port as number) > 0 &&
    (port as number) <= 0xffff
  return isUsable ? [{ host: ip, port: port as number }] : []
}
