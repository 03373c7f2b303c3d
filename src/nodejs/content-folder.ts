/**
 * The only door to files of a torrent: every open, stat, rename and delete below one root
 * folder, by path components.
 * Invariant: no symbolic link below the root is ever followed, not even one put there between two calls; the
 * root itself may be a link, it is the user's own choice.
 *
 * Linux: each folder is opened with O_NOFOLLOW | O_DIRECTORY below the descriptor of its parent
 * (/proc/PID/fd/N/name), so what was checked is what is used. Elsewhere every parent is checked with lstat
 * just before use, and the file with O_NOFOLLOW where there is one: who can swap a folder within that moment
 * wins; such a user has the same rights anyway.
 *
 * Components are strings, or bytes where a name on disk is not UTF-8. All calls are
 * synchronous; worker threads may use it.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { fileMemory } from './file-memory.ts'
import { forgetTree, isNewest, recall, remember } from './folder-descriptors.ts'
import { ShoalError } from './shoal-error.ts'
import { errnoOf, explainedError, storageError } from './storage-error.ts'

export type PathComponent = string | Uint8Array
/**
 * `read`: an existing file. `write`: an existing file, for reading and writing. `create`:
 * made if missing, with its folders.
 */
export type OpenMode = 'read' | 'write' | 'create'

export interface ContentStat {
  readonly size: number
  /** On disk; less than the size where the file has holes. */
  readonly allocatedBytes: number
  /** Nanoseconds since 1970; tells a changed file from an unchanged one. */
  readonly mtimeNs: bigint
  /** Of the last change to content, name or rights; no program can set it. */
  readonly ctimeNs: bigint
  readonly inode: bigint
  readonly isFile: boolean
}

/** O_NONBLOCK: a pipe put in a file's place must not block the thread. */
const COMMON = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: COMMON | constants.O_RDONLY,
  write: COMMON | constants.O_RDWR,
  create: COMMON | constants.O_RDWR | constants.O_CREAT,
}
const FOLDER = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0)
const HAS_DESCRIPTOR_PATHS = process.platform === 'linux' && existsSync('/proc/self/fd')
/**
 * What this process has open, by number. `self` is a link, and following it for each of 20,000 files on two
 * threads takes a hundredth of the time that hashing them does; a number says the same where /proc is
 * that of our own process numbers.
 */
const DESCRIPTORS = `/proc/${HAS_DESCRIPTOR_PATHS && isOwnNumber(process.pid) ? process.pid : 'self'}/fd`
const COPY_BYTES = 1024 * 1024
/** What `st_blocks` counts, on every platform. */
const STAT_BLOCK_BYTES = 512
/** Windows reads more into a name than others: separators, drives and streams. */
const FORBIDDEN = process.platform === 'win32' ? /[\0/\\:]/ : /[\0/]/

export class ContentFolder {
  readonly root: string
  readonly #byDescriptor: boolean
  /** The folder of `openNextSync`, as it is in the cache of descriptors. */
  #place: { parents: readonly PathComponent[]; key: string; fd: number; path: string } | undefined

  /** @param byDescriptor false tries the way of platforms without /proc (for tests) */
  constructor(root: string, byDescriptor = HAS_DESCRIPTOR_PATHS) {
    this.root = path.resolve(root)
    this.#byDescriptor = byDescriptor
  }

  /** A descriptor of a regular file; the caller closes it. Throws storage/... */
  openSync(components: readonly PathComponent[], mode: OpenMode): number {
    const fd = this.openUnknownSync(components, mode)
    if (fstatSync(fd).isFile()) return fd
    closeSync(fd)
    throw explainedError('EISDIR', this.display(components), mode !== 'read')
  }

  /** The same for whatever stands there; who reads it finds out what it is before trusting a byte of it. */
  openUnknownSync(components: readonly PathComponent[], mode: OpenMode): number {
    return this.#inParent(components, mode === 'create', mode !== 'read', (file) =>
      openSync(file, FLAGS[mode], 0o666),
    )
  }

  /**
   * `openUnknownSync` to read, for many files one after the other of which most are in the folder of the one
   * before.
   * @param parents the same list for files of one folder
   */
  openNextSync(parents: readonly PathComponent[], name: PathComponent): number {
    const place = this.#place
    if (typeof name === 'string' && place?.parents === parents && isNewest(place.key, place.fd)) {
      checkName(name)
      try {
        return openSync(place.path + name, FLAGS.read)
      } catch {
        // What is wrong the longer way finds out, and whether the folder is another one by now.
      }
    }
    const fd = this.openUnknownSync([...parents, name], 'read')
    const key = this.#key(parents)
    const folder = this.#byDescriptor ? recall(key) : undefined
    this.#place =
      folder === undefined ? undefined : { parents, key, fd: folder, path: `${DESCRIPTORS}/${folder}/` }
    return fd
  }

  /** Undefined when nothing has that name. A link is not followed: it is no file. */
  statSync(components: readonly PathComponent[]): ContentStat | undefined {
    try {
      const stat = this.#inParent(components, false, false, (file) => lstatSync(file, { bigint: true }))
      return {
        size: Number(stat.size),
        allocatedBytes: Number(stat.blocks) * STAT_BLOCK_BYTES,
        mtimeNs: stat.mtimeNs,
        ctimeNs: stat.ctimeNs,
        inode: stat.ino,
        isFile: stat.isFile(),
      }
    } catch (error) {
      if (error instanceof ShoalError && error.code === 'storage/not-found') return undefined
      throw error
    }
  }

  /** Cuts a file to this length, or lengthens it with zeros; makes it if missing, with its folders. */
  truncate(components: readonly PathComponent[], length: number): void {
    const fd = this.openSync(components, 'create')
    try {
      ftruncateSync(fd, length)
    } catch (error) {
      throw storageError(error, this.display(components), true)
    } finally {
      closeSync(fd)
    }
  }

  /** Makes the folder and those above it that are missing, the root too. */
  mkdirsSync(components: readonly PathComponent[]): void {
    this.#onFreshFolders(components, () => this.#folder(components, true))
  }

  /** Deletes a file (synchronously); a link is deleted itself. */
  unlink(components: readonly PathComponent[]): void {
    this.#inParent(components, false, true, (file) => unlinkSync(file))
  }

  /**
   * Moves a file within the root (synchronously), over whatever file is there; makes the folders it goes to.
   */
  rename(from: readonly PathComponent[], to: readonly PathComponent[]): void {
    this.#move(from, this, to)
  }

  /**
   * Moves a file to the same place below another root (synchronously). Between file systems it is copied,
   * which blocks the thread for as long as that takes; an interrupted copy leaves the source.
   */
  moveTo(components: readonly PathComponent[], target: ContentFolder): void {
    try {
      this.#move(components, target, components)
    } catch (error) {
      if (!(error instanceof ShoalError) || errnoOf(error.cause) !== 'EXDEV') throw error
      this.#copy(components, target)
      this.unlink(components)
    }
  }

  /** Removes a folder below the root if it is empty; false when it is not, or not there. */
  removeFolder(components: readonly PathComponent[]): boolean {
    forgetTree(this.#key(components))
    try {
      this.#inParent(components, false, true, (folder) => rmdirSync(folder))
      return true
    } catch {
      return false
    }
  }

  /** Lets go of the folders kept open. The object stays usable. */
  close(): void {
    forgetTree(this.root)
  }

  /** The path for people. */
  display(components: readonly PathComponent[]): string {
    return path.join(
      this.root,
      ...components.map((name) => (typeof name === 'string' ? name : Buffer.from(name).toString())),
    )
  }

  #move(from: readonly PathComponent[], target: ContentFolder, to: readonly PathComponent[]): void {
    const name = to.at(-1)
    if (name === undefined) throw explainedError('EISDIR', target.root, true)
    checkName(name)
    target.mkdirsSync(to.slice(0, -1))
    const folder = target.#folder(to.slice(0, -1), true)
    // A descriptor of our own: the cache may close its one while it looks for the other folder.
    const held = target.#byDescriptor ? openSync(folder, FOLDER) : undefined
    try {
      const place = join(held === undefined ? folder : `${DESCRIPTORS}/${held}`, name)
      this.#inParent(from, false, true, (source) => renameSync(source, place))
    } finally {
      if (held !== undefined) closeSync(held)
    }
  }

  #copy(components: readonly PathComponent[], target: ContentFolder): void {
    const source = this.openSync(components, 'read')
    const copy = target.openSync(components, 'create')
    try {
      const buffer = fileMemory(COPY_BYTES)
      let position = 0
      for (let count = 1; count > 0; position += count) {
        count = readSync(source, buffer, 0, COPY_BYTES, position)
        for (let done = 0; done < count; )
          done += writeSync(copy, buffer, done, count - done, position + done)
      }
      ftruncateSync(copy, position)
      // The source goes next.
      fsyncSync(copy)
    } catch (error) {
      throw storageError(error, target.display(components), true)
    } finally {
      closeSync(source)
      closeSync(copy)
    }
  }

  #inParent<T>(
    components: readonly PathComponent[],
    isMaking: boolean,
    isWriting: boolean,
    use: (file: string | Buffer) => T,
  ): T {
    const parents = components.slice(0, -1)
    const name = components.at(-1)
    if (name === undefined) throw explainedError('EISDIR', this.root, isWriting)
    checkName(name)
    return this.#onFreshFolders(parents, () => {
      const folder = this.#folder(parents, isMaking)
      try {
        return use(join(folder, name))
      } catch (error) {
        throw storageError(error, this.display(components), isWriting)
      }
    })
  }

  /**
   * Again, when what was looked for is missing because a folder kept open was deleted and
   * made anew meanwhile.
   */
  #onFreshFolders<T>(folders: readonly PathComponent[], look: () => T): T {
    try {
      return look()
    } catch (error) {
      const isMissing = error instanceof ShoalError && error.code === 'storage/not-found'
      if (isMissing && this.#forgetDeleted(folders)) return look()
      throw error
    }
  }

  /** True when one of the folders kept open on the way was deleted. */
  #forgetDeleted(components: readonly PathComponent[]): boolean {
    for (let depth = 0; depth <= components.length; depth++) {
      const key = this.#key(components.slice(0, depth))
      const fd = recall(key)
      if (fd === undefined || fstatSync(fd).nlink > 0) continue
      forgetTree(key)
      return true
    }
    return false
  }

  /** A path to the folder that is safe to add one name to. */
  #folder(components: readonly PathComponent[], isMaking: boolean): string | Buffer {
    return this.#byDescriptor
      ? `${DESCRIPTORS}/${this.#descriptor(components, isMaking)}`
      : this.#checked(components, isMaking)
  }

  /** Opens from the nearest folder that is open already; the descriptor belongs to the cache. */
  #descriptor(components: readonly PathComponent[], isMaking: boolean): number {
    const known = recall(this.#key(components))
    if (known !== undefined) return known
    const name = components.at(-1)
    if (name !== undefined) checkName(name)
    const isRoot = name === undefined
    const folder = isRoot
      ? this.root
      : join(`${DESCRIPTORS}/${this.#descriptor(components.slice(0, -1), isMaking)}`, name)
    const flags = isRoot ? FOLDER : FOLDER | constants.O_NOFOLLOW
    let fd: number
    try {
      fd = isMaking ? openOrMake(folder, flags, isRoot) : openSync(folder, flags)
    } catch (error) {
      // With O_DIRECTORY the kernel answers "not a folder" for a link too.
      const isLink = errnoOf(error) === 'ENOTDIR' && !isRoot && isSymlink(folder)
      if (isLink) throw explainedError('ELOOP', this.display(components), isMaking, error)
      throw storageError(error, this.display(components), isMaking)
    }
    remember(this.#key(components), fd)
    return fd
  }

  #checked(components: readonly PathComponent[], isMaking: boolean): string | Buffer {
    let folder: string | Buffer = this.root
    try {
      if (isMaking) makeFolder(folder, true)
      components.forEach((name) => {
        checkName(name)
        folder = join(folder, name)
        if (isMaking) makeFolder(folder, false)
        const stat = lstatSync(folder)
        if (stat.isSymbolicLink()) throw explainedError('ELOOP', this.display(components), isMaking)
        if (!stat.isDirectory()) throw explainedError('ENOTDIR', this.display(components), isMaking)
      })
    } catch (error) {
      throw storageError(error, this.display(components), isMaking)
    }
    return folder
  }

  #key(components: readonly PathComponent[]): string {
    let key = this.root
    for (const name of components)
      key += typeof name === 'string' ? `\0${name}` : `\0\0${Buffer.from(name).toString('latin1')}`
    return key
  }
}

/** Names were made safe where they came in; this is the second lock on the same door. */
function checkName(name: PathComponent): void {
  const text = typeof name === 'string' ? name : Buffer.from(name).toString('latin1')
  if (text === '' || text === '.' || text === '..' || FORBIDDEN.test(text)) {
    throw new ShoalError(
      'storage/bad-name',
      `${JSON.stringify(text)} is no file name`,
      'Do not use this torrent.',
    )
  }
}

function join(folder: string | Buffer, name: PathComponent): string | Buffer {
  if (typeof folder === 'string' && typeof name === 'string') return `${folder}/${name}`
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), Buffer.from(name)])
}

function isOwnNumber(pid: number): boolean {
  try {
    return readlinkSync('/proc/self') === `${pid}`
  } catch {
    return false
  }
}

function makeFolder(folder: string | Buffer, isRoot: boolean): void {
  try {
    mkdirSync(folder, { recursive: isRoot })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

/** Mostly it is there; making one that is would throw, and an exception costs more than all the rest. */
function openOrMake(folder: string | Buffer, flags: number, isRoot: boolean): number {
  try {
    return openSync(folder, flags)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    makeFolder(folder, isRoot)
    return openSync(folder, flags)
  }
}

function isSymlink(file: string | Buffer): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}
