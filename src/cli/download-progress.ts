/**
 * How far a download has come, in wanted pieces: whether it is complete, and what to say when it ends before.
 * Invariant: complete only when everything wanted was there and nothing was found wrong since.
 */
import { Bitfield } from '../base/bitfield.ts'
import { LIMITS } from '../base/limits.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import type { KnownEvent } from './events.ts'

export class DownloadProgress {
  readonly #wanted: Bitfield
  /** Seconds the download took; undefined until it is complete. */
  seconds: number | undefined
  isComplete = false
  /** Wanted pieces that are not there. */
  missing: number
  #isChecked = false

  constructor(metainfo: Metainfo, wantedFiles: ReadonlySet<FileEntry>) {
    const geometry = new Geometry(metainfo, LIMITS.blockLengthMax.value)
    this.#wanted = new Bitfield(metainfo.pieceCount)
    for (const [index, file] of metainfo.files.entries()) {
      if (!wantedFiles.has(file)) continue
      const { first, end } = geometry.filePieces(index)
      for (let piece = first; piece < end; piece++) this.#wanted.set(piece)
    }
    this.missing = this.#wanted.count
  }

  record(event: KnownEvent): void {
    if (event.event === 'checked') this.#isChecked = true
    if (event.event === 'compromised') this.isComplete = false
    if (event.event !== 'complete') return
    this.isComplete = true
    this.seconds = event.seconds
  }

  /** Counts what is missing; for a seed that is also what decides about completeness. */
  update(node: Pick<PeerNode, 'status'>): void {
    const torrent = node.status().torrents[0]
    if (torrent === undefined || !this.#isChecked) return
    this.missing = 0
    for (const [first, last] of torrent.missing)
      for (let piece = first; piece <= last; piece++) if (this.#wanted.has(piece)) this.missing++
    if (torrent.role === 'seed-only') this.isComplete = this.missing === 0
  }

  /** `297 of 1186 pieces`. */
  get text(): string {
    if (!this.#isChecked) return 'stopped before the files were checked'
    const total = this.#wanted.count
    return `${total - this.missing} of ${total} pieces`
  }
}
