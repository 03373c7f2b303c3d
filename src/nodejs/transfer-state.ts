/**
 * The hidden folder `DIR/.shoal` of an unfinished download: its lock, its resume data and its side file, all
 * named by the infohash. Invariant: nothing of it is left once the download is complete and stopped.
 */
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { errnoOf, storageError } from './storage-error.ts'
import { TransferLock } from './transfer-lock.ts'

export const STATE_FOLDER = '.shoal'

/** Where resume data is written before it takes its place. */
export function newResumePath(resumePath: string): string {
  return `${resumePath}.new`
}

const KINDS = ['lock', 'resume', 'parts', 'moving']

/** Bytes of files not selected that share a piece with selected ones; below the content folder. */
export function sideFileOf(id: string): readonly string[] {
  return [STATE_FOLDER, `${id}.parts`]
}

export class TransferState {
  readonly resumePath: string
  /**
   * Stands there while complete content goes from the temporary folder, where this state is, to its place.
   */
  readonly movingPath: string
  /** An earlier run of this download has left something here, in good order or not. */
  readonly isContinued: boolean
  /** Below the content folder. */
  readonly sideFile: readonly string[]
  readonly #folder: string
  readonly #lock: TransferLock

  private constructor(folder: string, id: string, lock: TransferLock, isContinued: boolean) {
    this.isContinued = isContinued
    this.#folder = folder
    this.#lock = lock
    this.resumePath = path.join(folder, `${id}.resume`)
    this.movingPath = path.join(folder, `${id}.moving`)
    this.sideFile = sideFileOf(id)
  }

  /** Makes DIR if need be. Throws ShoalError `storage/…` or `transfer/…`. @param id infohash in hex */
  static open(dir: string, id: string): TransferState {
    const folder = path.join(dir, STATE_FOLDER)
    try {
      makeFolders(folder)
      const lock = path.join(folder, `${id}.lock`)
      const isContinued = KINDS.some((kind) => existsSync(path.join(folder, `${id}.${kind}`)))
      return new TransferState(folder, id, TransferLock.take(lock), isContinued)
    } catch (cause) {
      throw storageError(cause, dir, true)
    }
  }

  /** A run was killed while it put complete content in its place. */
  static isMoving(dir: string, id: string): boolean {
    return existsSync(path.join(dir, STATE_FOLDER, `${id}.moving`))
  }

  /** From now on until `close` some files may be in the one place, some in the other. */
  beginMove(): void {
    writeFileSync(this.movingPath, '')
  }

  /** @param isComplete nothing is needed any more to go on */
  close(isComplete: boolean): void {
    if (isComplete) {
      rmSync(this.resumePath, { force: true })
      rmSync(path.join(path.dirname(this.#folder), ...this.sideFile), { force: true })
    }
    rmSync(newResumePath(this.resumePath), { force: true })
    this.#lock.release()
    // The last, so that a run that is killed before this is ended by the next one.
    if (isComplete) rmSync(this.movingPath, { force: true })
    TransferState.tidy(path.dirname(this.#folder))
  }

  /** Removes the hidden folder when nothing is in it. */
  static tidy(dir: string): void {
    try {
      rmdirSync(path.join(dir, STATE_FOLDER))
    } catch {
      // Another download of the same folder still has its state there, or there is none.
    }
  }
}

/**
 * Where a folder cannot be made, `recursive` may say ENOENT whatever the reason; the first one missing tells.
 */
function makeFolders(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    let missing = path.resolve(folder)
    while (!existsSync(path.dirname(missing))) missing = path.dirname(missing)
    mkdirSync(missing)
  }
}
