/**
 * Who of the known peers is really there: every peer is probed when it joins and then once a period, by a
 * connection and a BitTorrent handshake of its swarm, and at once when another peer reports it (M20 to M23,
 * M34 to M36).
 *
 * | the probe | the peer |
 * |---|---|
 * | gets the handshake back | has been reached |
 * | connects and hears nothing | is dead |
 * | connects and is hung up on | lives, but would not talk: stays as it was, unless it was reported |
 * | cannot connect | is dead if it was reached before, or was reported; else it may be behind a router that
 * lets nobody in: it stays, last in all lists |
 *
 * A peer that announced a moment ago is probed like any other. A report alone removes nobody.
 * Invariants: one probe of a peer at a time; never more than `trackerProbesPerSecondMax` begin in a second
 * and `trackerProbesOpenMax` are open; every probe ends by itself or at the end of its window; new peers, old
 * ones and both address families take turns, so that none of them can starve another.
 */
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { Machine } from '../base/machine.ts'
import { after, earliest, type Instant, latest, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { formatAddress, formatEndpoint } from '../wire/endpoint.ts'
import { type PeerRef, refOf, type SwarmWatcher, slotOf } from './peer-record.ts'
import { NO_SLOT } from './peer-table.ts'
import { ProbeQueue } from './probe-queue.ts'
import type { SwarmTable } from './swarm-table.ts'

export interface HeartbeatOptions {
  /** Between two probes of a peer. */
  readonly periodSeconds: number
  /** A probe has this long for everything. */
  readonly windowSeconds: number
}

/** How a probe went; see the table above. */
export type ProbeResult = 'ok' | 'silent' | 'closed' | 'unreachable'

export type HeartbeatInput =
  | { readonly kind: 'tick' }
  /** Of a probe: it is connected; or it has ended. */
  | { readonly kind: 'probe-connected'; readonly probe: number }
  | { readonly kind: 'probe-ended'; readonly probe: number; readonly result: ProbeResult }

/** Field names are a contract with other programs. */
export type LivenessEvent =
  | {
      readonly event: 'heartbeat'
      readonly infoHash: string
      readonly address: string
      readonly result: ProbeResult
      readonly milliseconds: number
      /** Out of its turn, because of a report. */
      readonly isReported: boolean
    }
  /** A probe out of its turn begins. */
  | {
      readonly event: 'probe'
      readonly infoHash: string
      readonly address: string
      readonly isReported: true
    }
  | {
      readonly event: 'removed'
      readonly infoHash: string
      readonly address: string
      readonly reason: 'heartbeat-timeout'
    }
  /** It was reported, and is there. */
  | { readonly event: 'kept'; readonly infoHash: string; readonly address: string }

export type HeartbeatOutput =
  /** Wants `probe-ended`, and `probe-connected` before it if there was a connection. */
  | {
      readonly kind: 'probe'
      readonly probe: number
      readonly host: string
      readonly port: number
      readonly infoHash: Uint8Array
    }
  /** Nobody waits for it any more. */
  | { readonly kind: 'abandon-probe'; readonly probe: number }
  | { readonly kind: 'liveness'; readonly event: LivenessEvent }

interface OpenProbe {
  readonly ref: PeerRef
  readonly startedAt: Instant
  isConnected: boolean
  isReported: boolean
}

/** Probes that may begin at the same moment, after a pause. */
const BURST = 20
const INTERVAL = MICROSECONDS_PER_SECOND / LIMITS.trackerProbesPerSecondMax.value
/** A peer is probed for reports no more often. */
const REPORTED_PROBE_SECONDS = 10

export class Heartbeat implements Machine<HeartbeatInput, HeartbeatOutput>, SwarmWatcher {
  readonly #swarms: SwarmTable
  readonly #period: number
  readonly #window: number
  readonly #v4 = new ProbeQueue()
  readonly #v6 = new ProbeQueue()
  /** To be probed before all others. Bounded by `trackerReportsMax`. */
  readonly #reported = new Set<PeerRef>()
  /** When each was last probed for a report, oldest first. Bounded by `trackerReportsMax`. */
  readonly #reportedAt = new Map<PeerRef, Instant>()
  /** In the order they began. Bounded by `trackerProbesOpenMax`. */
  readonly #open = new Map<number, OpenProbe>()
  readonly #probeOf = new Map<PeerRef, number>()
  /** Drained after every input; a few for each probe that begins or ends. */
  readonly #outputs: HeartbeatOutput[] = []
  #lastProbe = 0
  /** When the budget is whole again (generic cell rate algorithm). */
  #wholeAt = 0 as Instant
  #turn = 0

  constructor(swarms: SwarmTable, { periodSeconds, windowSeconds }: HeartbeatOptions) {
    this.#swarms = swarms
    this.#period = seconds(periodSeconds)
    this.#window = seconds(windowSeconds)
    swarms.watch(this)
  }

  handle(now: Instant, input: HeartbeatInput): void {
    if (input.kind === 'probe-connected') {
      const open = this.#open.get(input.probe)
      if (open !== undefined) open.isConnected = true
    } else if (input.kind === 'probe-ended') this.#ended(now, input.probe, input.result)
    this.run(now)
  }

  /** What is due, after anything has changed. */
  run(now: Instant): void {
    for (const [probe, open] of this.#open) {
      if (after(open.startedAt, this.#window) > now) break
      this.#outputs.push({ kind: 'abandon-probe', probe })
      this.#ended(now, probe, open.isConnected ? 'silent' : 'unreachable')
    }
    while (this.#hasRoom && this.#budgetAt <= now) {
      const ref = this.#next(now)
      if (ref === undefined) return
      this.#begin(now, ref)
    }
  }

  poll(): HeartbeatOutput | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    const [first] = this.#open.values()
    const deadline = first === undefined ? undefined : after(first.startedAt, this.#window)
    if (!this.#hasRoom) return deadline
    const due = this.#dueAt
    return due === undefined ? deadline : earliest(deadline, latest(due, this.#budgetAt))
  }

  /**
   * Somebody says that this peer does not answer. False when that changes nothing now: it was probed for
   * a report a moment ago, must not be probed, or too many reports wait.
   */
  report(now: Instant, ref: PeerRef): boolean {
    if (!this.#swarms.mayBeProbed(ref)) return false
    const last = this.#reportedAt.get(ref)
    if (last !== undefined && now < after(last, seconds(REPORTED_PROBE_SECONDS))) return false
    this.#forgetReports(now)
    if (this.#reportedAt.size >= LIMITS.trackerReportsMax.value) return false
    this.#reportedAt.delete(ref)
    this.#reportedAt.set(ref, now)
    const open = this.#openFor(ref)
    // The probe on its way says the same as another one would.
    if (open !== undefined) open.isReported = true
    else this.#reported.add(ref)
    this.run(now)
    return true
  }

  joined(ref: PeerRef): void {
    if (this.#swarms.mayBeProbed(ref)) this.#queueOf(ref).welcome(slotOf(ref))
  }

  left(ref: PeerRef): void {
    this.#queueOf(ref).remove(slotOf(ref))
    this.#reported.delete(ref)
    this.#reportedAt.delete(ref)
    const probe = this.#probeOf.get(ref)
    if (probe === undefined) return
    this.#outputs.push({ kind: 'abandon-probe', probe })
    this.#forget(probe, ref)
  }

  #begin(now: Instant, ref: PeerRef): void {
    const isReported = this.#reported.delete(ref)
    this.#queueOf(ref).remove(slotOf(ref))
    this.#queueOf(ref).wait(slotOf(ref), after(now, this.#period))
    // With a window longer than the period the last probe may still be under way.
    if (this.#probeOf.has(ref)) return
    this.#wholeAt = after(latest(this.#wholeAt, now), INTERVAL)
    const probe = ++this.#lastProbe
    this.#open.set(probe, { ref, startedAt: now, isConnected: false, isReported })
    this.#probeOf.set(ref, probe)
    const { infoHash, address, port } = this.#swarms.record(ref)
    this.#outputs.push({ kind: 'probe', probe, host: formatAddress(address), port, infoHash })
    if (isReported) this.#tell({ event: 'probe', ...this.#about(ref), isReported })
  }

  #ended(now: Instant, probe: number, result: ProbeResult): void {
    const open = this.#open.get(probe)
    if (open === undefined) return
    const { ref, isReported, startedAt } = open
    this.#forget(probe, ref)
    const about = this.#about(ref)
    const milliseconds = Math.round((now - startedAt) / 1000)
    this.#tell({ event: 'heartbeat', ...about, result, milliseconds, isReported })
    const isAlive = result === 'ok' || (result === 'closed' && !isReported)
    const isDead = !isAlive && (isReported || result === 'silent' || this.#swarms.isReached(ref))
    if (isDead) {
      this.#swarms.evict(ref)
      this.#tell({ event: 'removed', ...about, reason: 'heartbeat-timeout' })
    } else if (result !== 'closed') this.#swarms.setReached(ref, result === 'ok')
    if (isReported && isAlive) this.#tell({ event: 'kept', ...about })
  }

  /** Whoever is due, in turns: a reported one before all others, then new and old of either family. */
  #next(now: Instant): PeerRef | undefined {
    for (const ref of this.#reported) return ref
    for (let i = 0; i < 4; i++) {
      const turn = this.#turn++ % 4
      const isV6 = turn % 2 === 1
      const queue = isV6 ? this.#v6 : this.#v4
      const isDue = queue.dueAt !== undefined && queue.dueAt <= now
      const slot = turn < 2 ? queue.firstNew : isDue ? queue.firstWaiting : NO_SLOT
      if (slot !== NO_SLOT) return refOf(slot, isV6)
    }
    return undefined
  }

  get #dueAt(): Instant | undefined {
    const isSomebodyNew = this.#v4.firstNew !== NO_SLOT || this.#v6.firstNew !== NO_SLOT
    if (isSomebodyNew || this.#reported.size > 0) return 0 as Instant
    return earliest(this.#v4.dueAt, this.#v6.dueAt)
  }

  /** Before this no probe may begin. */
  get #budgetAt(): Instant {
    return after(this.#wholeAt, -(BURST - 1) * INTERVAL)
  }

  get #hasRoom(): boolean {
    return this.#open.size < LIMITS.trackerProbesOpenMax.value
  }

  #openFor(ref: PeerRef): OpenProbe | undefined {
    const probe = this.#probeOf.get(ref)
    return probe === undefined ? undefined : this.#open.get(probe)
  }

  #forget(probe: number, ref: PeerRef): void {
    this.#open.delete(probe)
    this.#probeOf.delete(ref)
  }

  /** Reports that no longer hold back new ones. */
  #forgetReports(now: Instant): void {
    for (const [ref, at] of this.#reportedAt) {
      if (after(at, seconds(REPORTED_PROBE_SECONDS)) > now) return
      this.#reportedAt.delete(ref)
    }
  }

  #queueOf(ref: PeerRef): ProbeQueue {
    return (ref & 1) === 0 ? this.#v4 : this.#v6
  }

  #about(ref: PeerRef): { readonly infoHash: string; readonly address: string } {
    const { infoHash, address, port } = this.#swarms.record(ref)
    return { infoHash: toHex(infoHash), address: formatEndpoint({ host: formatAddress(address), port }) }
  }

  #tell(event: LivenessEvent): void {
    this.#outputs.push({ kind: 'liveness', event })
  }
}
