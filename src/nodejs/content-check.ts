/**
 * Which pieces of a torrent are on disk and right: hashed, or believed because resume data says so and every
 * file they lie in looks as it did then.
 * Pieces that lie partly in files not selected are left out: their bytes are in the side
 * file of one download.
 */
import { Bitfield } from '../base/bitfield.ts'
import type { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentFolder, ContentStat } from './content-folder.ts'
import type { ContentPaths } from './content-location.ts'
import type { FileLooks } from './file-looks.ts'
import { checkPieces } from './piece-check.ts'
import { type Resume, saveResume } from './resume-file.ts'

export interface ContentCheckOptions {
  readonly metainfo: Metainfo
  readonly geometry: Geometry
  /** Where the content stands now. */
  readonly folder: () => ContentFolder
  /** Where each file of the metainfo stands below it. */
  readonly paths: ContentPaths
  /** Undefined = all. */
  readonly selectedFiles: ReadonlySet<number> | undefined
  readonly signal: AbortSignal
}

export interface Findings {
  /** What is there and right. */
  readonly found: Bitfield
  /** Files that resume data does not vouch for: all of their pieces that can be checked were read. */
  readonly changed: ReadonlySet<number>
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
   * @param looks told of the files that are read
   */
  async check(
    pieces: Bitfield = this.checkable,
    usesOwnThread = false,
    looks?: FileLooks,
  ): Promise<Bitfield> {
    const { metainfo, folder, paths, signal } = this.#options
    try {
      return await checkPieces(metainfo, folder().root, {
        pieces: pieces.ones(),
        paths,
        signal,
        looks,
        usesOwnThread,
      })
    } catch (error) {
      if (signal.aborted) return new Bitfield(metainfo.pieceCount)
      throw error
    }
  }

  /**
   * The same, reading only what resume data cannot vouch for.
   * @param isProof where everything is there, all of it is read: no piece is then only believed
   * @param looks told of the files that are read
   */
  async find(
    resume: Resume | undefined,
    usesOwnThread: boolean,
    isProof: boolean,
    looks?: FileLooks,
  ): Promise<Findings> {
    const { metainfo, geometry } = this.#options
    const changed = new Set<number>()
    /** In files of which none has changed; a piece of padding alone is in none, and is read. */
    const unchanged = new Bitfield(metainfo.pieceCount)
    const doubtful = this.checkable.copy()
    for (const [file, entry] of metainfo.files.entries()) {
      if (entry.isPad) continue
      let seen: ContentStat | undefined
      const look = () => (seen ??= this.#look(file))
      // A file that is not there vouches for nothing, even if it was not there before.
      const isUnchanged =
        resume?.isUnchanged(file, look) === true && (entry.length === 0 || look() !== undefined)
      if (!isUnchanged) changed.add(file)
      else if (seen !== undefined) looks?.know(file, seen)
      const { first, end } = geometry.filePieces(file)
      for (let piece = first; piece < end && isUnchanged; piece++) unchanged.set(piece)
    }
    for (const piece of unchanged.ones()) doubtful.clear(piece)
    for (const file of changed) {
      const { first, end } = geometry.filePieces(file)
      for (let piece = first; piece < end; piece++) if (this.checkable.has(piece)) doubtful.set(piece)
    }
    const believed = new Bitfield(metainfo.pieceCount)
    for (const piece of resume?.pieces.ones() ?? [])
      if (this.checkable.has(piece) && !doubtful.has(piece)) believed.set(piece)
    const found = await this.check(doubtful, usesOwnThread, looks)
    const isWhole = believed.count + found.count === this.checkable.count
    const vouched = isProof && isWhole ? await this.check(believed, usesOwnThread) : believed
    for (const piece of vouched.ones()) found.set(piece)
    return { found, changed }
  }

  get isStopped(): boolean {
    return this.#options.signal.aborted
  }

  /** Of every file of the metainfo; undefined for what cannot be looked at, or changed while it was read. */
  stats(looks: FileLooks): (ContentStat | undefined)[] {
    return this.#options.metainfo.files.map((_, file) => looks.of(file, () => this.#look(file)))
  }

  /** Reads again what others wrote to while it was read. */
  async readChanged(found: Bitfield, looks: FileLooks): Promise<void> {
    const { metainfo, geometry } = this.#options
    const pieces = new Bitfield(metainfo.pieceCount)
    for (const file of looks.changed()) {
      const { first, end } = geometry.filePieces(file)
      for (let piece = first; piece < end; piece++) if (this.checkable.has(piece)) pieces.set(piece)
    }
    if (pieces.count === 0) return
    for (const piece of pieces.ones()) found.clear(piece)
    for (const piece of (await this.check(pieces)).ones()) found.set(piece)
  }

  /**
   * So that the next start of a seed need not read unchanged files. Where nothing can be written, it does.
   */
  rememberSeed(path: string, pieces: Bitfield, stats: readonly (ContentStat | undefined)[]): void {
    const kept = pieces.copy()
    for (const piece of kept.ones()) if (!this.checkable.has(piece)) kept.clear(piece)
    if (kept.count === 0) return
    try {
      saveResume(path, kept, stats)
    } catch {
      // Somebody else's folder, perhaps; seeding goes on all the same.
    }
  }

  /** What cannot be looked at is not as it was. */
  #look(file: number): ContentStat | undefined {
    try {
      return this.#stat(file)
    } catch {
      return undefined
    }
  }

  #stat(file: number): ContentStat | undefined {
    return this.#options.folder().statSync(this.#options.paths.at(file)!)
  }

  #isCheckable(piece: number): boolean {
    const { metainfo, geometry, selectedFiles } = this.#options
    if (selectedFiles === undefined) return true
    const segments = geometry.segments(piece, 0, geometry.pieceSize(piece))
    return segments.every(({ file }) => metainfo.files[file]!.isPad || selectedFiles.has(file))
  }
}
