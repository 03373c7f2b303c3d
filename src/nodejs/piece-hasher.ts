/**
 * Does one job of a hash worker: reads the slices of its pieces and hands them to the digester.
 * Invariant: at most one content file is open, the one read last, because the next job mostly goes on in it.
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { ContentFolder } from './content-folder.ts'
import { forgetAll } from './folder-descriptors.ts'
import type { FromWorker, HashJob, HashSettings, PieceHashes, Slice } from './hash-job.ts'
import { PieceDigester } from './piece-digester.ts'
import { ShoalError } from './shoal-error.ts'
import { storageError } from './storage-error.ts'

/**
 * Running out of descriptors says nothing about a piece; everything else that keeps it from being read does.
 */
const NOT_ABOUT_THE_FILE = 'storage/too-many-files'

export class PieceHasher {
  readonly #digester = new PieceDigester()
  #fd: number | undefined
  #fdKey = ''
  #unreadableKey = ''

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
    this.#unreadableKey = ''
    digester.begin(job.settings, job.pieceCount)
    for (const slice of job.slices) {
      const isPadding = slice.path.length === 0
      const key = sliceKey(job.settings, slice)
      for (let done = 0, length = 0; done < slice.length; done += length) {
        if (Atomics.load(cancelled, 0) !== 0) return undefined
        length = Math.min(slice.length - done, digester.room)
        if (isPadding) digester.addPadding(length)
        else if (!digester.isMissing && this.#read(job.settings, slice, key, slice.offset + done, length)) {
          digester.addContent(length, slice.fileLength)
        } else digester.addMissing(length)
      }
      if (job.settings.isStrict && !isPadding) this.#checkUnchanged(job.settings, slice)
      if (job.settings.isCutAtFiles) digester.endPiece()
    }
    digester.endPiece()
    return digester.hashes
  }

  /** Closes everything that is kept open. */
  release(): void {
    this.#close()
    forgetAll()
  }

  /** False when the bytes cannot be had and the run is not strict. */
  #read(settings: HashSettings, slice: Slice, key: string, offset: number, length: number): boolean {
    if (key === this.#unreadableKey) return false
    try {
      if (key !== this.#fdKey) this.#open(settings, slice, key)
      this.#fill(settings, slice, offset, length)
      return true
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code === NOT_ABOUT_THE_FILE) throw error
      if (settings.isStrict)
        throw error.code === 'storage/not-found' ? changed(settings, slice, 'vanished') : error
      this.#unreadableKey = key
      return false
    }
  }

  #open(settings: HashSettings, slice: Slice, key: string): void {
    this.#close()
    this.#fd = new ContentFolder(settings.folders[slice.folder]!).openSync(slice.path, 'read')
    this.#fdKey = key
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    this.#fdKey = ''
  }

  #fill(settings: HashSettings, slice: Slice, offset: number, length: number): void {
    const { chunk, position } = this.#digester
    for (let done = 0; done < length; ) {
      const count = this.#guard(settings, slice, () =>
        readSync(this.#fd!, chunk, position + done, length - done, offset + done),
      )
      if (count === 0) throw changed(settings, slice, 'became shorter')
      done += count
    }
  }

  #checkUnchanged(settings: HashSettings, slice: Slice): void {
    const stat = this.#guard(settings, slice, () => fstatSync(this.#fd!))
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

/** The same for slices of the same file, and for no others. */
function sliceKey(settings: HashSettings, slice: Slice): string {
  let key = settings.folders[slice.folder]!
  for (const name of slice.path)
    key += typeof name === 'string' ? `\0${name}` : `\0\0${Buffer.from(name).toString('latin1')}`
  return key
}
