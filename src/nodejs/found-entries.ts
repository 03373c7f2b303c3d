/**
 * Files that were found for a new torrent, in their places: what the metainfo lists, and what is hashed.
 * Files are taken in one by one, so that the first are hashed while others are still being found.
 * Invariant: both lists are in the order of raw names, which is that of the walk.
 */
import { assert } from '../base/assert.ts'
import { FilePlacing, type PlacedFile } from '../wire/metainfo-writer.ts'
import type { FormatPlan } from '../wire/piece-length.ts'
import type { PathComponent } from './content-folder.ts'
import type { FoundFile } from './folder-walk.ts'
import type { ContentEntries, ContentEntry } from './piece-plan.ts'

const NOWHERE: readonly PathComponent[] = []

/** Placed files that have bytes, each with where it is found, as entries that are made when asked for. */
export class FoundEntries implements ContentEntries {
  readonly #files: readonly FoundFile[]
  readonly #placing: FilePlacing
  readonly #isV2: boolean
  /** Files that have their place. */
  #fileCount = 0
  /** Of each entry, among the placed, and among those found: for padding the next one. */
  readonly #places: number[] = []
  readonly #found: number[] = []

  /** @param files may grow; see `take` */
  constructor(files: readonly FoundFile[], { format, pieceLength, isAligned }: FormatPlan) {
    this.#files = files
    this.#placing = new FilePlacing(pieceLength, isAligned)
    this.#isV2 = format === 'v2'
  }

  /** Gives those files their places that came since the last time. */
  take(): void {
    for (; this.#fileCount < this.#files.length; this.#fileCount++) this.#add(this.#files[this.#fileCount]!)
  }

  get placed(): readonly PlacedFile[] {
    return this.#placing.placed
  }

  /** Pieces that no file to come has a part of. */
  get wholePieces(): number {
    return this.#placing.wholePieces
  }

  get pieceCount(): number {
    return this.#placing.pieceCount
  }

  get length(): number {
    return this.#places.length
  }

  at(index: number): ContentEntry | undefined {
    if (index >= this.length) return undefined
    const { length, offset, isPad } = this.placed[this.#places[index]!]!
    if (isPad) return { folder: 0, path: NOWHERE, length, offset }
    const { folder, path, mtimeMs } = this.#files[this.#found[index]!]!
    return { folder, path, length, offset, mtimeMs }
  }

  #add(file: FoundFile): void {
    const { placed } = this.#placing
    const first = placed.length
    this.#placing.add({
      path: file.torrentPath,
      length: file.length,
      isExecutable: file.isExecutable,
    })
    assert(placed.length <= first + 2, 'a file is placed with at most one run of padding')
    for (let place = first; place < placed.length; place++) {
      const { length, isPad } = placed[place]!
      // In v2 padding is only a gap.
      if (isPad ? this.#isV2 : length === 0) continue
      this.#places.push(place)
      this.#found.push(this.#fileCount)
    }
  }
}
