/**
 * A torrent of a peer node from its magnet link to its metadata: the swarm machine asks peers for it, and
 * `metadata` resolves with what they gave. A `TorrentTask` of the same id then takes its place.
 */
import { toHex } from '../base/bytes.ts'
import type { Result } from '../base/result.ts'
import type { SwarmEvent } from '../swarm/events.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ShoalError } from './shoal-error.ts'

export interface MagnetAddOptions {
  /** What is known: `metainfoOfMagnet`, or a v2 torrent whose piece layers are missing. */
  readonly metainfo: Metainfo
  /** Tiers; undefined = those of the metainfo. */
  readonly trackers?: readonly (readonly string[])[]
  readonly peers: readonly Endpoint[]
  /** Addresses of its record in catalogs. */
  readonly exactSources?: readonly string[]
}

export class MagnetTask {
  readonly id: number
  readonly options: MagnetAddOptions
  /** Rejects with ShoalError when what peers have cannot be used, or it was stopped before. */
  readonly metadata: Promise<Metainfo>
  /** A tracker has answered. */
  hasAnnounced = false
  /** Somebody has given the metadata. */
  isKnown = false
  readonly #requiresTracker: boolean
  readonly #emit: (event: SwarmEvent) => void
  #resolve!: (metainfo: Metainfo) => void
  #reject!: (error: ShoalError) => void

  constructor(
    id: number,
    options: MagnetAddOptions,
    requiresTracker: boolean,
    emit: (event: SwarmEvent) => void,
  ) {
    this.id = id
    this.options = options
    this.#requiresTracker = requiresTracker
    this.#emit = emit
    this.metadata = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Not everybody waits for it.
    this.metadata.catch(() => {})
  }

  get infoHash(): string {
    const { infoHashV1, infoHashV2 } = this.options.metainfo
    return toHex(infoHashV1 ?? infoHashV2!)
  }

  /** As the link says, until the metadata does. */
  get name(): string {
    return this.options.metainfo.name
  }

  swarmEvent(event: SwarmEvent): void {
    this.#emit(event)
    if (event.event === 'announced') this.hasAnnounced = true
    if (event.event === 'announce-failed' && this.#requiresTracker && !this.hasAnnounced)
      this.#reject(new ShoalError('tracker/required', event.message, event.hint))
  }

  received(result: Result<Metainfo>): void {
    if (result.ok) {
      this.isKnown = true
      this.#resolve(result.value)
    } else this.#reject(ShoalError.from(result.error))
  }

  stop(): void {
    this.#reject(
      new ShoalError(
        'transfer/no-metadata',
        'stopped before a peer had sent the metadata',
        'start it again; more peers or trackers may help: --peer, --tracker',
      ),
    )
  }
}
