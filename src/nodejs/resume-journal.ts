/**
 * Decides what goes into the resume journal of one download, and when; `resume-keeper.ts` gives it time and
 * the disk. Pieces are recorded within about a second of being written. A file is marked with what it looks
 * like once nobody has written to it for a while, and every piece of it that was written is in the log by
 * then; so a file that still looks like its mark holds exactly what the log says, and any
 * other is to be read.
 * A power cut may keep the log and lose content together with its date; so the mark of a file that is written
 * to again is taken back before the log says what was written.
 * Invariants: a mark never comes before the pieces that were written to its file; while one of its
 * pieces is being written a file has no mark; nothing here waits for the disk.
 */
import type { Bitfield } from '../base/bitfield.ts'
import {
  type FileMark,
  MARK,
  marksRecord,
  piecesRecord,
  type ResumeState,
  snapshotLog,
} from './resume-log.ts'

export interface JournalDisk {
  /** The log is these bytes now; whatever interrupts it, it is the old ones or the new. */
  replace(log: Uint8Array, done: (isDone: boolean) => void): void
  append(records: Uint8Array, done: (isDone: boolean) => void): void
  /** What a file looks like; undefined when it cannot be seen. */
  print(file: number): bigint | undefined
  /** Brings a file's bytes to the disk. */
  sync(file: number, done: (isDone: boolean) => void): void
}

export interface ResumeJournalOptions {
  readonly state: ResumeState
  /** `BOOT_BYTES` */
  readonly boot: Uint8Array
  readonly disk: JournalDisk
  /** The files that hold bytes of a piece. */
  readonly filesOf: (piece: number) => Iterable<number>
  /** Whether a piece can be found in its files again; others are never recorded. */
  readonly isKept: (piece: number) => boolean
}

/** Records are gathered so long. */
export const FLUSH_MS = 1000
/**
 * Coarsest clock of a file system: FAT counts two seconds. A write after that gives a file
 * another time than its mark has.
 */
export const SETTLE_MS = 2500
/**
 * By then the system has written a file's bytes by itself (Linux: after 30 s, looked at every 5), so that
 * making sure costs next to nothing.
 */
export const SYNC_MS = 60_000
/** Files looked at in one flush: about 5 ms. */
export const PRINTS_PER_FLUSH = 256
/** A log that could not be written is tried again after this. */
const RETRY_MS = 10_000
/** What a log may have beyond twice its snapshot before it is written anew. */
const SLACK_BYTES = 64 * 1024

export class ResumeJournal {
  readonly #options: ResumeJournalOptions
  readonly #state: ResumeState
  /** Written since the last flush. Bounded by piecesMax. */
  #pending: number[] = []
  /**
   * Pieces being written, for each file. Bounded by `unverifiedBytesMax`: each holds a buffer of the pool.
   */
  readonly #busy = new Map<number, number>()
  /** When each file without a mark was written to last, oldest first. Bounded by filesMax. */
  readonly #unsettled = new Map<number, number>()
  /** When each file was marked that the disk may not have yet, oldest first. Bounded by filesMax. */
  readonly #unsynced = new Map<number, number>()
  /** The log has a mark of them that would outlive the machine. Bounded by filesMax. */
  readonly #unmarked = new Set<number>()
  /** The disk has them now. Bounded by the syncs of one flush. */
  readonly #synced = new Set<number>()
  /** On its way to the disk, and not written to since that began. */
  #syncing: number | undefined
  #needsSnapshot = true
  #isWriting = false
  #isSyncing = false
  #retryAt = 0
  #logBytes = 0
  #snapshotBytes = 0

  /** @param rechecked files that were read just now: they get a mark when they have been left alone */
  constructor(options: ResumeJournalOptions, now: number, rechecked: Iterable<number>) {
    this.#options = options
    this.#state = options.state
    for (const { file, state } of this.#state.marks())
      if (state === MARK.settled) this.#unsynced.set(file, now)
    for (const file of rechecked) this.#touch(file, now)
  }

  get pieces(): Bitfield {
    return this.#state.pieces
  }

  /** Something is to be written sooner or later: `flush` wants to be called every `FLUSH_MS`. */
  get isDue(): boolean {
    return (
      (this.#needsSnapshot && this.#logBytes + this.#state.pieces.count > 0) ||
      this.#pending.length + this.#synced.size + this.#unsettled.size + this.#unsynced.size > 0
    )
  }

  /** Bytes of this piece are about to go to its files. */
  writing(piece: number, now: number): void {
    if (this.#state.pieces.has(piece)) this.lost(piece, now)
    for (const file of this.#options.filesOf(piece)) {
      this.#busy.set(file, (this.#busy.get(file) ?? 0) + 1)
      // When that was counts from its end.
      this.#unmark(file)
    }
  }

  written(piece: number, isWritten: boolean, now: number): void {
    for (const file of this.#options.filesOf(piece)) {
      const count = this.#busy.get(file)! - 1
      if (count > 0) this.#busy.set(file, count)
      else this.#busy.delete(file)
      this.#touch(file, now)
    }
    if (isWritten && this.#options.isKept(piece) && this.#state.pieces.set(piece)) this.#pending.push(piece)
  }

  /** It is not what it was: found out by reading it. */
  lost(piece: number, now: number): void {
    for (const file of this.#options.filesOf(piece)) this.#touch(file, now)
    if (!this.#state.pieces.clear(piece)) return
    this.#pending = this.#pending.filter((other) => other !== piece)
    this.#needsSnapshot = true
  }

  /** Writes down what is new. Does nothing while the last time is not over. */
  flush(now: number): void {
    this.#sync(now)
    if (this.#isWriting || now < this.#retryAt) return
    const marks = [...this.#settle(now), ...this.#confirm()]
    const pieces = this.#pending
    this.#pending = []
    if (this.#logBytes === 0 && this.#state.pieces.count === 0) return
    if (this.#needsSnapshot || this.#logBytes > SLACK_BYTES + 2 * this.#snapshotBytes)
      return this.#write(snapshotLog(this.#state, this.#options.boot), true, now)
    const records: Buffer[] = []
    if (this.#unmarked.size > 0) records.push(marksRecord([...this.#unmarked].map(unmark)))
    this.#unmarked.clear()
    if (pieces.length > 0) records.push(piecesRecord(pieces))
    if (marks.length > 0) records.push(marksRecord(marks))
    if (records.length > 0) this.#write(Buffer.concat(records), false, now)
  }

  /**
   * The log of an orderly stop: nobody writes after it, so no file need be left alone first.
   * Files that a write has not come back from get no mark.
   */
  end(): Buffer {
    for (const file of this.#unsettled.keys()) this.#mark(file)
    return snapshotLog(this.#state, this.#options.boot)
  }

  #touch(file: number, now: number): void {
    this.#unmark(file)
    this.#unsettled.delete(file)
    this.#unsettled.set(file, now)
  }

  #unmark(file: number): void {
    if (this.#state.markStates[file] === MARK.synced) this.#unmarked.add(file)
    this.#state.markStates[file] = MARK.none
    if (this.#syncing === file) this.#syncing = undefined
    this.#synced.delete(file)
    this.#unsynced.delete(file)
  }

  #settle(now: number): FileMark[] {
    const marks: FileMark[] = []
    for (const [file, writtenAt] of this.#unsettled) {
      if (now - writtenAt < SETTLE_MS || marks.length === PRINTS_PER_FLUSH) break
      if (this.#busy.has(file)) continue
      const mark = this.#mark(file)
      this.#unsettled.delete(file)
      if (mark === undefined) continue
      marks.push(mark)
      this.#unsynced.set(file, now)
    }
    return marks
  }

  #mark(file: number): FileMark | undefined {
    const print = this.#busy.has(file) ? undefined : this.#options.disk.print(file)
    if (print === undefined) return undefined
    const mark = { file, state: MARK.settled, print }
    this.#state.mark(mark)
    return mark
  }

  /** Files that have gone to the disk and were left alone until now. */
  #confirm(): FileMark[] {
    const marks: FileMark[] = []
    for (const file of this.#synced) {
      const print = this.#state.prints[file]!
      if (this.#options.disk.print(file) !== print) continue
      const mark = { file, state: MARK.synced, print }
      this.#state.mark(mark)
      marks.push(mark)
    }
    this.#synced.clear()
    return marks
  }

  /** One after the other, as long as they come back at once: a slow disk has others to serve. */
  #sync(now: number): void {
    if (this.#isSyncing || this.#synced.size >= PRINTS_PER_FLUSH) return
    const [oldest] = this.#unsynced
    if (oldest === undefined || now - oldest[1] < SYNC_MS) return
    const [file] = oldest
    this.#unsynced.delete(file)
    this.#isSyncing = true
    this.#syncing = file
    this.#options.disk.sync(file, (isDone) => {
      this.#isSyncing = false
      // Written to meanwhile, it waits to be synced again.
      if (isDone && this.#syncing === file) this.#synced.add(file)
      this.#sync(now)
    })
  }

  #write(bytes: Buffer, isSnapshot: boolean, now: number): void {
    this.#isWriting = true
    if (isSnapshot) {
      this.#needsSnapshot = false
      this.#unmarked.clear()
      this.#logBytes = 0
      this.#snapshotBytes = bytes.length
    }
    this.#logBytes += bytes.length
    const done = (isDone: boolean): void => {
      this.#isWriting = false
      // Nobody knows how much of it is there: the next time everything is written.
      if (isDone) return
      this.#needsSnapshot = true
      this.#retryAt = now + RETRY_MS
    }
    if (isSnapshot) this.#options.disk.replace(bytes, done)
    else this.#options.disk.append(bytes, done)
  }
}

function unmark(file: number): FileMark {
  return { file, state: MARK.none, print: 0n }
}
