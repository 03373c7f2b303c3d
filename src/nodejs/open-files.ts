/**
 * Descriptors of content files kept open between uses, the least recently used closed first; all torrents of
 * a process draw on one pool.
 * Invariants: at most `limit` descriptors of a pool are kept, and half as many again while
 * they are exchanged; one in use is never closed; who finds all of them in use waits in
 * order, and holds none meanwhile.
 */
import { close, closeSync } from 'node:fs'
import { contentFilesWithin } from './descriptor-limit.ts'
import { forgetAll } from './folder-descriptors.ts'
import { ShoalError } from './shoal-error.ts'

/** Waiters that have been served are let go of in batches, so that each is moved about once. */
const SERVED_MIN = 64

/** A network file system writes a file out before it lets go of it; others take microseconds. */
const SLOW_CLOSE_MS = 5

interface OpenFile {
  readonly fd: number
  readonly isWritable: boolean
  userCount: number
  isDropped: boolean
  /** It has been dropped: whoever holds it by a key forgets it. */
  forget(): void
}

interface Waiter {
  readonly owner: object
  readonly isNow: () => void
  readonly isNever: () => void
}

export class DescriptorPool {
  static #shared: DescriptorPool | undefined
  readonly #limit: number
  /** Least recently used first. Bounded by the limit. */
  readonly #files = new Set<OpenFile>()
  /** In use, or being closed. */
  #boundCount = 0
  /** Bounded by the segments of pieces in memory and of reads under way; the first `#served` are done. */
  #waiting: Waiter[] = []
  #served = 0
  /** A close took long once: from then on threads do it. */
  #isSlow = false

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The one pool of this process. */
  static get shared(): DescriptorPool {
    DescriptorPool.#shared ??= new DescriptorPool(contentFilesWithin())
    return DescriptorPool.#shared
  }

  /** No descriptor can be had before another one is released. */
  get isUsedUp(): boolean {
    return this.#boundCount >= this.#limit
  }

  /** @param isNever instead, when the owner leaves first */
  wait(owner: object, isNow: () => void, isNever: () => void): void {
    this.#waiting.push({ owner, isNow, isNever })
  }

  leave(owner: object): void {
    const waiting = this.#waiting.slice(this.#served)
    this.#waiting = waiting.filter((waiter) => waiter.owner !== owner)
    this.#served = 0
    for (const waiter of waiting) if (waiter.owner === owner) waiter.isNever()
  }

  /** Where even these are too many, idle ones are let go, and it is tried once more. */
  open(opens: () => number): number {
    try {
      return opens()
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'storage/too-many-files') throw error
      for (const file of [...this.#files]) if (file.userCount === 0) this.#remove(file, closeSync)
      forgetAll()
      return opens()
    }
  }

  /** It is used from now on. */
  take(file: OpenFile): void {
    if (file.userCount++ === 0) this.#boundCount++
    if (file.isDropped) return
    this.touch(file)
    if (this.#files.size > this.#limit) this.#closeOldest()
  }

  /** It is the one used last. */
  touch(file: OpenFile): void {
    this.#files.delete(file)
    this.#files.add(file)
  }

  release(file: OpenFile): void {
    if (--file.userCount > 0) return
    this.#boundCount--
    if (file.isDropped) this.#close(file)
    this.#serve()
  }

  drop(file: OpenFile): void {
    if (!file.isDropped) this.#remove(file, () => this.#close(file))
  }

  #closeOldest(): void {
    for (const file of this.#files) {
      if (file.userCount > 0) continue
      this.drop(file)
      return
    }
  }

  /** @param closes called at once if nobody uses it */
  #remove(file: OpenFile, closes: (fd: number) => void): void {
    this.#files.delete(file)
    file.isDropped = true
    file.forget()
    if (file.userCount === 0) closes(file.fd)
  }

  /** Handing it to a thread takes ten times as long as doing it. */
  #close({ fd }: OpenFile): void {
    if (this.#isSlow) return this.#closeElsewhere(fd)
    const startedAtMs = performance.now()
    try {
      closeSync(fd)
    } catch {
      // What a network file system could not write after all is found when the content is read again.
    }
    this.#isSlow = performance.now() - startedAtMs > SLOW_CLOSE_MS
  }

  #closeElsewhere(fd: number): void {
    this.#boundCount++
    close(fd, () => {
      this.#boundCount--
      this.#serve()
    })
  }

  #serve(): void {
    while (this.#served < this.#waiting.length && !this.isUsedUp) this.#waiting[this.#served++]!.isNow()
    // While a disk is behind there is always one who waits: the others must not pile up before it.
    if (this.#served < SERVED_MIN && this.#served < this.#waiting.length) return
    if (2 * this.#served < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#served)
    this.#served = 0
  }
}

export class OpenFiles<Key> {
  readonly #pool: DescriptorPool
  readonly #open: (key: Key, isWriting: boolean) => number
  /** Bounded by the pool's limit. */
  readonly #files = new Map<Key, OpenFile>()

  /** @param open gives a descriptor; what it throws reaches the caller of `use` */
  constructor(open: (key: Key, isWriting: boolean) => number, pool = DescriptorPool.shared) {
    this.#open = open
    this.#pool = pool
  }

  /** Of the files open now. */
  keys(): Key[] {
    return [...this.#files.keys()]
  }

  /** `use` would open one descriptor more than there may be: `wait` first. */
  mustWait(key: Key, isWriting: boolean): boolean {
    if (!this.#pool.isUsedUp) return false
    const file = this.#files.get(key)
    return file === undefined || file.userCount === 0 || (isWriting && !file.isWritable)
  }

  /** @param isNever instead, when `leave` comes first */
  wait(isNow: () => void, isNever: () => void): void {
    this.#pool.wait(this, isNow, isNever)
  }

  /** The descriptor of a file that is open already, to be used in this turn and not kept. */
  openNow(key: Key, isWriting: boolean): number | undefined {
    const file = this.#files.get(key)
    if (file === undefined || (isWriting && !file.isWritable)) return undefined
    this.#pool.touch(file)
    return file.fd
  }

  /** A descriptor, and the call that ends its use. */
  use(key: Key, isWriting: boolean): { readonly fd: number; readonly release: () => void } {
    let file = this.#files.get(key)
    if (file !== undefined && isWriting && !file.isWritable) {
      this.#pool.drop(file)
      file = undefined
    }
    file ??= this.#opened(key, isWriting)
    this.#pool.take(file)
    const used = file
    return { fd: file.fd, release: () => this.#pool.release(used) }
  }

  /** The next use opens it anew. */
  forget(key: Key): void {
    const file = this.#files.get(key)
    if (file !== undefined) this.#pool.drop(file)
  }

  /** Whoever waits does not get one any more. */
  leave(): void {
    this.#pool.leave(this)
  }

  /** Closes everything that is idle now and the rest as soon as it is. */
  closeAll(): void {
    for (const file of [...this.#files.values()]) this.#pool.drop(file)
  }

  #opened(key: Key, isWriting: boolean): OpenFile {
    const fd = this.#pool.open(() => this.#open(key, isWriting))
    const forget = () => this.#files.delete(key)
    const file = { fd, isWritable: isWriting, userCount: 0, isDropped: false, forget }
    this.#files.set(key, file)
    return file
  }
}
