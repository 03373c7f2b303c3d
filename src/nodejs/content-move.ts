/**
 * Complete content on its way from the temporary folder to its place, file by file. Whatever interrupts it
 * can be taken up again: what is not in the old place any more is in the new one.
 * To another file system it is copied first, while it is served from the old place; that may take hours.
 * Invariants: the old place is left without an empty folder of this torrent; a file leaves it only when the
 * disk has its copy.
 */
import { closeSync, fsync, ftruncateSync, read, statSync, write } from 'node:fs'
import { promisify } from 'node:util'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import type { ContentPaths } from './content-location.ts'
import { fileMemory } from './file-memory.ts'
import { storageError } from './storage-error.ts'
import { TransferState } from './transfer-state.ts'

const COPY_BYTES = 1024 * 1024
const readAsync = promisify(read)
const writeAsync = promisify(write)
const fsyncAsync = promisify(fsync)

export interface ContentMove {
  readonly metainfo: Metainfo
  /** Where each file of the metainfo stands, in both places. */
  readonly paths: ContentPaths
  readonly isSelected: (file: number) => boolean
  readonly sideFile: readonly PathComponent[]
  readonly from: ContentFolder
  readonly to: ContentFolder
}

/** The temporary folder is for what begins here; what stands in its place already is continued there. */
export function beginsIn(options: {
  readonly dir: string
  readonly tmpDir?: string
  readonly metainfo: Metainfo
}): string {
  const { dir, tmpDir, metainfo } = options
  if (tmpDir === undefined) return dir
  return new ContentFolder(dir).statSync([metainfo.name]) === undefined ? tmpDir : dir
}

/**
 * A run that was killed while it put its files in place has left some of them, and its state,
 * in the temporary folder. Throws ShoalError `storage/…` or `transfer/…`.
 */
export function endMove(tmpDir: string, id: string, move: Omit<ContentMove, 'from'>): void {
  if (!TransferState.isMoving(tmpDir, id)) return TransferState.tidy(tmpDir)
  const state = TransferState.open(tmpDir, id)
  const from = new ContentFolder(tmpDir)
  let isDone = false
  try {
    moveContent({ ...move, from })
    isDone = true
  } finally {
    from.close()
    state.close(isDone)
  }
}

/**
 * Copies what `moveContent` could not just rename; gives the files that need no move any more.
 * Stops early when the signal says so. Throws ShoalError `storage/…`.
 */
export async function copyContent(move: ContentMove, signal: AbortSignal): Promise<Set<number>> {
  const copied = new Set<number>()
  const { paths, from, to } = move
  if (statSync(from.root).dev === statSync(to.root).dev) return copied
  for (const file of filesToMove(move)) {
    if (signal.aborted) break
    const path = paths.at(file)!
    if (from.statSync(path) !== undefined && (await copyFile(path, from, to, signal))) copied.add(file)
  }
  return copied
}

/** Throws ShoalError `storage/…`. @param copied what `copyContent` gave */
export function moveContent(move: ContentMove, copied: ReadonlySet<number> = new Set()): void {
  const { paths, sideFile, from, to } = move
  const moved = filesToMove(move)
  for (const file of moved) {
    if (copied.has(file)) from.unlink(paths.at(file)!)
    else moveIfThere(paths.at(file)!, from, to)
  }
  moveIfThere(sideFile, from, to)
  for (const folder of foldersOf(moved, paths)) from.removeFolder(folder)
}

function filesToMove({ metainfo, isSelected }: ContentMove): number[] {
  return [...metainfo.files.keys()].filter((file) => {
    const { isPad, symlink } = metainfo.files[file]!
    return !isPad && symlink === undefined && isSelected(file)
  })
}

/** True when the disk has all of it. */
async function copyFile(
  path: readonly PathComponent[],
  from: ContentFolder,
  to: ContentFolder,
  signal: AbortSignal,
): Promise<boolean> {
  const source = from.openSync(path, 'read')
  let copy: number | undefined
  try {
    copy = to.openSync(path, 'create')
    const buffer = fileMemory(COPY_BYTES)
    let position = 0
    for (let count = 1; count > 0; position += count) {
      if (signal.aborted) return false
      count = (await readAsync(source, buffer, 0, COPY_BYTES, position)).bytesRead
      for (let done = 0; done < count; )
        done += (await writeAsync(copy, buffer, done, count - done, position + done)).bytesWritten
    }
    ftruncateSync(copy, position)
    await fsyncAsync(copy)
    return true
  } catch (error) {
    throw storageError(error, to.display(path), true)
  } finally {
    closeSync(source)
    if (copy !== undefined) closeSync(copy)
  }
}

function moveIfThere(path: readonly PathComponent[], from: ContentFolder, to: ContentFolder): void {
  if (from.statSync(path) !== undefined) from.moveTo(path, to)
}

/** Every folder on the way to the files once, the deeper ones first. */
function foldersOf(files: readonly number[], paths: ContentPaths): (readonly PathComponent[])[] {
  const folders = new Map<string, readonly PathComponent[]>()
  for (const file of files) {
    const path = paths.at(file)!
    for (let depth = path.length - 1; depth > 0; depth--) {
      const folder = path.slice(0, depth)
      const key = folder.map((name) => Buffer.from(name).toString('latin1')).join('/')
      if (folders.has(key)) break
      folders.set(key, folder)
    }
  }
  return [...folders.values()].sort((a, b) => b.length - a.length)
}
