/**
 * What a hash job reads: runs of bytes of files, and of padding zeros, in piece order. In columns, because a
 * job goes from thread to thread: many small objects take longer to send than their bytes take to read.
 * Invariant: the columns are as long as one another; `numbers` has SLICE_NUMBERS for each slice.
 */
import { equalBytes } from '../base/bytes.ts'
import type { PathComponent } from './content-folder.ts'

export interface Slices {
  /** Folders below the job's folder that each file stands in. Neighbours in one folder share the list. */
  readonly parents: readonly (readonly PathComponent[])[]
  /** Of each file, in that folder. */
  readonly names: readonly PathComponent[]
  /** See `SLICE`. */
  readonly numbers: Float64Array
}

/** Where each number of a slice stands. */
export const SLICE = {
  /** Index into the job's folders; PADDING for a run of zeros, which is hashed without reading. */
  folder: 0,
  /** First byte, in the file. */
  offset: 1,
  length: 2,
  /** Of the whole file; tells a file of one piece from one of several (BEP 52). */
  fileLength: 3,
  /**
   * When it is a number, a file with another modification time is an error. Milliseconds since 1970.
   */
  mtimeMs: 4,
} as const
export const SLICE_NUMBERS = 5
export const PADDING = -1

const NOWHERE: readonly PathComponent[] = []

/** Gathers slices. */
export class SliceList {
  readonly #parents: (readonly PathComponent[])[] = []
  readonly #names: PathComponent[] = []
  #numbers = new Float64Array(32 * SLICE_NUMBERS)
  /** That the last file stands in. */
  #folder: readonly PathComponent[] = NOWHERE

  get length(): number {
    return this.#names.length
  }

  /** @param path below the folder; empty for padding */
  add(
    folder: number,
    path: readonly PathComponent[],
    offset: number,
    length: number,
    fileLength: number,
    mtimeMs = Number.NaN,
  ): void {
    const depth = path.length - 1
    const at = SLICE_NUMBERS * this.#names.length
    if (at === this.#numbers.length) {
      const larger = new Float64Array(2 * at)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    this.#names.push(depth < 0 ? '' : path[depth]!)
    if (depth < 0) this.#parents.push(NOWHERE)
    else {
      if (!isIn(path, this.#folder)) this.#folder = path.slice(0, -1)
      this.#parents.push(this.#folder)
    }
    const numbers = this.#numbers
    numbers[at + SLICE.folder] = depth < 0 ? PADDING : folder
    numbers[at + SLICE.offset] = offset
    numbers[at + SLICE.length] = length
    numbers[at + SLICE.fileLength] = fileLength
    numbers[at + SLICE.mtimeMs] = mtimeMs
  }

  /** The last slice goes on. */
  lengthen(length: number): void {
    this.#numbers[SLICE_NUMBERS * (this.length - 1) + SLICE.length]! += length
  }

  finish(): Slices {
    const numbers = this.#numbers.slice(0, SLICE_NUMBERS * this.length)
    return { parents: this.#parents, names: this.#names, numbers }
  }
}

/** Whether the path is one of a file in this folder. */
function isIn(path: readonly PathComponent[], parents: readonly PathComponent[]): boolean {
  if (path.length !== parents.length + 1) return false
  for (let depth = 0; depth < parents.length; depth++)
    if (path[depth] !== parents[depth] && !isSameName(path[depth]!, parents[depth]!)) return false
  return true
}

export function isSameFolder(a: readonly PathComponent[], b: readonly PathComponent[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let depth = 0; depth < a.length; depth++) if (!isSameName(a[depth]!, b[depth]!)) return false
  return true
}

export function isSameName(a: PathComponent, b: PathComponent): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return equalBytes(a, b)
}
