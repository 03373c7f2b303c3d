/**
 * Tells whether the content of one torrent is where it was, and as it was left: by a look at names, sizes and
 * times, which costs microseconds, where reading would cost hours.
 * Invariants: content counts as gone only when no file of it can be found (and, before the first one
 * was there, the folder is another one than before), so that an empty mount point is never taken for a
 * folder whose files were deleted; what this program wrote itself is no change.
 */
import { type BigIntStats, statSync } from 'node:fs'
import type { ContentFolder, ContentStat } from './content-folder.ts'
import type { ContentPaths } from './content-location.ts'
import { ShoalError } from './shoal-error.ts'

/** Files looked for, one after the other, until one is found. */
const SAMPLE_MAX = 64

/** And others after that, each time. */
const OTHERS_MAX = 256

/** Sizes of files that are not there, and of those not looked at yet. */
const ABSENT = -1
const UNKNOWN = -2

export interface GuardedContent {
  readonly folder: ContentFolder
  /** Below it, for each file of the metainfo. */
  readonly paths: ContentPaths
  /** Is it kept in a file of its own? Padding, links and what is not selected are not. */
  isStored(file: number): boolean
}

export class ContentGuard {
  readonly #content: GuardedContent
  /** Device and inode; they tell a folder from another one of the same name. */
  readonly #root: string | undefined
  readonly #sizes: Float64Array
  readonly #mtimes: BigInt64Array
  /** Non-empty files that were there when last looked at, some of them. */
  readonly #sample = new Set<number>()
  #nextOther = 0

  constructor(content: GuardedContent) {
    this.#content = content
    this.#root = identity(content.folder.root)
    this.#sizes = new Float64Array(content.paths.length).fill(UNKNOWN)
    this.#mtimes = new BigInt64Array(content.paths.length)
  }

  get fileCount(): number {
    return this.#content.paths.length
  }

  /** As it is now, it is as it should be. */
  trust(file: number, stat: ContentStat | undefined): void {
    this.#sizes[file] = stat?.isFile === true ? stat.size : ABSENT
    this.#mtimes[file] = stat?.mtimeNs ?? 0n
    const isThere = stat?.isFile === true && stat.size > 0
    if (isThere && this.#sample.size < SAMPLE_MAX) this.#sample.add(file)
    // The last one stays, or files deleted one after the other would look like a folder not written to yet.
    if (!isThere && this.#sample.size > 1) this.#sample.delete(file)
  }

  /**
   * Does the file look other than before? What is seen is what it is compared with next time. A file that
   * was not looked at before has not changed. @param isOurs this program wrote it
   */
  hasChanged(file: number, isOurs = false): boolean {
    if (!this.#content.isStored(file)) return false
    const before = this.#sizes[file]!
    const mtimeNs = this.#mtimes[file]!
    const stat = this.#stat(file)
    if (stat === 'cannot tell') return false
    this.trust(file, stat)
    if (before === UNKNOWN || isOurs) return false
    if (stat?.isFile !== true) return before !== ABSENT
    return stat.size !== before || stat.mtimeNs !== mtimeNs
  }

  /**
   * True while the folder is not there, or everything in it that should be is not. Looks from the root on,
   * and looks that follow at once are from the same place: a folder kept open below one that was moved away
   * would let some files be missing and others not.
   */
  isGone(): boolean {
    this.#content.folder.close()
    if (this.#sample.size === 0 && this.#root === identity(this.#content.folder.root)) return false
    for (const file of this.#sample) if (this.#isThere(file)) return false
    // The sample may be all that was deleted; the others are looked for a few at a time, in turn.
    for (let looks = Math.min(OTHERS_MAX, this.fileCount); looks > 0; looks--) {
      this.#nextOther = (this.#nextOther + 1) % this.fileCount
      if (this.#content.isStored(this.#nextOther) && this.#isThere(this.#nextOther)) return false
    }
    return true
  }

  #isThere(file: number): boolean {
    const stat = this.#stat(file)
    return stat === 'cannot tell' || (stat?.isFile === true && stat.size > 0)
  }

  /** Undefined for what cannot be looked at, too. Too few descriptors say nothing about the content. */
  #stat(file: number): ContentStat | 'cannot tell' | undefined {
    try {
      return this.#content.folder.statSync(this.#content.paths.at(file)!)
    } catch (error) {
      return error instanceof ShoalError && error.code === 'storage/too-many-files'
        ? 'cannot tell'
        : undefined
    }
  }
}

/** Of a folder; undefined when it is not there, or cannot be asked. */
function identity(path: string): string | undefined {
  try {
    const stat: BigIntStats | undefined = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat && `${stat.dev} ${stat.ino}`
  } catch {
    return undefined
  }
}
