/**
 * Complete content on its way from the temporary folder to its place, file by file. Whatever interrupts it
 * can be taken up again: what is not in the old place any more is in the new one.
 * Invariant: the old place is left without an empty folder of this torrent.
 */
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentFolder, type PathComponent } from './content-folder.ts'
import { TransferState } from './transfer-state.ts'

export interface ContentMove {
  readonly metainfo: Metainfo
  /** Where each file of the metainfo stands, in both places. */
  readonly paths: readonly (readonly PathComponent[])[]
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

/** Throws ShoalError `storage/…`. */
export function moveContent({ metainfo, paths, isSelected, sideFile, from, to }: ContentMove): void {
  const moved = [...metainfo.files.keys()].filter((file) => {
    const { isPad, symlink } = metainfo.files[file]!
    return !isPad && symlink === undefined && isSelected(file)
  })
  for (const file of moved) moveIfThere(paths[file]!, from, to)
  moveIfThere(sideFile, from, to)
  for (const folder of foldersOf(moved.map((file) => paths[file]!))) from.removeFolder(folder)
}

function moveIfThere(path: readonly PathComponent[], from: ContentFolder, to: ContentFolder): void {
  if (from.statSync(path) !== undefined) from.moveTo(path, to)
}

/** Every folder on the way to the files once, the deeper ones first. */
function foldersOf(paths: readonly (readonly PathComponent[])[]): (readonly PathComponent[])[] {
  const folders = new Map<string, readonly PathComponent[]>()
  for (const path of paths) {
    for (let depth = path.length - 1; depth > 0; depth--) {
      const folder = path.slice(0, depth)
      const key = folder.map((name) => Buffer.from(name).toString('latin1')).join('/')
      if (folders.has(key)) break
      folders.set(key, folder)
    }
  }
  return [...folders.values()].sort((a, b) => b.length - a.length)
}
