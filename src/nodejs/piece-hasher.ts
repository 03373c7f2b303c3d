/**
 * Does one job of a hash worker: reads the slices of its pieces and hands them to the digester.
 * Invariant: at most one content file is open, the one read last, because the next job mostly goes on in it.
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { equalBytes } from '../base/bytes.ts'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import { LOOK_NUMBERS, putLook } from './file-looks.ts'
import { forgetAll } from './folder-descriptors.ts'
import type { FromWorker, HashJob, HashSettings, PieceHashes, Slice } from './hash-job.ts'
import { PieceDigester } from './piece-digester.ts'
import { ShoalError } from './shoal-error.ts'
import { explainedError, storageError } from './storage-error.ts'

/**
 * Running out of descriptors says nothing about a piece; everything else that keeps it from being read does.
 */
const NOT_ABOUT_THE_FILE = 'storage/too-many-files'

export class PieceHasher {
  readonly #digester = new PieceDigester()
  #folder: ContentFolder | undefined
  #fd: number | undefined
  /** The file that `#fd` is of. */
  #openFile: Slice | undefined
  #openRoot = ''
  /** A file of this job that cannot be read. */
  #unreadable: Slice | undefined
  /** Of the slices of this job; undefined when nobody wants them. */
  #looks: BigInt64Array | undefined
  /** The slice in hand, until its file was looked at. */
  #toLookAt: number | undefined

  /** What went wrong comes back as a fault; anything but a ShoalError is a mistake of ours and is thrown. */
  answer(job: HashJob): FromWorker {
    const { id } = job
    try {
      const hashes = this.run(job)
      return hashes === undefined ? { id } : { id, hashes }
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      const { code, message, hint } = error
      return { id, fault: hint === undefined ? { code, message } : { code, message, hint } }
    }
  }

  /**
   * Undefined when the job was cancelled on the way. Throws ShoalError if the job is
   * strict and a file is not as told.
   */
  run(job: HashJob): PieceHashes | undefined {
    const cancelled = new Int32Array(job.cancelled)
    const digester = this.#digester
    this.#unreadable = undefined
    digester.begin(job.settings, job.pieceCount)
    const looks = job.settings.wantsLooks ? new BigInt64Array(LOOK_NUMBERS * job.slices.length) : undefined
    this.#looks = looks
    for (let index = 0; index < job.slices.length; index++) {
      const slice = job.slices[index]!
      this.#toLookAt = looks && index
      const isPadding = slice.path.length === 0
      for (let done = 0, length = 0; done < slice.length; done += length) {
        if (Atomics.load(cancelled, 0) !== 0) return undefined
        length = digester.room(slice.length - done)
        if (isPadding) digester.addPadding(length)
        else if (!digester.isMissing && this.#read(job.settings, slice, slice.offset + done, length)) {
          digester.addContent(length, slice.fileLength)
        } else digester.addMissing(length)
      }
      if (job.settings.isStrict && !isPadding) this.#checkUnchanged(job.settings, slice)
      if (job.settings.isCutAtFiles) digester.endPiece()
    }
    digester.endPiece()
    return looks === undefined ? digester.hashes : { ...digester.hashes, looks }
  }

  /** Closes everything that is kept open. */
  release(): void {
    this.#close()
    forgetAll()
  }

  /** False when the bytes cannot be had and the run is not strict. */
  #read(settings: HashSettings, slice: Slice, offset: number, length: number): boolean {
    if (this.#unreadable !== undefined && isSameFile(this.#unreadable, slice)) return false
    try {
      if (!this.#isOpen(settings, slice)) this.#open(settings, slice)
      // Before it is read: what is changed after that looks different the next time.
      if (this.#toLookAt !== undefined) this.#look(settings, slice, this.#toLookAt)
      this.#fill(settings, slice, offset, length)
      return true
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code === NOT_ABOUT_THE_FILE) throw error
      if (settings.isStrict)
        throw error.code === 'storage/not-found' ? changed(settings, slice, 'vanished') : error
      this.#unreadable = slice
      return false
    }
  }

  #isOpen(settings: HashSettings, slice: Slice): boolean {
    const open = this.#openFile
    return open !== undefined && isSameFile(open, slice) && this.#openRoot === settings.folders[slice.folder]
  }

  /** In a strict run what it is comes out with `#checkUnchanged`, at the end; else a look tells. */
  #open(settings: HashSettings, slice: Slice): void {
    this.#close()
    const root = settings.folders[slice.folder]!
    if (this.#folder === undefined || this.#openRoot !== root) this.#folder = new ContentFolder(root)
    this.#openRoot = root
    this.#fd =
      settings.isStrict || this.#toLookAt !== undefined
        ? this.#folder.openUnknownSync(slice.path, 'read')
        : this.#folder.openSync(slice.path, 'read')
    this.#openFile = slice
  }

  #look(settings: HashSettings, slice: Slice, index: number): void {
    this.#toLookAt = undefined
    const stat = this.#guard(settings, slice, () => fstatSync(this.#fd!, { bigint: true }))
    if (!stat.isFile()) throw explainedError('EISDIR', display(settings, slice), false)
    putLook(this.#looks!, index, stat)
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    this.#openFile = undefined
  }

  #fill(settings: HashSettings, slice: Slice, offset: number, length: number): void {
    const { chunk, position } = this.#digester
    for (let done = 0; done < length; ) {
      let count: number
      try {
        count = readSync(this.#fd!, chunk, position + done, length - done, offset + done)
      } catch (error) {
        throw storageError(error, display(settings, slice))
      }
      if (count === 0) throw changed(settings, slice, 'became shorter')
      done += count
    }
  }

  #checkUnchanged(settings: HashSettings, slice: Slice): void {
    const stat = this.#guard(settings, slice, () => fstatSync(this.#fd!))
    if (!stat.isFile()) throw changed(settings, slice, 'became something else')
    if (stat.size !== slice.fileLength) throw changed(settings, slice, 'changed its size')
    if (slice.mtimeMs !== undefined && stat.mtimeMs !== slice.mtimeMs)
      throw changed(settings, slice, 'was written to')
  }

  #guard<T>(settings: HashSettings, slice: Slice, use: () => T): T {
    try {
      return use()
    } catch (error) {
      throw storageError(error, display(settings, slice))
    }
  }
}

function changed(settings: HashSettings, slice: Slice, how: string): ShoalError {
  const message = `${display(settings, slice)} ${how} before it was hashed`
  return new ShoalError(
    'storage/changed',
    message,
    'Wait until nothing writes to it any more, then try again.',
  )
}

function display(settings: HashSettings, slice: Slice): string {
  return new ContentFolder(settings.folders[slice.folder]!).display(slice.path)
}

/** Of slices of one run. */
function isSameFile(a: Slice, b: Slice): boolean {
  if (a === b) return true
  if (a.path.length !== b.path.length || a.folder !== b.folder) return false
  // Files of one folder differ in the last name.
  for (let depth = a.path.length - 1; depth >= 0; depth--)
    if (!isSameName(a.path[depth]!, b.path[depth]!)) return false
  return true
}

function isSameName(a: PathComponent, b: PathComponent): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return equalBytes(a, b)
}
