/**
 * Keeps the resume journal of one download on disk: `ID.resume` in its hidden folder, read at the start,
 * appended to while pieces come in, written whole at an orderly stop.
 * Invariants: content never waits for it; nothing is left open or under way after `close`; a log that cannot
 * be written costs a check at the next start, and nothing else.
 */
import { hash } from 'node:crypto'
import { closeSync, fsync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Bitfield } from '../base/bitfield.ts'
import type { ContentStore } from '../ports/content-store.ts'
import type { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ContentCheck, Findings } from './content-check.ts'
import type { ContentFolder, ContentStat } from './content-folder.ts'
import type { ContentPaths } from './content-location.ts'
import type { Resume } from './resume-file.ts'
import { FLUSH_MS, type JournalDisk, ResumeJournal } from './resume-journal.ts'
import { BOOT_BYTES, MARK, ResumeState, readResumeLog, resumeLogBytesMax } from './resume-log.ts'
import { errnoOf } from './storage-error.ts'
import { newResumePath } from './transfer-state.ts'

export interface ResumeKeeperOptions {
  readonly metainfo: Metainfo
  readonly geometry: Geometry
  readonly content: ContentCheck
  /** Where the content stands. */
  readonly folder: ContentFolder
  /** Where each file of the metainfo stands below it. */
  readonly paths: ContentPaths
}

/** What a journal says, and what it takes to go on with it. */
export interface KeptResume extends Resume {
  readonly state: ResumeState
}

const BOOT = readBoot()
const fsyncAsync = promisify(fsync)

/** @param logPath of the log */
export function readResume(
  logPath: string,
  pieceCount: number,
  fileCount: number,
): KeptResume | 'corrupt' | undefined {
  let state: ResumeState | 'corrupt'
  try {
    if (statSync(logPath).size > resumeLogBytesMax(pieceCount, fileCount)) return 'corrupt'
    state = readResumeLog(readFileSync(logPath), pieceCount, fileCount, BOOT)
  } catch (error) {
    const errno = errnoOf(error)
    return errno === 'ENOENT' || errno === 'ENOTDIR' ? undefined : 'corrupt'
  }
  if (state === 'corrupt') return state
  const { pieces, markStates, prints } = state
  return {
    state,
    pieces,
    isUnchanged: (file, stat) => markStates[file] !== MARK.none && filePrint(stat()) === prints[file],
  }
}

export class ResumeKeeper {
  readonly #options: ResumeKeeperOptions
  readonly #path: string
  /** Of the selected ones. */
  readonly #filesOf = (piece: number) =>
    allFilesOf(this.#options, piece).filter((file) => this.#options.content.isSelected(file))
  #journal: ResumeJournal | undefined
  #timer: NodeJS.Timeout | undefined
  #log: FileHandle | undefined
  /** What is under way; never rejects. */
  #work: Promise<void> = Promise.resolve()
  /** The same for content that is brought to the disk. */
  #syncing: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(logPath: string, options: ResumeKeeperOptions) {
    this.#path = logPath
    this.#options = options
  }

  /** What is there was looked at, with the help of an earlier journal or without: from now on it is kept. */
  begin({ found, changed }: Pick<Findings, 'found' | 'changed'>, resume: KeptResume | undefined): void {
    const { metainfo, content } = this.#options
    const state = new ResumeState(metainfo.pieceCount, metainfo.files.length)
    for (const mark of resume?.state.marks() ?? []) if (!changed.has(mark.file)) state.mark(mark)
    // Also those that the choice of files leaves out now: it may be another one the next time.
    for (const piece of resume?.pieces.ones() ?? [])
      if (
        !content.checkable.has(piece) &&
        allFilesOf(this.#options, piece).every((file) => !changed.has(file))
      )
        state.pieces.set(piece)
    for (const piece of found.ones()) state.pieces.set(piece)
    const read = [...changed].filter((file) => content.isSelected(file))
    // Where there was nothing at all nothing was read.
    this.#start(state, found.count > 0 ? read : [])
  }

  /** Everything wanted has come to this place from another. */
  beginMoved(pieces: Bitfield): void {
    const { metainfo, content } = this.#options
    const state = new ResumeState(metainfo.pieceCount, metainfo.files.length)
    for (const piece of pieces.ones()) if (content.checkable.has(piece)) state.pieces.set(piece)
    const isMoved = (file: number) => content.isSelected(file) && !metainfo.files[file]!.isPad
    this.#start(state, [...metainfo.files.keys()].filter(isMoved))
  }

  /** The same store, with every piece that is written remembered. */
  watch(store: ContentStore): ContentStore {
    return {
      read: (piece, begin, views, done) => store.read(piece, begin, views, done),
      write: (piece, bytes, done) => {
        this.#journal?.writing(piece, performance.now())
        store.write(piece, bytes, (fault) => {
          this.#journal?.written(piece, fault === undefined, performance.now())
          this.#plan()
          done(fault)
        })
      },
    }
  }

  lost(pieces: Iterable<number>): void {
    const now = performance.now()
    for (const piece of pieces) this.#journal?.lost(piece, now)
    this.#flush()
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#work
    await this.#syncing
    await this.#log?.close().catch(() => {})
    this.#log = undefined
  }

  /**
   * After `close`: leaves what the next start needs; nothing when there is nothing.
   * Throws what `node:fs` does.
   */
  save(): void {
    if (this.#journal === undefined) return
    if (this.#journal.pieces.count === 0) return rmSync(this.#path, { force: true })
    writeFileSync(newResumePath(this.#path), this.#journal.end())
    renameSync(newResumePath(this.#path), this.#path)
  }

  #start(state: ResumeState, unmarked: Iterable<number>): void {
    const disk = this.#disk()
    const isKept = (piece: number) => this.#options.content.checkable.has(piece)
    // Nothing is written before there is something to say, so an earlier journal must not stay.
    if (state.pieces.count === 0) rmSync(this.#path, { force: true })
    const options = { state, boot: BOOT, disk, filesOf: this.#filesOf, isKept }
    this.#journal = new ResumeJournal(options, performance.now(), unmarked)
    this.#flush()
  }

  #plan(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#journal?.isDue !== true) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#flush()
    }, FLUSH_MS)
    this.#timer.unref()
  }

  #flush(): void {
    if (this.#isClosed) return
    this.#journal?.flush(performance.now())
    this.#plan()
  }

  #disk(): JournalDisk {
    return {
      replace: (log, done) => this.#do(() => this.#replace(log), done),
      append: (records, done) => this.#do(() => this.#append(records), done),
      print: (file) => this.#print(file),
      sync: (file, done) => this.#sync(file, done),
    }
  }

  /** One after the other. */
  #do(work: () => Promise<void>, done: (isDone: boolean) => void): void {
    this.#work = this.#work.then(work).then(
      () => done(true),
      () => done(false),
    )
  }

  async #replace(log: Uint8Array): Promise<void> {
    await this.#log?.close()
    this.#log = undefined
    const file = await open(newResumePath(this.#path), 'w')
    try {
      await file.writeFile(log)
      await rename(newResumePath(this.#path), this.#path)
    } catch (error) {
      await file.close()
      throw error
    }
    this.#log = file
  }

  async #append(records: Uint8Array): Promise<void> {
    await this.#log!.writeFile(records)
  }

  #print(file: number): bigint | undefined {
    try {
      return filePrint(this.#options.folder.statSync(this.#options.paths.at(file)!))
    } catch {
      return undefined
    }
  }

  #sync(file: number, done: (isDone: boolean) => void): void {
    this.#syncing = this.#synced(file).then(
      () => done(true),
      () => done(false),
    )
  }

  async #synced(file: number): Promise<void> {
    await setImmediate()
    const fd = this.#options.folder.openSync(this.#options.paths.at(file)!, 'read')
    try {
      await fsyncAsync(fd)
    } finally {
      closeSync(fd)
    }
  }
}

/** The files that hold bytes of a piece. */
function allFilesOf({ geometry, metainfo }: ResumeKeeperOptions, piece: number): number[] {
  const files: number[] = []
  for (const { file } of geometry.segments(piece, 0, geometry.pieceSize(piece)))
    if (!metainfo.files[file]!.isPad) files.push(file)
  return files
}

/** Differs whenever size, times or inode do. Undefined for what is no file. */
function filePrint(stat: ContentStat | undefined): bigint | undefined {
  if (stat === undefined || !stat.isFile) return undefined
  const { size, mtimeNs, ctimeNs, inode } = stat
  return hash('sha256', `${size} ${mtimeNs} ${ctimeNs} ${inode}`, 'buffer').readBigUInt64BE()
}

/** Linux gives every start of the machine a number. */
function readBoot(): Uint8Array {
  const boot = new Uint8Array(BOOT_BYTES)
  try {
    const text = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '')
    if (/^[0-9a-f]{32}$/.test(text)) boot.set(Buffer.from(text, 'hex'))
  } catch {
    // Elsewhere only what was brought to the disk is believed.
  }
  return boot
}
