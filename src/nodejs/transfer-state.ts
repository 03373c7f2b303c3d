/**
 * The hidden folder `DIR/.shoal` of an unfinished download: its lock, its resume data and its side file, all
 * named by the infohash. Invariant: nothing of it is left once the download is complete and stopped, but what
 * a magnet link needs to be seeded again (`kept-metadata.ts`).
 */
import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { errnoOf, storageError } from './storage-error.ts'
import { TransferLock } from './transfer-lock.ts'

export const STATE_FOLDER = '.shoal'

/** Resume data of a torrent that is only seeded. It may stay: it is believed only while nothing changes. */
export function seedResumePath(dir: string, id: string): string {
  return path.join(dir, STATE_FOLDER, `${id}.seed`)
}

export class TransferState {
  readonly resumePath: string
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
    this.sideFile = [STATE_FOLDER, `${id}.parts`]
  }

  /** Makes DIR if need be. Throws ShoalError `storage/…` or `transfer/…`. @param id infohash in hex */
  static open(dir: string, id: string): TransferState {
    const folder = path.join(dir, STATE_FOLDER)
    try {
      makeFolders(folder)
      const lock = path.join(folder, `${id}.lock`)
      const isContinued = ['lock', 'resume', 'parts'].some((kind) =>
        existsSync(path.join(folder, `${id}.${kind}`)),
      )
      return new TransferState(folder, id, TransferLock.take(lock), isContinued)
    } catch (cause) {
      throw storageError(cause, dir, true)
    }
  }

  /** @param isComplete nothing is needed any more to go on */
  close(isComplete: boolean): void {
    if (isComplete) {
      rmSync(this.resumePath, { force: true })
      rmSync(path.join(path.dirname(this.#folder), ...this.sideFile), { force: true })
    }
    this.#lock.release()
    try {
      rmdirSync(this.#folder)
    } catch {
      // Another download of the same folder still has its state there.
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
