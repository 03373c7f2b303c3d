/**
 * Swarms in this process: the machine, its clock, its answers to those who asked, and its probes of peers.
 */
import type { Instant } from '../base/time.ts'
import { Pump } from '../runtime/pump.ts'
import type { AnnounceQuestion, TakeAnswer } from '../tracker/announce-desk.ts'
import type { TrackerOptions } from '../tracker/announce-policy.ts'
import type { LivenessEvent } from '../tracker/heartbeat.ts'
import type { PeerDesk } from '../tracker/peer-desk.ts'
import type { KeptSwarm } from '../tracker/swarm-snapshot.ts'
import { SwarmTable, type SwarmTableBounds } from '../tracker/swarm-table.ts'
import { Tracker, type TrackerInput, type TrackerOutput } from '../tracker/tracker.ts'
import { nodeClock } from './node-clock.ts'
import { freshEnv } from './node-crypto.ts'
import type { PeerBook } from './peer-book.ts'
import { ProbeDialer } from './probe-dialer.ts'
import type { TrackerBackend } from './tracker-backend.ts'

export interface LocalTrackerOptions extends TrackerOptions {
  /** Where the tracker listens, and probes from; undefined = all interfaces. */
  readonly host?: string | undefined
  /** Absent: those of `base/limits.ts`. */
  readonly bounds?: SwarmTableBounds | undefined
  /** Hears what the heartbeat finds. */
  readonly onLiveness?: ((event: LivenessEvent) => void) | undefined
}

/** Answers come in the order of the questions, so nobody needs to tell them apart. */
const NO_ID = 0

export class LocalTracker implements TrackerBackend {
  readonly peers: PeerBook = {
    list: (infoHash, wantsAll) => this.#tracker.desk.list(infoHash, wantsAll),
    locations: (infoHash) => this.#tracker.desk.locations(infoHash),
    register: (peer, left) => this.#withPeers((desk, now) => desk.register(now, peer, left)),
    deregister: (peer) => this.#withPeers((desk) => desk.deregister(peer)),
    have: (peer, ranges, replaces) => this.#withPeers((desk) => desk.have(peer, ranges, replaces)),
    report: (report) => this.#withPeers((desk, now) => desk.report(now, report)),
  }
  readonly #tracker: Tracker
  readonly #pump: Pump<TrackerInput, TrackerOutput>
  /** Who waits, in the order of the answers: the machine gives each at once. Bounded by the pump's queue. */
  readonly #waiting: TakeAnswer[] = []
  readonly #probes: ProbeDialer
  readonly #onLiveness: ((event: LivenessEvent) => void) | undefined

  constructor(options: LocalTrackerOptions) {
    const env = freshEnv()
    const swarms = new SwarmTable(env.prng.fork('swarm-table'), options.bounds)
    this.#tracker = new Tracker(env, options, swarms)
    this.#pump = new Pump<TrackerInput, TrackerOutput>(this.#tracker, nodeClock, { kind: 'tick' }, (output) =>
      this.#execute(output),
    )
    const { host, onLiveness } = options
    this.#onLiveness = onLiveness
    this.#probes = new ProbeDialer(
      {
        connected: (probe) => this.#pump.push({ kind: 'probe-connected', probe }),
        ended: (probe, result) => this.#pump.push({ kind: 'probe-ended', probe, result }),
      },
      probeAddress(host),
    )
  }

  ask(question: AnnounceQuestion, answer: TakeAnswer): void {
    this.#waiting.push(answer)
    this.#pump.push(
      // Spelled out, since spreading costs more than all else here.
      question.kind === 'announce'
        ? {
            kind: 'announce',
            id: NO_ID,
            address: question.address,
            from: question.from,
            request: question.request,
          }
        : { kind: 'scrape', id: NO_ID, infoHashes: question.infoHashes },
    )
  }

  counts(infoHash: Uint8Array) {
    return this.#tracker.counts(infoHash)
  }

  stats() {
    return this.#tracker.stats()
  }

  keptSwarms(): Generator<KeptSwarm> {
    return this.#tracker.keptSwarms()
  }

  restoreSwarms(swarms: readonly KeptSwarm[]): void {
    const now = nodeClock.now()
    for (const swarm of swarms) this.#tracker.restore(now, swarm)
    this.#pump.push({ kind: 'tick' })
  }

  close(): void {
    this.#pump.stop()
    this.#probes.close()
  }

  /** Does what follows from it, too. */
  #withPeers<T>(use: (peers: PeerDesk, now: Instant) => T): T {
    const result = use(this.#tracker.desk, nodeClock.now())
    this.#pump.push({ kind: 'tick' })
    return result
  }

  #execute(output: TrackerOutput): void {
    switch (output.kind) {
      case 'probe': {
        const { probe, host, port, infoHash } = output
        return this.#probes.dial(probe, { host, port }, infoHash)
      }
      case 'abandon-probe':
        return this.#probes.abandon(output.probe)
      case 'liveness':
        return this.#onLiveness?.(output.event)
      default:
        return this.#waiting.shift()?.(output)
    }
  }
}

/** Where to probe from, of where the tracker listens: undefined = as the system likes. */
export function probeAddress(host: string | undefined): string | undefined {
  return host === '0.0.0.0' || host === '::' ? undefined : host
}
