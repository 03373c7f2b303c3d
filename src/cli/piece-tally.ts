/**
 * Who gave which pieces: counts every verified piece under the address it came from, also
 * of peers that have left since.
 * Invariant: over all sources, pieces add up to what was downloaded. Bounded by the peers of one download.
 */

import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { KnownEvent } from './events.ts'
import type { Output } from './output.ts'
import { formatBytes } from './units.ts'

export interface Source {
  readonly address: string
  client: string
  pieces: number
  bytes: number
}

/** How it stood when the download ended. */
interface DownloadEnd {
  readonly seconds: number
  readonly isComplete: boolean
  /** Wanted pieces that are not there. */
  readonly missing: number
}

export class PieceTally {
  readonly #metainfo: Metainfo
  readonly #geometry: Geometry
  readonly #sources = new Map<string, Source>()
  readonly #clients = new Map<string, string>()

  constructor(metainfo: Metainfo) {
    this.#metainfo = metainfo
    this.#geometry = new Geometry(metainfo, LIMITS.blockLengthMax.value)
  }

  record(event: KnownEvent): void {
    if (event.event === 'peer-connected') this.#clients.set(event.address, event.client)
    if (event.event !== 'piece-verified') return
    const source = this.#sources.get(event.from) ?? { address: event.from, client: '', pieces: 0, bytes: 0 }
    source.client = this.#clients.get(event.from) ?? source.client
    source.pieces++
    source.bytes += this.#geometry.pieceSize(event.piece)
    this.#sources.set(event.from, source)
  }

  /** Most pieces first. */
  get sources(): readonly Source[] {
    return [...this.#sources.values()].sort(
      (a, b) => b.pieces - a.pieces || a.address.localeCompare(b.address),
    )
  }

  /** The last words of a download: which peer gave how much, and the sum. */
  report(output: Output, { seconds, isComplete, missing }: DownloadEnd): void {
    const { sources } = this
    const { name, infoHashV1, infoHashV2 } = this.#metainfo
    const infoHash = toHex(infoHashV1 ?? infoHashV2!)
    const pieces = sources.reduce((sum, source) => sum + source.pieces, 0)
    const bytes = sources.reduce((sum, source) => sum + source.bytes, 0)
    for (const source of sources) output.event({ event: 'source', infoHash, name, ...source })
    const given = { pieces, bytes, seconds, sources: sources.length }
    output.event({ event: 'summary', infoHash, name, ...given, complete: isComplete, missing }, '')
    if (sources.length === 0) return
    output.text('')
    output.table(
      [
        { title: 'peer' },
        { title: 'client', isFlexible: true, isOptional: true },
        { title: 'pieces', align: 'right' },
        { title: 'bytes', align: 'right' },
      ],
      [
        ...sources.map((source) => [
          source.address,
          source.client || '-',
          source.pieces,
          formatBytes(source.bytes),
        ]),
        ['total', '', pieces, formatBytes(bytes)],
      ],
    )
  }
}
