/**
 * One torrent's content in ordinary files below a folder: positioned reads and writes, padding never stored.
 * Bytes of unselected files that share a piece with selected ones go to one sparse side file, so that such
 * pieces can be verified and served all the same.
 * Invariant: only `write` changes file content, and it is only given verified pieces.
 */
import { readv, readvSync, write as writeFile, writeSync } from 'node:fs'
import type { Fault } from '../base/result.ts'
import type { ContentStore } from '../ports/content-store.ts'
import type { Geometry, Segment } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentFolder, PathComponent } from './content-folder.ts'
import { DiskPace } from './disk-pace.ts'
import { type DescriptorPool, OpenFiles } from './open-files.ts'
import { ShoalError } from './shoal-error.ts'
import { contentGone, explainedError, storageError } from './storage-error.ts'
import { Turns } from './turns.ts'

const SIDE_FILE = -1

/** One in the kernel, and one to follow it before this thread has heard of the end of the first. */
const WRITES_PER_FILE = 2

/** Content was there so short a time ago that it still is; folders are kept open for longer than that. */
const GLANCE_MS = 50

/** May mean that one file has gone, or all. */
const DOUBTFUL: ReadonlySet<string> = new Set([
  'storage/not-found',
  'storage/not-a-folder',
  'storage/not-a-file',
  'storage/io-error',
  'storage/short-file',
])

export interface FileStoreOptions {
  readonly metainfo: Metainfo
  readonly geometry: Geometry
  readonly folder: ContentFolder
  /** Where a file of the metainfo stands below the folder. */
  readonly pathOf: (file: number) => readonly PathComponent[]
  /** Files not to be made; undefined = all are. */
  readonly selectedFiles: ReadonlySet<number> | undefined
  /** Where bytes of unselected files are kept, below the folder. */
  readonly sideFile: readonly PathComponent[]
  /** The whole content is not where it was: nothing must be made in its place. By default it never is. */
  readonly isGone?: () => boolean
  /** By default those of the process. */
  readonly descriptors?: DescriptorPool
  /** By default those of its own: other content may lie on another disk. */
  readonly paces?: { readonly ofReads: DiskPace; readonly ofWrites: DiskPace }
}

type Done = (fault: Fault | undefined) => void

export class FileStore implements ContentStore {
  readonly #options: FileStoreOptions
  readonly #files: OpenFiles<number>
  readonly #writes = new Turns<number>(WRITES_PER_FILE)
  readonly #readPace: DiskPace
  readonly #writePace: DiskPace
  /** Writes under way, by file. Bounded by `unverifiedBytesMax`. */
  readonly #writing = new Map<number, number>()
  /** Files written to since they were taken. Bounded by the files of the torrent. */
  readonly #written = new Set<number>()
  /** When content was last found where it should be. */
  #seenAtMs = -Infinity

  constructor(options: FileStoreOptions) {
    this.#options = options
    this.#readPace = options.paces?.ofReads ?? DiskPace.ofReads()
    this.#writePace = options.paces?.ofWrites ?? DiskPace.ofWrites()
    const { folder, pathOf, sideFile, isGone = () => false } = options
    this.#files = new OpenFiles((file, isWriting) => {
      if (isWriting) this.#refuseIfGone(isGone)
      return folder.openSync(file === SIDE_FILE ? sideFile : pathOf(file), isWriting ? 'create' : 'read')
    }, options.descriptors)
  }

  /** Files whose descriptors are kept open: those that peers work on now. */
  openFiles(): number[] {
    return this.#files.keys().filter((file) => file !== SIDE_FILE)
  }

  /** It is being written to, or was since it was taken. */
  isOurs(file: number): boolean {
    return this.#writing.has(file) || this.#written.has(file)
  }

  /** Files written to since they were last taken, at most so many; one under way is not taken yet. */
  takeWritten(countMax: number): number[] {
    const taken: number[] = []
    for (const file of this.#written) {
      if (taken.length >= countMax) break
      if (this.#writing.has(file)) continue
      this.#written.delete(file)
      taken.push(file)
    }
    return taken
  }

  /** What stands there now is used from now on, whatever was open. All files by default. */
  reopen(file?: number): void {
    if (file === undefined) this.#files.closeAll()
    else this.#files.forget(file)
  }

  write(piece: number, bytes: Uint8Array, done: Done): void {
    const segments = this.#options.geometry.segments(piece, 0, bytes.length)
    if (segments.length === 1 && this.#writesNow(segments[0]!, bytes)) return later(done)
    const join = new Join(done)
    let at = 0
    for (const segment of segments) {
      const part = bytes.subarray(at, at + segment.length)
      at += segment.length
      if (this.#isPadding(segment)) continue
      this.#write(segment, part, join.open())
    }
    join.close()
  }

  read(piece: number, begin: number, views: readonly Uint8Array[], done: Done): void {
    let length = 0
    for (const view of views) length += view.length
    const segments = this.#options.geometry.segments(piece, begin, length)
    if (segments.length === 1 && this.#readsNow(segments[0]!, views)) return later(done)
    const join = new Join(done)
    const cursor = new ViewCursor(views)
    for (const segment of segments) {
      const parts = cursor.take(segment.length)
      if (this.#isPadding(segment)) for (const part of parts) part.fill(0)
      else
        this.#use(segment, false, join.open(), (fd, position, settle) =>
          this.#readAll(fd, parts, segment.length, position, settle),
        )
    }
    join.close()
  }

  /**
   * Makes the files that hold no bytes and cuts those that are too long. Throws ShoalError `storage/…`.
   * @param isNew nothing stood there before, so none can be too long
   */
  finish(isNew: boolean): void {
    const { metainfo, folder, pathOf } = this.#options
    for (const [file, entry] of metainfo.files.entries()) {
      if (entry.isPad || entry.symlink !== undefined || !this.#isSelected(file)) continue
      if (isNew && entry.length > 0) continue
      const path = pathOf(file)
      const size = folder.statSync(path)?.size
      if (size === entry.length || (size !== undefined && size < entry.length)) continue
      folder.truncate(path, entry.length)
    }
  }

  /** Writes that wait for their turn are dropped. */
  close(): void {
    this.#writes.clear()
    this.#files.leave()
    this.#files.closeAll()
  }

  /** Asked for each of 20,000 files, it would cost as much as opening them. */
  #refuseIfGone(isGone: () => boolean): void {
    const nowMs = performance.now()
    if (nowMs - this.#seenAtMs < GLANCE_MS) return
    if (isGone()) throw contentGone(this.#options.folder.root)
    this.#seenAtMs = nowMs
  }

  #isPadding(segment: Segment): boolean {
    return this.#options.metainfo.files[segment.file]!.isPad
  }

  #isSelected(file: number): boolean {
    return this.#options.selectedFiles?.has(file) ?? true
  }

  /**
   * The usual case, and the shortest way: all lies in one file, which is open, and in memory. False when it
   * is not so or went wrong; what takes the long way then says what is wrong.
   */
  #writesNow(segment: Segment, bytes: Uint8Array): boolean {
    const file = this.#fileOf(segment)
    if (this.#isPadding(segment) || this.#writing.has(file) || !this.#writePace.isQuick(bytes.length))
      return false
    const fd = this.#files.openNow(file, true)
    if (fd === undefined) return false
    const startedAtMs = this.#writePace.start()
    try {
      if (writeSync(fd, bytes, 0, bytes.length, this.#positionOf(segment)) < bytes.length) return false
    } catch {
      return false
    } finally {
      this.#writePace.end(bytes.length, startedAtMs)
    }
    if (file !== SIDE_FILE) this.#written.add(file)
    return true
  }

  #readsNow(segment: Segment, views: readonly Uint8Array[]): boolean {
    const { length } = segment
    if (this.#isPadding(segment) || !this.#readPace.isQuick(length)) return false
    const fd = this.#files.openNow(this.#fileOf(segment), false)
    if (fd === undefined) return false
    const startedAtMs = this.#readPace.start()
    try {
      return readvSync(fd, views, this.#positionOf(segment)) === length
    } catch {
      return false
    } finally {
      this.#readPace.end(length, startedAtMs)
    }
  }

  /**
   * Few writes at a time to each file: the kernel lets only one in anyway, and threads that wait for it spin.
   */
  #write(segment: Segment, bytes: Uint8Array, settle: (fault: Fault | undefined) => void): void {
    const file = this.#fileOf(segment)
    this.#writing.set(file, (this.#writing.get(file) ?? 0) + 1)
    this.#writes.enter(file, () =>
      this.#use(
        segment,
        true,
        (fault) => {
          this.#writes.leave(file)
          this.#hasWritten(file)
          settle(fault)
        },
        (fd, position, settleWrite) => {
          // Who waited is let in by the one before: on the spot, all of them would be inside one another.
          const isAlone = this.#writing.get(file) === 1
          this.#writeAll(fd, bytes, position, isAlone, settleWrite)
        },
      ),
    )
  }

  #hasWritten(file: number): void {
    const left = this.#writing.get(file)! - 1
    if (left > 0) this.#writing.set(file, left)
    else this.#writing.delete(file)
    if (file !== SIDE_FILE) this.#written.add(file)
  }

  #fileOf(segment: Segment): number {
    return this.#isSelected(segment.file) ? segment.file : SIDE_FILE
  }

  #positionOf({ file, position }: Segment): number {
    return this.#isSelected(file) ? position : position + this.#options.metainfo.files[file]!.offset
  }

  #use(
    segment: Segment,
    isWriting: boolean,
    settle: (fault: Fault | undefined) => void,
    operation: (fd: number, position: number, settle: (cause: unknown) => void) => void,
  ): void {
    const file = this.#fileOf(segment)
    if (this.#files.mustWait(file, isWriting)) {
      const isNever = () => this.#settleUnread(segment, isWriting, settle)
      return this.#files.wait(() => this.#use(segment, isWriting, settle, operation), isNever)
    }
    const position = this.#positionOf(segment)
    let used: { readonly fd: number; readonly release: () => void }
    try {
      used = this.#files.use(file, isWriting)
    } catch (cause) {
      // Later: writes that wait for one another would fail inside one another.
      const fault = this.#fault(segment, isWriting, cause)
      setImmediate(() => settle(fault))
      return
    }
    operation(used.fd, position, (cause) => {
      used.release()
      if (cause === undefined) return settle(undefined)
      this.#files.forget(file)
      settle(this.#fault(segment, isWriting, cause))
    })
  }

  /** It was closed meanwhile: a read is answered all the same, a write is dropped. */
  #settleUnread(segment: Segment, isWriting: boolean, settle: (fault: Fault | undefined) => void): void {
    if (isWriting) return
    const path = this.#options.folder.display(this.#options.pathOf(segment.file))
    const fault = this.#fault(segment, false, explainedError('EMFILE', path, false))
    setImmediate(() => settle(fault))
  }

  #writeAll(
    fd: number,
    bytes: Uint8Array,
    position: number,
    isAlone: boolean,
    settle: (cause: unknown) => void,
  ): void {
    const wrote = (error: unknown, count: number) => {
      if (error) settle(error)
      else if (count === bytes.length) settle(undefined)
      else this.#writeAll(fd, bytes.subarray(count), position + count, isAlone, settle)
    }
    if (isAlone && this.#writePace.isQuick(bytes.length))
      onTheSpot(this.#writePace, bytes.length, () => writeSync(fd, bytes, 0, bytes.length, position), wrote)
    else writeFile(fd, bytes, 0, bytes.length, position, wrote)
  }

  #readAll(
    fd: number,
    parts: readonly Uint8Array[],
    length: number,
    position: number,
    settle: (cause: unknown) => void,
  ): void {
    const read = (error: unknown, count: number) => {
      if (error) settle(error)
      else if (count === length) settle(undefined)
      else if (count === 0)
        settle(
          new ShoalError('storage/short-file', 'a file is shorter than it was', 'Check the files again.'),
        )
      else this.#readAll(fd, new ViewCursor(parts).rest(count), length - count, position + count, settle)
    }
    if (this.#readPace.isQuick(length))
      onTheSpot(this.#readPace, length, () => readvSync(fd, parts, position), read)
    else readv(fd, parts, position, read)
  }

  #fault(segment: Segment, isWriting: boolean, cause: unknown): Fault {
    const path = this.#options.folder.display(this.#options.pathOf(segment.file))
    let error = storageError(cause, path, isWriting)
    if (!(error instanceof ShoalError)) throw error
    if (DOUBTFUL.has(error.code) && this.#options.isGone?.()) error = contentGone(this.#options.folder.root)
    const { code, message, hint } = error as ShoalError
    return { code, message, ...(hint === undefined ? {} : { hint }) }
  }
}

/** The same outcome as from a thread, before this returns. */
function onTheSpot(
  pace: DiskPace,
  byteCount: number,
  operation: () => number,
  done: (error: unknown, count: number) => void,
): void {
  let count = 0
  let fault: unknown
  try {
    count = pace.measure(byteCount, operation)
  } catch (error) {
    fault = error
  }
  done(fault, count)
}

/**
 * Not within the call: what peers have sent is read to its end first, and then asked for
 * or answered in one go.
 */
function later(done: Done): void {
  setImmediate(done, undefined)
}

/** Completes once, with the first fault, when every opened part has settled; always in a later turn. */
class Join {
  readonly #done: Done
  #open = 1
  #fault: Fault | undefined

  constructor(done: Done) {
    this.#done = done
  }

  open(): (fault: Fault | undefined) => void {
    this.#open++
    return (fault) => {
      this.#fault ??= fault
      this.#settle()
    }
  }

  close(): void {
    if (this.#open > 1) this.#settle()
    else setImmediate(() => this.#settle())
  }

  #settle(): void {
    if (--this.#open === 0) this.#done(this.#fault)
  }
}

/** Hands out consecutive ranges of a list of views. */
class ViewCursor {
  readonly #views: readonly Uint8Array[]
  #index = 0
  #at = 0

  constructor(views: readonly Uint8Array[]) {
    this.#views = views
  }

  take(length: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    for (let rest = length; rest > 0; ) {
      const view = this.#views[this.#index]!
      const taken = Math.min(rest, view.length - this.#at)
      parts.push(this.#at === 0 && taken === view.length ? view : view.subarray(this.#at, this.#at + taken))
      this.#at += taken
      rest -= taken
      if (this.#at < view.length) continue
      this.#index++
      this.#at = 0
    }
    return parts
  }

  /** What is left after `skipped` bytes. */
  rest(skipped: number): Uint8Array[] {
    this.take(skipped)
    const [first, ...others] = this.#views.slice(this.#index)
    return first === undefined ? [] : [first.subarray(this.#at), ...others]
  }
}
