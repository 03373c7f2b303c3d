/**
 * Which pieces of a torrent are on disk and right: hashed, or believed because resume data says so and every
 * file they lie in looks as it did then.
 * Pieces that lie partly in files not selected are left out: their bytes are in the side
 * file of one download.
 */
import { Bitfield } from '../base/bitfield.ts'
import type { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentFolder, ContentStat, PathComponent } from './content-folder.ts'
import { checkPieces } from './piece-check.ts'
import { type Resume, saveResume } from './resume-file.ts'

export interface ContentCheckOptions {
  readonly metainfo: Metainfo
  readonly geometry: Geometry
  /** Where the content stands now. */
  readonly folder: () => ContentFolder
  /** Where each file of the metainfo stands below it. */
  readonly paths: readonly (readonly PathComponent[])[]
  /** Undefined = all. */
  readonly selectedFiles: ReadonlySet<number> | undefined
  readonly signal: AbortSignal
}

export class ContentCheck {
  /** All that `check` can say something about. */
  readonly checkable: Bitfield
  readonly #options: ContentCheckOptions

  constructor(options: ContentCheckOptions) {
    this.#options = options
    this.checkable = new Bitfield(options.metainfo.pieceCount)
    for (let piece = 0; piece < this.checkable.length; piece++)
      if (this.#isCheckable(piece)) this.checkable.set(piece)
  }

  isSelected(file: number): boolean {
    return this.#options.selectedFiles?.has(file) ?? true
  }

  /**
   * Those of the pieces that are right when read from disk; none when stopped meanwhile.
   * @param usesOwnThread nothing else needs this thread now: it hashes as well
   */
  async check(pieces: Bitfield = this.checkable, usesOwnThread = false): Promise<Bitfield> {
    const { metainfo, folder, paths, signal } = this.#options
    try {
      return await checkPieces(metainfo, folder().root, {
        pieces: pieces.ones(),
        paths,
        signal,
        usesOwnThread,
      })
    } catch (error) {
      if (signal.aborted) return new Bitfield(metainfo.pieceCount)
      throw error
    }
  }

  /** The same, hashing only what the resume data cannot vouch for. */
  async checkSince(resume: Resume, usesOwnThread = false): Promise<Bitfield> {
    const doubtful = this.#doubtful(resume)
    const found = resume.pieces.copy()
    for (const piece of found.ones())
      if (!this.checkable.has(piece) || doubtful.has(piece)) found.clear(piece)
    for (const piece of (await this.check(doubtful, usesOwnThread)).ones()) found.set(piece)
    return found
  }

  get isStopped(): boolean {
    return this.#options.signal.aborted
  }

  /** Of every file of the metainfo. */
  stats(): (ContentStat | undefined)[] {
    return this.#options.metainfo.files.map((_, file) => this.#stat(file))
  }

  /**
   * Leaves resume data that vouches for these pieces; nothing when there are none. What `saveResume` throws.
   */
  remember(path: string, pieces: Bitfield, stats = this.stats()): void {
    const kept = pieces.copy()
    for (const piece of kept.ones()) if (!this.checkable.has(piece)) kept.clear(piece)
    if (kept.count > 0) saveResume(path, kept, stats)
  }

  /** Pieces in files that changed since they were remembered. */
  #doubtful(resume: Resume): Bitfield {
    const { metainfo, geometry } = this.#options
    const doubtful = new Bitfield(metainfo.pieceCount)
    for (const [file, entry] of metainfo.files.entries()) {
      if (entry.isPad) continue
      const stat = this.#stat(file)
      // A file that is not there vouches for nothing, even if it was not there before.
      if (resume.isUnchanged(file, stat) && (stat !== undefined || entry.length === 0)) continue
      const { first, end } = geometry.filePieces(file)
      for (let piece = first; piece < end; piece++) doubtful.set(piece)
    }
    return doubtful
  }

  #stat(file: number): ContentStat | undefined {
    return this.#options.folder().statSync(this.#options.paths[file]!)
  }

  #isCheckable(piece: number): boolean {
    const { metainfo, geometry, selectedFiles } = this.#options
    if (selectedFiles === undefined) return true
    const segments = geometry.segments(piece, 0, geometry.pieceSize(piece))
    return segments.every(({ file }) => metainfo.files[file]!.isPad || selectedFiles.has(file))
  }
}
