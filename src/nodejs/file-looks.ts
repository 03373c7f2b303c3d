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
const LOOK_WORDS = 2 * LOOK_NUMBERS
const BLOCKS_WORD = 2
const INODE_WORD = 8
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

/** Of one file. */
const UNSEEN = 0
const SEEN = 1
const CHANGED = 2

/**
 * In columns: an object with large integers for each of 20,000 files would take longer than asking for them.
 */
export class FileLooks {
  readonly #looks: BigInt64Array
  readonly #states: Uint8Array

  constructor(fileCount: number) {
    this.#looks = new BigInt64Array(LOOK_NUMBERS * fileCount)
    this.#states = new Uint8Array(fileCount)
  }

  /** More looks, as `putLook` wrote them, at one file after the other. */
  addAll(looks: BigInt64Array, count: number, fileOf: (index: number) => number): void {
    const given = wordsOf(looks)
    const kept = wordsOf(this.#looks)
    for (let index = 0; index < count; index++) {
      const from = LOOK_WORDS * index
      if (given[from + INODE_WORD] === 0 && given[from + INODE_WORD + 1] === 0) continue
      const file = fileOf(index)
      const to = LOOK_WORDS * file
      if (this.#states[file] === UNSEEN) {
        for (let word = 0; word < LOOK_WORDS; word++) kept[to + word] = given[from + word]!
        this.#states[file] = SEEN
      } else {
        // Space may be given to it at any time.
        for (let word = 0; word < LOOK_WORDS; word++)
          if (kept[to + word] !== given[from + word] && word !== BLOCKS_WORD && word !== BLOCKS_WORD + 1)
            this.#states[file] = CHANGED
      }
    }
  }

  /** It looked like this before any of it was read. */
  know(file: number, { size, allocatedBytes, mtimeNs, ctimeNs, inode, isFile }: ContentStat): void {
    if (!isFile) return
    const blocks = Math.ceil(allocatedBytes / STAT_BLOCK_BYTES)
    this.#looks.set([BigInt(size), BigInt(blocks), mtimeNs, ctimeNs, inode], LOOK_NUMBERS * file)
    this.#states[file] = SEEN
  }

  /** What it looked like; undefined when that changed. `look` looks at what was not read. */
  of(file: number, look: () => ContentStat | undefined): ContentStat | undefined {
    if (this.#states[file] === UNSEEN) return look()
    if (this.#states[file] === CHANGED) return undefined
    const at = LOOK_NUMBERS * file
    return {
      size: Number(this.#looks[at]),
      allocatedBytes: Number(this.#looks[at + 1]) * STAT_BLOCK_BYTES,
      mtimeNs: this.#looks[at + 2]!,
      ctimeNs: this.#looks[at + 3]!,
      inode: this.#looks[at + 4]!,
      isFile: true,
    }
  }

  /** Files that changed while they were read. */
  changed(): number[] {
    return [...this.#states.keys()].filter((file) => this.#states[file] === CHANGED)
  }
}

/** The same memory; words are compared and copied without making a number of each. */
function wordsOf(looks: BigInt64Array): Int32Array {
  return new Int32Array(looks.buffer, looks.byteOffset, 2 * looks.length)
}
