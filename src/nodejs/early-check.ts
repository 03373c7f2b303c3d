/**
 * The check of a seed's content, begun before there is a node to seed it: while sockets are opened and the
 * rest of the program is loaded, which keeps one core busy, hashing has the other. Only for a torrent of
 * which nothing is known; one that was checked before is mostly not read at all.
 */
import { Bitfield } from '../base/bitfield.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentFolder } from './content-folder.ts'
import { type ContentPaths, locateFiles } from './content-location.ts'
import { FileLooks } from './file-looks.ts'
import { checkPieces } from './piece-check.ts'

export class EarlyCheck {
  /** Where each file of the metainfo stands below `dir`. */
  readonly paths: ContentPaths
  readonly looks: FileLooks
  /** Pieces that are there and right; none when stopped meanwhile. Rejects as `checkPieces` does. */
  readonly found: Promise<Bitfield>

  readonly #signal: AbortSignal

  /** @param signal stops it */
  constructor(metainfo: Metainfo, dir: string, signal: AbortSignal) {
    this.#signal = signal
    const folder = new ContentFolder(dir)
    this.paths = locateFiles(metainfo, folder)
    this.looks = new FileLooks(metainfo.files.length)
    const { paths, looks } = this
    this.found = checkPieces(metainfo, folder.root, { paths, looks, signal, usesOwnThread: true }).catch(
      (error: unknown) => {
        if (signal.aborted) return new Bitfield(metainfo.pieceCount)
        throw error
      },
    )
    // Whoever adds the torrent hears of it.
    this.found.catch(() => {})
  }

  get isStopped(): boolean {
    return this.#signal.aborted
  }
}
