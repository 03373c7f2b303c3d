/**
 * Does one job of a hash worker: reads the slices of its pieces and hands them to the digester.
 * Invariant: at most one content file is open, the one read last, because the next job mostly goes on in it.
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import { LOOK_NUMBERS, putLook } from './file-looks.ts'
import { forgetAll } from './folder-descriptors.ts'
import type { HashAnswer, HashJob, PieceHashes } from './hash-job.ts'
import { PieceDigester } from './piece-digester.ts'
import { ShoalError } from './shoal-error.ts'
import { isSameFolder, isSameName, PADDING, SLICE, SLICE_NUMBERS } from './slices.ts'
import { explainedError, storageError } from './storage-error.ts'

/**
 * Running out of descriptors says nothing about a piece; everything else that keeps it from being read does.
 */
const NOT_ABOUT_THE_FILE = 'storage/too-many-files'

/** A file, as slices name it. */
interface FileName {
  readonly root: string
  readonly parents: readonly PathComponent[]
  readonly name: PathComponent
}

export class PieceHasher {
  readonly #digester = new PieceDigester()
  #folder: ContentFolder | undefined
  #fd: number | undefined
  /** The file that `#fd` is of. */
  #open: FileName | undefined
  /** A file of this job that cannot be read. */
  #unreadable: FileName | undefined
  #job!: HashJob
  /** The slice in hand. */
  #index = 0
  #fileLength = 0
  /** Its file is the open one. */
  #isOpen = false
  /** Of the slices of this job; undefined when nobody wants them. */
  #looks: BigInt64Array | undefined
  /** The file of the slice in hand was looked at, or need not be. */
  #isLookedAt = true

  /** What went wrong comes back as a fault; anything but a ShoalError is a mistake of ours and is thrown. */
  answer(job: HashJob): HashAnswer {
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
    const { settings } = job
    const { numbers, names } = job.slices
    const cancelled = new Int32Array(job.cancelled)
    const digester = this.#digester
    this.#job = job
    this.#unreadable = undefined
    digester.begin(settings, job.pieceCount)
    const looks = settings.wantsLooks ? new BigInt64Array(LOOK_NUMBERS * names.length) : undefined
    this.#looks = looks
    for (let index = 0; index < names.length; index++) {
      const at = SLICE_NUMBERS * index
      const isPadding = numbers[at + SLICE.folder] === PADDING
      const offset = numbers[at + SLICE.offset]!
      const sliceLength = numbers[at + SLICE.length]!
      this.#index = index
      this.#fileLength = numbers[at + SLICE.fileLength]!
      this.#isOpen = false
      this.#isLookedAt = looks === undefined
      for (let done = 0, length = 0; done < sliceLength; done += length) {
        if (Atomics.load(cancelled, 0) !== 0) return undefined
        length = digester.room(sliceLength - done)
        if (isPadding) digester.addPadding(length)
        else if (!digester.isMissing && this.#read(offset + done, length)) {
          digester.addContent(length, this.#fileLength)
        } else digester.addMissing(length)
      }
      if (settings.isStrict && !isPadding) this.#checkUnchanged()
      if (settings.isCutAtFiles) digester.endPiece()
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
  #read(offset: number, length: number): boolean {
    if (this.#unreadable !== undefined && this.#isOfSlice(this.#unreadable)) return false
    try {
      if (!this.#isOpen) this.#openFile()
      // Before it is read: what is changed after that looks different the next time.
      if (!this.#isLookedAt) this.#look()
      this.#fill(offset, length)
      return true
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code === NOT_ABOUT_THE_FILE) throw error
      if (this.#job.settings.isStrict)
        throw error.code === 'storage/not-found' ? this.#changed('vanished') : error
      this.#unreadable = this.#file
      return false
    }
  }

  /** The file of the slice in hand. */
  get #file(): FileName {
    const { slices } = this.#job
    return { root: this.#root, parents: slices.parents[this.#index]!, name: slices.names[this.#index]! }
  }

  get #root(): string {
    const { settings, slices } = this.#job
    return settings.folders[slices.numbers[SLICE_NUMBERS * this.#index + SLICE.folder]!]!
  }

  #isOfSlice({ root, parents, name }: FileName): boolean {
    const { slices } = this.#job
    return (
      isSameName(name, slices.names[this.#index]!) &&
      isSameFolder(parents, slices.parents[this.#index]!) &&
      root === this.#root
    )
  }

  /** In a strict run what it is comes out with `#checkUnchanged`, at the end; else a look tells. */
  #openFile(): void {
    if (this.#open === undefined || !this.#isOfSlice(this.#open)) {
      const last = this.#open
      this.#close()
      const { root, parents, name } = this.#file
      if (this.#folder === undefined || this.#folder.root !== root) this.#folder = new ContentFolder(root)
      // The list of the slice before, in another job too.
      const folder = last !== undefined && isSameFolder(parents, last.parents) ? last.parents : parents
      const isChecked = this.#job.settings.isStrict || !this.#isLookedAt
      this.#fd = isChecked
        ? this.#folder.openNextSync(folder, name)
        : this.#folder.openSync([...folder, name], 'read')
      this.#open = { root, parents: folder, name }
    }
    this.#isOpen = true
  }

  #look(): void {
    this.#isLookedAt = true
    const stat = this.#guard(() => fstatSync(this.#fd!, { bigint: true }))
    if (!stat.isFile()) throw explainedError('EISDIR', this.#display(), false)
    putLook(this.#looks!, this.#index, stat)
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    this.#open = undefined
  }

  #fill(offset: number, length: number): void {
    const { chunk, position } = this.#digester
    for (let done = 0; done < length; ) {
      let count: number
      try {
        count = readSync(this.#fd!, chunk, position + done, length - done, offset + done)
      } catch (error) {
        throw storageError(error, this.#display())
      }
      if (count === 0) throw this.#changed('became shorter')
      done += count
    }
  }

  #checkUnchanged(): void {
    const mtimeMs = this.#job.slices.numbers[SLICE_NUMBERS * this.#index + SLICE.mtimeMs]!
    const stat = this.#guard(() => fstatSync(this.#fd!))
    if (!stat.isFile()) throw this.#changed('became something else')
    if (stat.size !== this.#fileLength) throw this.#changed('changed its size')
    if (!Number.isNaN(mtimeMs) && stat.mtimeMs !== mtimeMs) throw this.#changed('was written to')
  }

  #guard<T>(use: () => T): T {
    try {
      return use()
    } catch (error) {
      throw storageError(error, this.#display())
    }
  }

  #changed(how: string): ShoalError {
    const message = `${this.#display()} ${how} before it was hashed`
    return new ShoalError(
      'storage/changed',
      message,
      'Wait until nothing writes to it any more, then try again.',
    )
  }

  #display(): string {
    const { root, parents, name } = this.#file
    return new ContentFolder(root).display([...parents, name])
  }
}
