/**
 * What `get` says about its one download: what is wanted, how far it has come, who gave what. Of a magnet
 * link all this is known only once peers have sent the metadata.
 */
import { LIMITS } from '../base/limits.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { DownloadProgress } from './download-progress.ts'
import type { KnownEvent } from './events.ts'
import type { Output } from './output.ts'
import { PieceTally } from './piece-tally.ts'
import { formatBytes, formatCount } from './units.ts'

/** Which files are wanted, by their path below the torrent's folder. */
export type Select = (path: readonly string[]) => boolean

export class Download {
  readonly #output: Output
  /** Events that came before anything was known: who is connected. Bounded by `knownPeersMax`. */
  readonly #early: KnownEvent[] = []
  #tally: PieceTally | undefined
  #progress: DownloadProgress | undefined

  constructor(output: Output) {
    this.#output = output
  }

  get isComplete(): boolean {
    return this.#progress?.isComplete ?? false
  }

  /** `297 of 1186 pieces`. */
  get text(): string {
    return this.#progress?.text ?? 'stopped before a peer had sent the metadata'
  }

  /** Throws `usage/nothing-selected`. */
  begin(metainfo: Metainfo, select: Select | undefined): { readonly select?: Select } {
    const files = metainfo.files.filter((file) => !file.isPad)
    const wanted = select ? files.filter((file) => select(file.path)) : files
    if (wanted.length === 0)
      throw new ShoalError(
        'usage/nothing-selected',
        'no file is selected',
        'Run `shoal info` to see the paths.',
      )
    const bytes = wanted.reduce((sum, file) => sum + file.length, 0)
    const of = wanted.length < files.length ? ` of ${files.length}` : ''
    this.#output.text(`${metainfo.name}: ${formatBytes(bytes)} in ${formatCount(wanted.length, 'file')}${of}`)
    this.#tally = new PieceTally(metainfo)
    this.#progress = new DownloadProgress(metainfo, new Set(wanted))
    for (const event of this.#early.splice(0)) this.#tally.record(event)
    return select ? { select } : {}
  }

  record(event: KnownEvent): void {
    this.#tally?.record(event)
    this.#progress?.record(event)
    const isEarly = this.#tally === undefined && event.event === 'peer-connected'
    if (isEarly && this.#early.length < LIMITS.knownPeersMax.value) this.#early.push(event)
  }

  update(node: PeerNode): void {
    this.#progress?.update(node)
  }

  /** The last words. @param seconds how long it ran, unless it is complete */
  report(seconds: number): void {
    if (this.#progress === undefined) return
    const { isComplete, missing } = this.#progress
    this.#tally?.report(this.#output, { seconds: this.#progress.seconds ?? seconds, isComplete, missing })
  }
}
