/** How the threads of a bare program open what they hash, and where they read it to. */
import { IS_GUARDED, type Shared } from './bare-shared.ts'

const { closeSync, constants, fstatSync, openSync } = process.getBuiltinModule('node:fs')

/** @returns the descriptor of a file, by its index; the one before is closed */
export function fileOpener({ state, paths, pathEnds }: Shared): (index: number) => number {
  const openPath = state[IS_GUARDED] === 1 ? guardedOpener() : (path: string) => openSync(path, 'r')
  let openFile = -1
  let fd = -1
  return (index) => {
    if (index === openFile) return fd
    if (openFile !== -1) closeSync(fd)
    fd = openPath(paths.toString('utf8', index === 0 ? 0 : pathEnds[index - 1]!, pathEnds[index]!))
    openFile = index
    return fd
  }
}

/**
 * What a program on Linux cannot do without that never follows a link below a folder, whoever puts one there
 * meanwhile: each folder is opened below the descriptor of the one above it, each file below that of its
 * folder (`src/nodejs/content-folder.ts`). Each file is looked at once, as who notices changes has to do;
 * here only to refuse what is no file.
 */
function guardedOpener(): (path: string) => number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
  const descriptors = `/proc/${process.pid}/fd`
  const folderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
  let folder: string | undefined
  let folderFd = -1
  return (path) => {
    const nameAt = path.lastIndexOf('/') + 1
    if (path.slice(0, nameAt) !== folder) {
      folder = path.slice(0, nameAt)
      if (folderFd !== -1) closeSync(folderFd)
      folderFd = openSync('.', folderFlags)
      for (const name of folder.split('/').slice(0, -1)) {
        const inner = openSync(`${descriptors}/${folderFd}/${name}`, folderFlags)
        closeSync(folderFd)
        folderFd = inner
      }
    }
    const file = `${descriptors}/${folderFd}/${path.slice(nameAt)}`
    const fd = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    if (!fstatSync(fd).isFile()) throw new Error(`${path} is no file`)
    return fd
  }
}

/** Not right behind the begin of a page: see `src/nodejs/file-memory.ts`. */
export function fileMemory(length: number): Buffer {
  return Buffer.allocUnsafeSlow(64 + length).subarray(64)
}
