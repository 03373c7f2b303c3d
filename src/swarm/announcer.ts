/**
 * Announces one torrent to its trackers: tiers and fail-over (BEP 12), `started`, `completed` and
 * `stopped` each once per session and tracker (BEP 3), back-off after failures, an early announce when no
 * peer is left. It tracks, for each tracker, what it was told, when it answered and when it is next due;
 * it owns no timer and no socket.
 *
 * The trackers stand in order, tier after tier. The first that is not failing is the one in use; failing ones
 * before it are asked again when their back-off ends, and take over when they answer.
 *
 * Invariants: at most one request is open per tracker; `stopped` goes only to trackers that
 * took `started`, and is over by a deadline; the wait after failures grows, but never beyond a
 * bound. Bounded by `trackersMax`.
 */
import { LIMITS } from '../base/limits.ts'
import type { Machine } from '../base/machine.ts'
import type { Prng } from '../base/prng.ts'
import type { Result } from '../base/result.ts'
import { after, earliest, type Instant, seconds } from '../base/time.ts'
import { type AddressScope, scopeOfHost } from '../wire/address-scope.ts'
import type {
  AnnouncedPeer,
  AnnounceEvent,
  AnnounceReply,
  AnnounceRequest,
  TrackerFault,
} from '../wire/tracker-announce.ts'
import type { SwarmEvent } from './events.ts'

/** What the announcer asks the torrent it works for. */
export interface AnnouncerMediator {
  stats(): { readonly uploaded: number; readonly downloaded: number; readonly left: number }
  /** Are addresses welcome? Seeds take them too: they may be the ones who can dial. */
  wantsPeers(): boolean
  /** Something is missing and no connected peer has any of it. */
  isShortOfPeers(): boolean
}

export interface AnnouncerOptions {
  /** 20 bytes each. */
  readonly infoHash: Uint8Array
  readonly peerId: Uint8Array
  /** Where we listen. */
  readonly port: number
  /** 32 random bits by which a tracker knows us again when our address changes. */
  readonly key: number
  readonly tiers: readonly (readonly string[])[]
  /** While something is left to fetch, announce this often, whatever interval the tracker asks for. */
  readonly intervalOverrideSeconds?: number
}

export type AnnouncerInput =
  | { readonly kind: 'start' }
  /** Ends the session; the output `stopped` follows when trackers know, or the deadline has passed. */
  | { readonly kind: 'stop' }
  /** The download became complete in this session. */
  | { readonly kind: 'completed' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'answered'; readonly id: number; readonly result: Result<AnnounceReply, TrackerFault> }
  | { readonly kind: 'add-trackers'; readonly tiers: readonly (readonly string[])[] }

export type AnnouncerOutput =
  /** Wants `answered` with the same id. */
  | {
      readonly kind: 'announce'
      readonly id: number
      readonly url: string
      readonly request: AnnounceRequest
    }
  | {
      readonly kind: 'peers'
      readonly url: string
      readonly peers: readonly AnnouncedPeer[]
      /** How far the tracker's own address reaches. */
      readonly from: AddressScope | undefined
      /** Our own as the tracker sees it. */
      readonly externalIp: string | undefined
      /** Path of the tracker's API, when it offers one. */
      readonly api: string | undefined
    }
  | {
      readonly kind: 'event'
      readonly event: Extract<
        SwarmEvent,
        { event: 'announced' | 'announce-failed' | 'no-peers-left' | 'deregistered' }
      >
    }
  | { readonly kind: 'stopped' }

/** Bounds on what a tracker may ask for: neither a flood nor silence for days. */
const INTERVAL_SECONDS_MIN = 5
const INTERVAL_SECONDS_MAX = 86_400
/** First wait after a failure; doubles with each further one. */
const BACKOFF_SECONDS = 2
const BACKOFF_SECONDS_MAX = 900
/** First wait before asking again because no peer is connected; doubles while that does not help. */
const SHORTAGE_SECONDS = 5
/** `stopped` has this long in all, so that a program ends within five seconds. */
const STOP_SECONDS = 4
/** A tracker that has not answered `started` yet is worth less waiting. */
const STOP_UNANSWERED_SECONDS = 1
const STOP_RETRY_SECONDS = 0.25
const STOP_ATTEMPTS_MAX = 4
/** Waits stop doubling long before the power overflows. */
const DOUBLINGS_MAX = 16

const LONG_AGO = 0 as Instant
const NEVER = Number.POSITIVE_INFINITY as Instant

interface Tracker {
  readonly url: string
  readonly tier: number
  /** Id of the open request, and what it reports. */
  openId: number | undefined
  openEvent: AnnounceEvent | undefined
  /** Events it has answered in this session. */
  tookStarted: boolean
  tookCompleted: boolean
  /** In a row. */
  failureCount: number
  /** While failing: when to try again. */
  retryAt: Instant
  announcedAt: Instant
  intervalSeconds: number
  minIntervalSeconds: number
  trackerId: Uint8Array | undefined
  /** While stopping: still to be told, and until when. */
  isLeaving: boolean
  leaveBy: Instant
}

export class Announcer implements Machine<AnnouncerInput, AnnouncerOutput> {
  readonly #options: AnnouncerOptions
  readonly #prng: Prng
  #mediator: AnnouncerMediator
  /** Tier after tier, each in order of use. Bounded by trackersMax. */
  readonly #trackers: Tracker[] = []
  /** A few per tracker at most, drained between inputs. */
  readonly #outputs: AnnouncerOutput[] = []
  #tierCount = 0
  #phase: 'idle' | 'running' | 'stopping' = 'idle'
  #isRestartWanted = false
  #hasCompleted = false
  /** As last announced. */
  #leftBytes = 0
  #lastId = 0
  /** Early announces in a row that brought no connected peer. */
  #shortageCount = 0
  #stopBy = LONG_AGO

  constructor(options: AnnouncerOptions, prng: Prng, mediator: AnnouncerMediator) {
    this.#options = options
    this.#prng = prng
    this.#mediator = mediator
    this.#addTiers(options.tiers)
  }

  handle(now: Instant, input: AnnouncerInput): void {
    switch (input.kind) {
      case 'start':
        if (this.#phase === 'idle') this.#start()
        else if (this.#phase === 'stopping') this.#isRestartWanted = true
        break
      case 'stop':
        this.#isRestartWanted = false
        if (this.#phase !== 'stopping') this.#stop(now)
        break
      case 'completed':
        if (this.#phase === 'running') this.#hasCompleted = true
        break
      case 'answered': {
        const { result } = input
        const tracker = this.#close(input.id)
        if (tracker === undefined) break
        if (result.ok) this.#takeReply(tracker, result.value)
        else this.#takeFailure(now, tracker, result.error)
        break
      }
      case 'add-trackers':
        this.#addTiers(input.tiers)
        break
      case 'tick':
    }
    if (this.#phase === 'running') this.#announceDue(now)
    if (this.#phase === 'stopping') this.#leaveDue(now)
  }

  /** From now on it works for another torrent of the same infohash. */
  answerTo(mediator: AnnouncerMediator): void {
    this.#mediator = mediator
  }

  poll(): AnnouncerOutput | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined
    if (this.#phase === 'running') {
      for (const tracker of this.#trackers) {
        if (tracker.openId === undefined) next = earliest(next, this.#dueAt(tracker))
        if (tracker.failureCount === 0) break
      }
    } else if (this.#phase === 'stopping') {
      for (const tracker of this.#trackers) {
        if (!tracker.isLeaving) continue
        if (tracker.openId === undefined) next = earliest(next, tracker.retryAt)
        next = earliest(next, tracker.leaveBy)
      }
    }
    return next === NEVER ? undefined : next
  }

  #start(): void {
    this.#phase = 'running'
    this.#isRestartWanted = false
    this.#hasCompleted = false
    this.#shortageCount = 0
    for (const tracker of this.#trackers) Object.assign(tracker, newTracker(tracker.url, tracker.tier))
  }

  #stop(now: Instant): void {
    this.#stopBy = after(now, seconds(STOP_SECONDS))
    if (this.#phase === 'running') {
      for (const tracker of this.#trackers) {
        tracker.isLeaving = tracker.tookStarted || tracker.openId !== undefined
        tracker.leaveBy = tracker.tookStarted ? this.#stopBy : after(now, seconds(STOP_UNANSWERED_SECONDS))
        tracker.failureCount = 0
        tracker.retryAt = now
      }
    }
    this.#phase = 'stopping'
  }

  /**
   * Asks the trackers that are due: failing ones in order, then the one in use; those after it wait. The one
   * in use holds them back while its request is open too; a failing one that is tried again does not.
   */
  #announceDue(now: Instant): void {
    if (!this.#mediator.isShortOfPeers()) this.#shortageCount = 0
    for (const tracker of this.#trackers) {
      if (tracker.openId === undefined && this.#dueAt(tracker) <= now) {
        const event = this.#eventFor(tracker)
        const isRegular =
          event !== undefined || tracker.failureCount > 0 || this.#regularlyDueAt(tracker) <= now
        if (!isRegular && this.#shortageCount++ === 0)
          this.#outputs.push({ kind: 'event', event: { event: 'no-peers-left', tracker: tracker.url } })
        this.#send(now, tracker, event)
      }
      if (tracker.failureCount === 0) break
    }
  }

  /** Tells the trackers that are still to be told; the round ends when none is left. */
  #leaveDue(now: Instant): void {
    let isRoundOver = true
    for (const tracker of this.#trackers) {
      if (tracker.leaveBy <= now) tracker.isLeaving = false
      if (!tracker.isLeaving) continue
      isRoundOver = false
      if (tracker.openId === undefined && tracker.retryAt <= now) this.#send(now, tracker, 'stopped')
    }
    if (!isRoundOver) return
    this.#phase = 'idle'
    for (const tracker of this.#trackers) tracker.openId = undefined
    this.#outputs.push({ kind: 'stopped' })
    if (!this.#isRestartWanted) return
    this.#start()
    this.#announceDue(now)
  }

  #send(now: Instant, tracker: Tracker, event: AnnounceEvent | undefined): void {
    const { infoHash, peerId, port, key } = this.#options
    const stats = this.#mediator.stats()
    this.#leftBytes = stats.left
    tracker.openId = ++this.#lastId
    tracker.openEvent = event
    tracker.announcedAt = now
    const request: AnnounceRequest = {
      infoHash,
      peerId,
      port,
      ...stats,
      event,
      // Without a number the tracker decides, which is how it thins out the lists of large swarms.
      numwant: event !== 'stopped' && this.#mediator.wantsPeers() ? undefined : 0,
      key,
      trackerId: tracker.trackerId,
      compact: true,
    }
    this.#outputs.push({ kind: 'announce', id: tracker.openId, url: tracker.url, request })
  }

  #takeReply(tracker: Tracker, reply: AnnounceReply): void {
    tracker.failureCount = 0
    if (tracker.openEvent === 'stopped') {
      tracker.isLeaving = false
      this.#outputs.push({ kind: 'event', event: { event: 'deregistered', tracker: tracker.url } })
      return
    }
    if (tracker.openEvent === 'started') tracker.tookStarted = true
    if (tracker.openEvent === 'completed') tracker.tookCompleted = true
    tracker.trackerId = reply.trackerId ?? tracker.trackerId
    tracker.intervalSeconds = clampInterval(reply.intervalSeconds)
    tracker.minIntervalSeconds = Math.min(reply.minIntervalSeconds ?? 0, tracker.intervalSeconds)
    if (this.#phase === 'stopping') {
      // It answered after all: now it knows us and has to be told.
      tracker.leaveBy = this.#stopBy
      return
    }
    this.#moveToFront(tracker)
    const from = reply.from === undefined ? undefined : scopeOfHost(reply.from)
    const { peers, externalIp, api } = reply
    this.#outputs.push({ kind: 'peers', url: tracker.url, peers, from, externalIp, api })
    this.#outputs.push({
      kind: 'event',
      event: {
        event: 'announced',
        tracker: tracker.url,
        peers: reply.peers.length,
        interval: tracker.intervalSeconds,
        ...(reply.externalIp !== undefined && { externalIp: reply.externalIp }),
      },
    })
  }

  #takeFailure(now: Instant, tracker: Tracker, fault: TrackerFault): void {
    tracker.failureCount++
    const wait = this.#waitAfterFailure(tracker, fault)
    tracker.retryAt = wait === undefined ? NEVER : after(now, seconds(wait))
    const isHopeless = wait === undefined || !tracker.tookStarted || tracker.failureCount >= STOP_ATTEMPTS_MAX
    if (this.#phase === 'stopping' && isHopeless) tracker.isLeaving = false
    const { code, message, hint } = fault
    this.#outputs.push({
      kind: 'event',
      event: {
        event: 'announce-failed',
        tracker: tracker.url,
        code,
        message,
        ...(hint !== undefined && { hint }),
      },
    })
  }

  /** In seconds; undefined for never in this session. */
  #waitAfterFailure(tracker: Tracker, fault: TrackerFault): number | undefined {
    if (fault.code === 'tracker/unsupported-scheme') return undefined
    const doublings = Math.min(tracker.failureCount - 1, DOUBLINGS_MAX)
    if (this.#phase === 'stopping') return STOP_RETRY_SECONDS * 2 ** doublings
    if (fault.retryInSeconds === Number.POSITIVE_INFINITY) return undefined
    const wait = Math.min(BACKOFF_SECONDS * 2 ** doublings, BACKOFF_SECONDS_MAX)
    // A quarter either way, so that the peers of a tracker that comes back do not all come back at once.
    const jittered = wait * (0.75 + this.#prng.fraction() / 2)
    return Math.max(jittered, Math.min(fault.retryInSeconds ?? 0, INTERVAL_SECONDS_MAX))
  }

  /** The tracker whose request this was; undefined for one of a session that is over. */
  #close(id: number): Tracker | undefined {
    const tracker = this.#trackers.find((candidate) => candidate.openId === id)
    if (tracker !== undefined) tracker.openId = undefined
    return tracker
  }

  #eventFor(tracker: Tracker): AnnounceEvent | undefined {
    if (!tracker.tookStarted) return 'started'
    return this.#hasCompleted && !tracker.tookCompleted ? 'completed' : undefined
  }

  /** Asked after every input of the torrent, so it must stay cheap. */
  #dueAt(tracker: Tracker): Instant {
    if (tracker.failureCount > 0) return tracker.retryAt
    if (this.#eventFor(tracker) !== undefined) return tracker.announcedAt
    const regular = this.#regularlyDueAt(tracker)
    if (!this.#mediator.isShortOfPeers() || !this.#mediator.wantsPeers()) return regular
    const patience = SHORTAGE_SECONDS * 2 ** Math.min(this.#shortageCount, DOUBLINGS_MAX)
    const early = after(tracker.announcedAt, seconds(Math.max(tracker.minIntervalSeconds, patience)))
    return early < regular ? early : regular
  }

  #regularlyDueAt(tracker: Tracker): Instant {
    const override =
      this.#leftBytes > 0 && !this.#hasCompleted ? this.#options.intervalOverrideSeconds : undefined
    return after(tracker.announcedAt, seconds(override ?? tracker.intervalSeconds))
  }

  /** BEP 12: within its tier, the one that answers is asked first from now on. */
  #moveToFront(tracker: Tracker): void {
    const first = this.#trackers.findIndex((candidate) => candidate.tier === tracker.tier)
    this.#trackers.splice(this.#trackers.indexOf(tracker), 1)
    this.#trackers.splice(first, 0, tracker)
  }

  /** New addresses only, each tier in random order (BEP 12), after those that are there. */
  #addTiers(tiers: readonly (readonly string[])[]): void {
    const known = new Set(this.#trackers.map((tracker) => tracker.url))
    for (const urls of tiers) {
      for (const url of this.#prng.shuffle([...urls])) {
        if (known.has(url) || known.size >= LIMITS.trackersMax.value) continue
        known.add(url)
        this.#trackers.push(newTracker(url, this.#tierCount))
      }
      this.#tierCount++
    }
  }
}

function newTracker(url: string, tier: number): Tracker {
  return {
    url,
    tier,
    openId: undefined,
    openEvent: undefined,
    tookStarted: false,
    tookCompleted: false,
    failureCount: 0,
    retryAt: LONG_AGO,
    announcedAt: LONG_AGO,
    intervalSeconds: INTERVAL_SECONDS_MAX,
    minIntervalSeconds: 0,
    trackerId: undefined,
    isLeaving: false,
    leaveBy: LONG_AGO,
  }
}

function clampInterval(intervalSeconds: number): number {
  return Math.min(INTERVAL_SECONDS_MAX, Math.max(INTERVAL_SECONDS_MIN, intervalSeconds))
}
