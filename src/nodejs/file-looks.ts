/**
 * What files looked like to the threads that read them. A thread looks at an open file before it reads a part
 * of it, so asking the system for 20,000 files once more afterwards is saved, and a file that changed while
 * it was read is told from one that did not: bytes read after a look that is kept are those of that look, or
 * the next look differs.
 * Invariant: a file has a look only if every part of it that was read looked the same.
 */
import type { BigIntStats } from 'node:fs'
import type { ContentStat } from './content-folder.ts'

/** Numbers to a look, as they go from thread to thread: size, blocks, times, inode. */
export const LOOK_NUMBERS = 5
/** What `st_blocks` counts, on every platform. */
const STAT_BLOCK_BYTES = 512

/** All zero where a slice was not read: no file has an inode 0. */
export function putLook(looks: BigInt64Array, index: number, stat: BigIntStats): void {
  const at = LOOK_NUMBERS * index
  looks[at] = stat.size
  looks[at + 1] = stat.blocks
  looks[at + 2] = stat.mtimeNs
  looks[at + 3] = stat.ctimeNs
  looks[at + 4] = stat.ino
}

export class FileLooks {
  /** Undefined: not looked at; null: it changed from one look to the next. */
  readonly #looks: (ContentStat | null | undefined)[]

  constructor(fileCount: number) {
    this.#looks = new Array(fileCount)
  }

  /** One more look at a file. */
  add(file: number, looks: BigInt64Array, index: number): void {
    const at = LOOK_NUMBERS * index
    const inode = looks[at + 4]!
    if (inode === 0n) return
    const size = Number(looks[at])
    const mtimeNs = looks[at + 2]!
    const ctimeNs = looks[at + 3]!
    const last = this.#looks[file]
    if (last === undefined) {
      const allocatedBytes = Number(looks[at + 1]) * STAT_BLOCK_BYTES
      this.#looks[file] = { size, allocatedBytes, mtimeNs, ctimeNs, inode, isFile: true }
    } else if (
      last?.size !== size ||
      last.mtimeNs !== mtimeNs ||
      last.ctimeNs !== ctimeNs ||
      last.inode !== inode
    )
      this.#looks[file] = null
  }

  /** It looked like this before any of it was read. */
  know(file: number, look: ContentStat): void {
    this.#looks[file] = look
  }

  /** What it looked like; undefined when that changed. `look` looks at what was not read. */
  of(file: number, look: () => ContentStat | undefined): ContentStat | undefined {
    const seen = this.#looks[file]
    return seen === undefined ? look() : (seen ?? undefined)
  }

  /** Files that changed while they were read. */
  changed(): number[] {
    return this.#looks.flatMap((look, file) => (look === null ? [file] : []))
  }
}
