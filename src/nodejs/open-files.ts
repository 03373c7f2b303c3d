/**
 * Descriptors of content files kept open between uses, the least recently used closed first.
 * Invariants: at most `limit` idle descriptors; a descriptor in use is never closed.
 */
import { close, closeSync } from 'node:fs'

/** A network file system writes a file out before it lets go of it; others take microseconds. */
const SLOW_CLOSE_MS = 5

interface OpenFile {
  readonly fd: number
  readonly isWritable: boolean
  userCount: number
  isDropped: boolean
}

export class OpenFiles<Key> {
  readonly #limit: number
  readonly #open: (key: Key, isWriting: boolean) => number
  /** Least recently used first. Bounded by the limit and the operations under way. */
  readonly #files = new Map<Key, OpenFile>()
  /** A close took long once: from then on threads do it. */
  #isSlow = false

  /** @param open gives a descriptor; what it throws reaches the caller of `use` */
  constructor(limit: number, open: (key: Key, isWriting: boolean) => number) {
    this.#limit = limit
    this.#open = open
  }

  /** Of the files open now; at most `limit` and those in use. */
  keys(): Key[] {
    return [...this.#files.keys()]
  }

  /** A descriptor, and the call that ends its use. */
  use(key: Key, isWriting: boolean): { readonly fd: number; readonly release: () => void } {
    let file = this.#files.get(key)
    if (file !== undefined && isWriting && !file.isWritable) {
      this.#drop(key, file)
      file = undefined
    }
    file ??= { fd: this.#open(key, isWriting), isWritable: isWriting, userCount: 0, isDropped: false }
    this.#files.delete(key)
    this.#files.set(key, file)
    file.userCount++
    if (this.#files.size > this.#limit) this.#closeOldest()
    const used = file
    return { fd: file.fd, release: () => this.#release(used) }
  }

  /** The next use opens it anew. */
  forget(key: Key): void {
    const file = this.#files.get(key)
    if (file !== undefined) this.#drop(key, file)
  }

  /** Closes everything that is idle now and the rest as soon as it is. */
  closeAll(): void {
    for (const [key, file] of [...this.#files]) this.#drop(key, file)
  }

  #release(file: OpenFile): void {
    if (--file.userCount === 0 && file.isDropped) this.#close(file.fd)
  }

  #closeOldest(): void {
    for (const [key, file] of this.#files) {
      if (file.userCount > 0) continue
      this.#drop(key, file)
      return
    }
  }

  #drop(key: Key, file: OpenFile): void {
    this.#files.delete(key)
    file.isDropped = true
    if (file.userCount === 0) this.#close(file.fd)
  }

  /** Handing it to a thread takes ten times as long as doing it. */
  #close(fd: number): void {
    if (this.#isSlow) return close(fd, () => {})
    const startedAtMs = performance.now()
    try {
      closeSync(fd)
    } catch {
      // What a network file system could not write after all is found when the content is read again.
    }
    this.#isSlow = performance.now() - startedAtMs > SLOW_CLOSE_MS
  }
}
